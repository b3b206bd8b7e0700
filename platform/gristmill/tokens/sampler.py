"""Which row comes next: a keyed permutation, so that the data's whole state is one integer.

Sample k of a run is a pure function of (k, the rows there are, seed): no index file, no buffer, nothing
to store but how many samples were seen. A worker of any world size takes the k's that are its own, so
world size, micro-batch and accumulation may change between two steps.
The permutation is a four-round Feistel network over the next even power of two, walked along its
cycle until it lands below the number of rows (at most four steps on average).

Rows of a mixture lie in groups with weights. Which group sample k comes from is written in a table of
`SLOTS` places that repeats: a group's share of it is its weight, to one slot, and its places are spread
evenly, so that after any number of samples a group is at most a few rows ahead of its weight or behind.
The group's own samples then go through its own epochs, each in its own permutation.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_ROUNDS = 4
_MASK = (1 << 64) - 1
SLOTS = 1000
"""Places of a mixture's table: weights hold to a tenth of a percent."""


@dataclass(frozen=True)
class Group:
    """Rows that share a weight: a domain's, or all there are."""

    weight: float
    epoch_rows: tuple[tuple[int, int], ...]
    """First row and number of rows of each epoch, rows numbered as in `Shards.row`."""


Order = tuple[Group, ...]
"""What samples are drawn from."""


def plain_order(epoch_rows: Sequence[int]) -> Order:
    """Return the order over one group whose epochs lie one behind the other."""
    firsts = [sum(epoch_rows[:number]) for number in range(len(epoch_rows))]
    return (Group(1.0, tuple(zip(firsts, epoch_rows, strict=True))),)


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


def row_at(k: int, order: Order, seed: int) -> int:
    """Return the row of sample `k` of a run.

    A group's epochs are gone through in order, each in its own permutation; after the last the
    first comes again in a new one.
    """
    number, place = 0, k
    if len(order) > 1:
        groups, before = _slots(tuple(group.weight for group in order))
        lap, slot = divmod(k, SLOTS)
        number = groups[slot]
        place = lap * before[number][SLOTS] + before[number][slot]
    return _row_of_group(place, order[number].epoch_rows, seed, number)


def samples_of(order: Order, num_samples: int) -> list[int]:
    """Return how many of a run's first samples come from each group."""
    if len(order) == 1:
        return [num_samples]
    _, before = _slots(tuple(group.weight for group in order))
    laps, slot = divmod(num_samples, SLOTS)
    return [laps * counts[SLOTS] + counts[slot] for counts in before]


def _row_of_group(place: int, epoch_rows: Sequence[tuple[int, int]], seed: int, number: int) -> int:
    lap, place = divmod(place, sum(rows for _, rows in epoch_rows))
    for epoch, (first, rows) in enumerate(epoch_rows):
        if place < rows:
            # the first group's keys are those of a run without a mixture
            key = (lap * len(epoch_rows) + epoch) + (number << 32)
            return first + permuted(place, rows, seed, key)
        place -= rows
    raise AssertionError("place lies below the total")


@lru_cache(maxsize=16)
def _slots(weights: tuple[float, ...]) -> tuple[list[int], list[list[int]]]:
    """Return the group of each slot, and for each group how many of its slots lie before each slot."""
    total = sum(weights)
    exact = [weight / total * SLOTS for weight in weights]
    shares = [max(1, int(share)) for share in exact]
    while sum(shares) != SLOTS:
        step = 1 if sum(shares) < SLOTS else -1
        off = [step * (wanted - held) for wanted, held in zip(exact, shares, strict=True)]
        able = [number for number, held in enumerate(shares) if held + step >= 1]
        shares[max(able, key=lambda number: off[number])] += step
    groups: list[int] = []
    before: list[list[int]] = [[0] for _ in weights]
    held = [0] * len(weights)
    for slot in range(1, SLOTS + 1):
        due = [share * slot / SLOTS - seen for share, seen in zip(shares, held, strict=True)]
        number = max(range(len(due)), key=due.__getitem__)
        held[number] += 1
        groups.append(number)
        for counts, seen in zip(before, held, strict=True):
            counts.append(seen)
    return groups, before


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
