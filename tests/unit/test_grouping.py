"""Equal values side by side."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gristmill.corpus.grouping import first_of_pairs, group_numbers, groups
from gristmill.corpus.shingles import mix

VALUES = st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 5), max_size=60)


@given(VALUES)
def test_groups_are_the_equal_values_in_order(values: list[int]) -> None:
    data = np.array(values, dtype=np.uint64)
    order, starts = groups(data)
    assert sorted(order.tolist()) == list(range(len(values)))
    parts = np.split(order, starts[1:]) if len(values) else []
    assert [len({values[row] for row in part}) for part in parts] == [1] * len(set(values))
    assert all(part.tolist() == sorted(part.tolist()) for part in parts)
    numbers = group_numbers(len(values), starts)
    assert numbers.tolist() == [n for n, part in enumerate(parts) for _ in part]


def test_values_that_share_their_low_bits_are_told_apart() -> None:
    candidates = mix(np.arange(40_000, dtype=np.uint64))
    # with 8 rows 3 bits are given to the row number: these agree in the other 61 of the mixed value
    inverse = {int(mixed) & 0xFF: row for row, mixed in enumerate(candidates.tolist())}
    values = np.array([inverse[7], inverse[9], inverse[7], inverse[9]], dtype=np.uint64)
    order, starts = groups(values)
    assert len(starts) == 2 and values[order].tolist() in (
        [*values[[0, 2, 1, 3]].tolist()],
        [*values[[1, 3, 0, 2]].tolist()],
    )


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=40))
def test_each_pair_once(pairs: list[tuple[int, int]]) -> None:
    left, right = (np.array([pair[i] for pair in pairs], dtype=np.uint64) for i in (0, 1))
    kept = first_of_pairs(left, right)
    assert sorted((pairs[row]) for row in kept) == sorted(set(pairs))
