"""Which row comes next: a keyed permutation, so that the data's whole state is one integer.

Sample k of a run is a pure function of (k, number of rows, seed): no index file, no buffer, nothing to
store but how many samples were seen. A worker of any world size takes the k's that are its own.
The permutation is a four-round Feistel network over the next even power of two, walked along its
cycle until it lands below the number of rows (at most four steps on average).
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

_ROUNDS = 4
_MASK = (1 << 64) - 1


def permuted(k: int, num_rows: int, seed: int, epoch: int) -> int:
    """Return the row at place `k` of the epoch's order; a bijection of range(num_rows)."""
    if not 0 <= k < num_rows:
        raise IndexError(f"sample {k} of {num_rows} rows")
    half = max(1, ((num_rows - 1).bit_length() + 1) // 2)
    keys = _round_keys(seed, epoch)
    value = k
    while True:
        value = _feistel(value, half, keys)
        if value < num_rows:
            return value


def row_at(k: int, epoch_rows: Sequence[int], seed: int) -> int:
    """Return the row of sample `k` of a run over shards that hold `epoch_rows` rows per epoch.

    The shards' epochs are gone through in order, each in its own permutation; after the last the
    first comes again in a new one. Rows are numbered through all epochs, as in `Shards.row`.
    """
    total = sum(epoch_rows)
    lap, place = divmod(k, total)
    first = 0
    for number, rows in enumerate(epoch_rows):
        if place < rows:
            return first + permuted(place, rows, seed, lap * len(epoch_rows) + number)
        place -= rows
        first += rows
    raise AssertionError("place lies below the total")


@lru_cache(maxsize=64)
def _round_keys(seed: int, epoch: int) -> tuple[int, ...]:
    digest = hashlib.blake2b(f"rows {seed} {epoch}".encode(), digest_size=8 * _ROUNDS).digest()
    return tuple(int.from_bytes(digest[8 * i : 8 * i + 8], "little") for i in range(_ROUNDS))


def _feistel(value: int, half: int, keys: tuple[int, ...]) -> int:
    mask = (1 << half) - 1
    left, right = value >> half, value & mask
    for key in keys:
        left, right = right, left ^ (_mix(right ^ key) & mask)
    return left << half | right


def _mix(value: int) -> int:
    """SplitMix64's finisher: every input bit reaches every output bit."""
    value &= _MASK
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & _MASK
    return value ^ value >> 31
