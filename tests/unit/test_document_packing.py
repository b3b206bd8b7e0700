import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.tokens.packing import pack


@settings(deadline=None)
@given(st.integers(1, 60).flatmap(lambda t: st.tuples(st.just(t), st.lists(st.integers(1, t)))))
def test_every_piece_lies_whole_in_one_row(case: tuple[int, list[int]]) -> None:
    row_length, lengths = case
    plan = pack(lengths, row_length)
    assert sorted(plan.pieces.tolist()) == list(range(len(lengths)))
    for number in range(plan.num_rows):
        held = sum(lengths[piece] for piece in plan.row(number))
        assert 0 < held <= row_length


@settings(deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=80))
def test_best_fit_decreasing_keeps_its_bound(lengths: list[int]) -> None:
    floor = -(-sum(lengths) // 50)
    assert pack(lengths, 50).num_rows <= 11 * floor / 9 + 6 / 9 + 1


@settings(deadline=None)
@given(st.lists(st.integers(1, 30), max_size=60))
def test_the_plan_is_that_of_the_textbook(lengths: list[int]) -> None:
    free: list[int] = []
    for length in sorted(lengths, reverse=True):
        fitting = [space for space in free if space >= length]
        if fitting:
            free.remove(min(fitting))
            free.append(min(fitting) - length)
        else:
            free.append(30 - length)
    assert pack(lengths, 30).num_rows == len(free)


def test_lognormal_lengths_fill_the_rows() -> None:
    lengths = np.clip(np.random.default_rng(0).lognormal(6, 1.2, 100_000).astype(int), 1, 4096)
    plan = pack(lengths, 4096)
    assert plan.fill > 0.999
    assert plan.num_rows - int(np.ceil(lengths.sum() / 4096)) < 10


def test_no_pieces_no_rows() -> None:
    assert pack([], 16).num_rows == 0
