"""Word n-grams of many texts as 64-bit hashes, without a Python loop over words.

All texts of a batch lie in one byte buffer. A word's hash mixes its bytes eight at a time, taken for all
words of the batch at once; an n-gram's hash chains n word hashes. Windows that would cross from one text
into the next are left out. Measured 100 MB/s a core and more, where a loop with a hash call per n-gram
does 10. The hashes are weak against crafted inputs only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xxhash

U64 = npt.NDArray[np.uint64]
Offsets = npt.NDArray[np.int64]
_CHAIN = np.uint64(0xD6E8FEB86659FD93)
_BATCH_BYTES = 1 << 17  # its arrays stay in a core's cache
_LONG_WORD = 64

_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
# letters beyond ASCII are part of words
_IDENTIFIER = bytes(byte >= 128 or byte in _LETTERS for byte in range(256))
_DIGIT = bytes(0x30 <= byte <= 0x39 for byte in range(256))
_VISIBLE = bytes(byte >= 0x21 for byte in range(256))
_FIRST_BYTES = np.array([(1 << (8 * count)) - 1 for count in range(9)], dtype=np.uint64)


@dataclass(frozen=True)
class Words:
    """The hashes of the words of some texts, flat, and how many each text has."""

    hashes: U64
    counts: Offsets

    def ngrams(self, num_words: int, *, mixed: bool = True) -> tuple[U64, Offsets]:
        """Return the hashes of every text's n-grams, flat, and the offsets of each text (len + 1).

        A text of fewer than `num_words` words has none. Not `mixed`, they are what `chain` gives.
        """
        num_grams = np.maximum(self.counts - num_words + 1, 0)
        offsets = np.zeros(len(self.counts) + 1, dtype=np.int64)
        np.cumsum(num_grams, out=offsets[1:])
        size = len(self.hashes) - num_words + 1
        if size <= 0:
            return np.zeros(0, np.uint64), offsets
        grams = self.hashes[:size].copy()
        for i in range(1, num_words):
            grams = chain(grams, self.hashes[i : i + size])
        # the last n-1 windows of each text reach into the next one
        keep = np.zeros(size + 1, dtype=np.int64)
        has = num_grams > 0
        firsts = (np.cumsum(self.counts) - self.counts)[has]
        keep[firsts] += 1
        np.add.at(keep, firsts + num_grams[has], -1)
        grams = grams[np.cumsum(keep[:-1]) > 0]
        return mix(grams) if mixed else grams, offsets


def chain(grams: U64, words: U64) -> U64:
    """Return n-grams made longer by one word each, in place; as many as there are words."""
    grams = grams[: len(words)]
    grams *= _CHAIN
    grams ^= words
    return grams


def words_of(texts: Sequence[bytes], *, lower: bool = False, whitespace: bool = False) -> Words:
    """Return the words of texts: runs of letters, digits and `_`, or with `whitespace` of all visible."""
    inside = _VISIBLE if whitespace else _IDENTIFIER
    parts = [_batch_words(batch, inside, lower) for batch in _batches(texts)]
    if not parts:
        return Words(np.zeros(0, np.uint64), np.zeros(0, np.int64))
    return Words(
        np.concatenate([hashes for hashes, _ in parts]),
        np.concatenate([counts for _, counts in parts]),
    )


def ngrams(
    texts: Sequence[bytes], num_words: int, *, lower: bool = False, whitespace: bool = False
) -> tuple[U64, Offsets]:
    """Return the n-grams of texts as `Words.ngrams` does."""
    return words_of(texts, lower=lower, whitespace=whitespace).ngrams(num_words)


def num_words_of(text: bytes, *, whitespace: bool = False) -> int:
    """Return how many words a text has."""
    return len(words_of([text], whitespace=whitespace).hashes)


def lettered_words(texts: Sequence[bytes]) -> npt.NDArray[np.bool_]:
    """Say for each word of `words_of(texts)` whether it is more than digits."""
    joined = b"\n".join(texts) + b"\n"
    starts, ends = _edges(joined, _IDENTIFIER)
    digits = np.zeros(len(joined) + 1, dtype=np.int64)
    np.cumsum(np.frombuffer(joined.translate(_DIGIT), dtype=np.uint8), out=digits[1:])
    return np.asarray(digits[ends] - digits[starts] < ends - starts)


def mix(values: U64) -> U64:
    """Return well-mixed 64-bit values (the finish of SplitMix64), a bijection."""
    z = values ^ (values >> np.uint64(30))
    z = z * np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    z = z * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)), dtype=np.uint64)


def _batches(texts: Sequence[bytes]) -> list[list[bytes]]:
    batches: list[list[bytes]] = []
    size = 0
    for text in texts:
        if not batches or size + len(text) > _BATCH_BYTES:
            batches.append([])
            size = 0
        batches[-1].append(text)
        size += len(text) + 1
    return batches


def _batch_words(texts: list[bytes], inside: bytes, lower: bool) -> tuple[U64, Offsets]:
    joined = b"\n".join(texts) + b"\n"
    if lower:
        joined = joined.lower()
    starts, ends = _edges(joined, inside)
    lengths = np.fromiter((len(text) + 1 for text in texts), np.int64, len(texts))
    before = np.searchsorted(starts, np.cumsum(lengths))  # words before the end of each text
    return _word_hashes(joined, starts, ends - starts), np.diff(before, prepend=0)


def _edges(joined: bytes, inside: bytes) -> tuple[Offsets, Offsets]:
    """Return where each word begins and ends; the bytes must end in a newline."""
    flags = np.frombuffer(joined.translate(inside), dtype=bool)
    edges = np.flatnonzero(flags[1:] != flags[:-1]) + 1
    if flags[0]:
        edges = np.concatenate(([0], edges))
    return edges[0::2], edges[1::2]


def _word_hashes(buffer: bytes, starts: Offsets, lengths: Offsets) -> U64:
    eights = np.ndarray((len(buffer) + 1,), "<u8", buffer + bytes(8), strides=(1,))
    hashes = eights[starts] & _FIRST_BYTES[np.minimum(lengths, 8)]
    longer = np.flatnonzero(lengths > 8)
    for done in range(8, _LONG_WORD, 8):
        rest = lengths[longer] - done
        more = eights[starts[longer] + done] & _FIRST_BYTES[np.minimum(rest, 8)]
        hashes[longer] = mix(hashes[longer]) * _CHAIN ^ more
        longer = longer[rest > 8]
        if not len(longer):
            break
    for word in longer.tolist():
        start = int(starts[word])
        hashes[word] = xxhash.xxh3_64_intdigest(buffer[start : start + int(lengths[word])])
    return mix(hashes)
