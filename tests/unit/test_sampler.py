import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.tokens.sampler import SLOTS, Group, permuted, plain_order, row_at, samples_of


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
    rows = [row_at(k, plain_order((5, 7)), seed=3) for k in range(24)]
    assert sorted(rows[:5]) == [0, 1, 2, 3, 4]
    assert sorted(rows[5:12]) == [5, 6, 7, 8, 9, 10, 11]
    assert sorted(rows[12:]) == list(range(12))
    assert rows[12:] != rows[:12]


WEIGHTS = st.lists(st.floats(0.005, 1), min_size=2, max_size=5)


@settings(max_examples=60, deadline=None)
@given(WEIGHTS, st.integers(0, 5 * SLOTS))
def test_a_mixture_holds_its_weights_after_any_number_of_samples(
    weights: list[float], num: int
) -> None:
    order = tuple(Group(weight, ((n, 1),)) for n, weight in enumerate(weights))
    counts = samples_of(order, num)
    assert sum(counts) == num
    drawn = [row_at(k, order, 1) for k in range(num)]
    assert [drawn.count(n) for n in range(len(weights))] == counts
    for weight, count in zip(weights, counts, strict=True):
        # a slot's rounding for every table gone through, and how far a place is from even
        assert abs(count - num * weight / sum(weights)) <= (num // SLOTS + 1) * 2 + len(weights)


def test_the_papers_mixture_is_exact_in_every_thousand() -> None:
    papers = tuple(Group(w, ((0, 9),)) for w in (0.87, 0.10, 0.03))
    assert samples_of(papers, 3 * SLOTS) == [2610, 300, 90]
    later = tuple(Group(w, ((0, 9),)) for w in (70, 17, 7, 6))
    assert samples_of(later, SLOTS) == [700, 170, 70, 60]
    for batch in range(0, SLOTS - 100, 100):
        held = [
            b - a
            for a, b in zip(samples_of(papers, batch), samples_of(papers, batch + 100), strict=True)
        ]
        assert all(abs(n - w) <= 2 for n, w in zip(held, (87, 10, 3), strict=True))


def test_each_group_goes_through_its_own_epochs_whole() -> None:
    order = (Group(3.0, ((0, 5), (8, 5))), Group(1.0, ((5, 3), (13, 3))))
    drawn = [row_at(k, order, 2) for k in range(80)]
    first = [row for row in drawn if row < 5 or 8 <= row < 13]
    second = [row for row in drawn if not (row < 5 or 8 <= row < 13)]
    assert (len(first), len(second)) == (60, 20)
    assert sorted(first[:5]) == [0, 1, 2, 3, 4] and sorted(first[5:10]) == [8, 9, 10, 11, 12]
    assert sorted(first[10:15]) == [0, 1, 2, 3, 4] and first[10:15] != first[:5]
    assert sorted(second[:3]) == [5, 6, 7] and sorted(second[3:6]) == [13, 14, 15]


PINNED = [7, 0, 8, 3, 4, 5, 1, 6, 2, 9]
