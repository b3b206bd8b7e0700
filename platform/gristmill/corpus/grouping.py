"""Groups of equal 64-bit values: an order that puts equal ones side by side, the same on every run.

A value is mixed, its low bits are packed above its row number, and the packed numbers are sorted as
plain integers, which numpy does with vector instructions: as fast as its unstable argsort, but stable.
Values that agree in the low bits only are set right afterwards; there are few. The order of groups is
arbitrary and depends on the values alone.
"""

import numpy as np
import numpy.typing as npt

from gristmill.corpus.shingles import U64, mix

Indices = npt.NDArray[np.int64]


def groups(values: U64) -> tuple[Indices, Indices]:
    """Return the rows, equal values side by side and in ascending order, and where each group starts."""
    size = len(values)
    if size == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    mixed = mix(values)
    bits = np.uint64(max(1, (size - 1).bit_length()))
    packed = (mixed << bits) | np.arange(size, dtype=np.uint64)
    packed.sort()
    order = (packed & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
    packed >>= bits
    same = packed[1:] == packed[:-1]
    values_sorted = mixed[order]
    differ = values_sorted[1:] != values_sorted[:-1]
    mixed_up = np.unique(packed[1:][same & differ])
    if len(mixed_up):
        _mend(order, packed, mixed, mixed_up)
        values_sorted = mixed[order]
        differ = values_sorted[1:] != values_sorted[:-1]
    return order, np.concatenate(([0], np.flatnonzero(differ) + 1))


def _mend(order: Indices, short: U64, mixed: U64, mixed_up: U64) -> None:
    """Sort the rows of the runs in which different values share their low bits."""
    firsts = np.searchsorted(short, mixed_up, side="left")
    ends = np.searchsorted(short, mixed_up, side="right")
    for first, end in zip(firsts.tolist(), ends.tolist(), strict=True):
        rows = order[first:end]
        order[first:end] = rows[np.lexsort((rows, mixed[rows]))]


def group_numbers(size: int, starts: Indices) -> Indices:
    """Return the number of the group of each place in the order that `groups` gave."""
    numbers = np.zeros(size, dtype=np.int64)
    numbers[starts[1:]] = 1
    return np.cumsum(numbers)


def first_of_pairs(left: U64, right: U64) -> Indices:
    """Return the rows that hold the different pairs, each once but for a rare collision's repeats."""
    order, _ = groups(mix(left) ^ (right * np.uint64(0x9E3779B97F4A7C15)))
    a, b = left[order], right[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (a[1:] != a[:-1]) | (b[1:] != b[:-1])
    return np.sort(order[new])
