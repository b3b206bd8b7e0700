import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.tokens.sampler import permuted, row_at


@settings(deadline=None)
@given(st.integers(1, 700), st.integers(0, 2**40), st.integers(0, 9))
def test_permuted_is_a_permutation(num_rows: int, seed: int, epoch: int) -> None:
    order = [permuted(k, num_rows, seed, epoch) for k in range(num_rows)]
    assert sorted(order) == list(range(num_rows))


def test_orders_differ_by_seed_and_epoch_and_are_no_shift() -> None:
    orders = [
        tuple(permuted(k, 1000, seed, epoch) for k in range(1000))
        for seed, epoch in [(1, 0), (2, 0), (1, 1)]
    ]
    assert len(set(orders)) == 3
    fixed = sum(k == row for k, row in enumerate(orders[0]))
    neighbours = sum(b == a + 1 for a, b in zip(orders[0], orders[0][1:], strict=False))
    assert fixed < 10 and neighbours < 10  # about one of each by chance


def test_the_order_is_pinned() -> None:
    assert [permuted(k, 10, 7, 0) for k in range(10)] == PINNED


def test_a_sample_outside_is_an_error() -> None:
    with pytest.raises(IndexError, match="sample 5 of 5 rows"):
        permuted(5, 5, 1, 0)


def test_row_at_takes_each_epoch_whole_then_begins_again() -> None:
    rows = [row_at(k, (5, 7), seed=3) for k in range(24)]
    assert sorted(rows[:5]) == [0, 1, 2, 3, 4]
    assert sorted(rows[5:12]) == [5, 6, 7, 8, 9, 10, 11]
    assert sorted(rows[12:]) == list(range(12))
    assert rows[12:] != rows[:12]


PINNED = [7, 0, 8, 3, 4, 5, 1, 6, 2, 9]
