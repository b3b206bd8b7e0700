"""Words of at most 16 bytes and their token ids, looked up by the hundred thousand at a time.

A word is two 64-bit keys: its bytes, with zeros behind (no word here holds a zero byte, so the keys are
the word). They lie in an open-addressed table of NumPy arrays; a lookup hashes all words at once, and
goes on with those whose place is taken by another. Longer words, and those that are not there, are the
caller's.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MAX_BYTES = 16

_U64 = np.uint64
_MASKS = np.array([(1 << 8 * n) - 1 for n in range(8)] + [(1 << 64) - 1], _U64)
_FIRST, _SECOND, _MIX = (
    _U64(0x9E3779B97F4A7C15),
    _U64(0xC2B2AE3D27D4EB4F),
    _U64(0xD6E8FEB86659FD93),
)
_SMALLEST_BITS = 16

Keys = tuple[NDArray[np.uint64], NDArray[np.uint64]]


def keys_of(data: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> Keys:
    """Return the keys of words of at most `MAX_BYTES`; 16 bytes of anything must follow the last."""
    eights = np.ndarray((len(data) - 7,), "<u8", data, strides=(1,))
    first = eights[starts] & _MASKS[np.minimum(lengths, 8)]
    second = np.zeros(len(starts), _U64)
    long = np.flatnonzero(lengths > 8)
    second[long] = eights[starts[long] + 8] & _MASKS[lengths[long] - 8]
    return first, second


def joined_keys(keys: Keys) -> NDArray[np.uint64]:
    """Return one number for each word; two words in 2**64 share one."""
    mixed: NDArray[np.uint64] = keys[0] * _FIRST + keys[1] * _SECOND
    return mixed


class WordTable:
    """From keys to entry numbers, and from entries to token ids."""

    def __init__(self) -> None:
        """Begin empty."""
        self.num_entries = 0
        self._ids = np.zeros(1 << 16, np.uint32)
        self._ends = np.zeros((1 << 15) + 1, np.int64)
        self._grow(_SMALLEST_BITS)
        self._used = 0

    def _grow(self, bits: int) -> None:
        self._bits = bits
        self._first = np.zeros(1 << bits, _U64)  # 0: a free place
        self._second = np.zeros(1 << bits, _U64)
        self._entry = np.zeros(1 << bits, np.int64)

    def _places(self, keys: Keys) -> NDArray[np.int64]:
        mixed = joined_keys(keys)
        mixed ^= mixed >> _U64(29)
        mixed *= _MIX
        return (mixed >> _U64(64 - self._bits)).astype(np.int64)

    def find(self, keys: Keys) -> NDArray[np.int64]:
        """Return the entry of each word, -1 where it is not there."""
        first, second = keys
        place = self._places(keys)
        held = self._first[place]
        hit = (held == first) & (self._second[place] == second)
        found = np.where(hit, self._entry[place], -1)
        left = np.flatnonzero(~hit & (held != 0))
        place = place[left]
        while len(left):
            place = (place + 1) & ((1 << self._bits) - 1)
            held = self._first[place]
            hit = (held == first[left]) & (self._second[place] == second[left])
            found[left[hit]] = self._entry[place[hit]]
            on = ~hit & (held != 0)
            left, place = left[on], place[on]
        return found

    def add_entry(self, ids: Sequence[int]) -> int:
        """Add an entry of any word's ids, without a key; return its number."""
        start = int(self._ends[self.num_entries])
        if start + len(ids) > len(self._ids):
            self._ids = np.concatenate([self._ids, np.zeros(len(self._ids) + len(ids), np.uint32)])
        if self.num_entries + 2 > len(self._ends):
            self._ends = np.concatenate([self._ends, np.zeros_like(self._ends)])
        self._ids[start : start + len(ids)] = ids
        self.num_entries += 1
        self._ends[self.num_entries] = start + len(ids)
        return self.num_entries - 1

    def put(self, keys: Keys, entries: NDArray[np.int64]) -> None:
        """Give entries their keys; no key may be there yet, nor come twice."""
        bits = self._bits
        while (self._used + len(entries)) * 2 > 1 << bits:
            bits += 1
        if bits != self._bits:
            taken = np.flatnonzero(self._first)
            old = self._first[taken], self._second[taken]
            numbers = self._entry[taken]
            self._grow(bits)
            self._used = 0
            self.put(old, numbers)
        self._used += len(entries)
        first, second = keys
        place = self._places(keys)
        left = np.arange(len(entries))
        while len(left):
            free = np.flatnonzero(self._first[place] == 0)
            # of words that want the same free place one gets it, the rest go on
            _, winners = np.unique(place[free], return_index=True)
            won = free[winners]
            self._first[place[won]] = first[left[won]]
            self._second[place[won]] = second[left[won]]
            self._entry[place[won]] = entries[left[won]]
            on = np.ones(len(left), np.bool_)
            on[won] = False
            left, place = left[on], (place[on] + 1) & ((1 << self._bits) - 1)

    def ids_of(self, entries: NDArray[np.int64]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Return the ids of entries one after the other, and where each entry's begin, and the end."""
        start = self._ends[entries]
        ends = np.zeros(len(entries) + 1, np.int64)
        np.cumsum(self._ends[entries + 1] - start, out=ends[1:])
        where = np.repeat(start - ends[:-1], np.diff(ends))
        where += np.arange(len(where))
        return self._ids[where], ends
