"""Orders of cycles: how many edges they break, against the least possible and a named bound."""

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.corpus.feedback import eades_lin_smyth, sift

SIZE = 6
graphs = st.sets(
    st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1)).filter(lambda e: e[0] != e[1]),
    max_size=20,
)


def cost(order: list[int], weights: list[dict[int, int]]) -> int:
    place = {node: index for index, node in enumerate(order)}
    return sum(
        weight
        for node, targets in enumerate(weights)
        for target, weight in targets.items()
        if place[node] < place[target]
    )


def successors(edges: set[tuple[int, int]]) -> list[list[int]]:
    return [sorted(b for a, b in edges if a == node) for node in range(SIZE)]


@given(graphs)
def test_eades_lin_smyth_keeps_its_bound(edges: set[tuple[int, int]]) -> None:
    order = eades_lin_smyth(successors(edges))
    assert sorted(order) == list(range(SIZE))
    broken = cost(order, [dict.fromkeys(targets, 1) for targets in successors(edges)])
    # |E|/2 - |V|/6 holds for graphs without 2-cycles (their paper); |E|/2 for any
    assert broken <= len(edges) / 2


@settings(max_examples=25, deadline=None)
@given(graphs)
def test_sifting_never_costs_and_ends_near_the_least(edges: set[tuple[int, int]]) -> None:
    weights = [{t: 1 + (node * t) % 3 for t in ts} for node, ts in enumerate(successors(edges))]
    start = eades_lin_smyth(successors(edges))
    end = sift([start], weights)
    assert sorted(end) == sorted(start)
    assert cost(end, weights) <= cost(start, weights)
    least = min(cost(list(order), weights) for order in permutations(range(SIZE)))
    assert least <= cost(end, weights) <= 1.5 * least + 2


def test_a_ring_breaks_one_edge() -> None:
    ring = [[(node + 1) % 100] for node in range(100)]
    order = sift([eades_lin_smyth(ring)], [dict.fromkeys(targets, 1) for targets in ring])
    assert cost(order, [dict.fromkeys(targets, 1) for targets in ring]) == 1


@pytest.mark.parametrize("size", range(2, 30))
def test_shaking_a_small_ring_for_long_never_loses_count(size: int) -> None:
    ring = [[(node + 1) % size] for node in range(size)]
    weights = [dict.fromkeys(targets, 7) for targets in ring]
    assert cost(sift([eades_lin_smyth(ring)], weights), weights) == 7


def test_many_moves_to_one_place_keep_the_list_whole() -> None:
    # every node imports the last one: all of them move behind it
    size = 300
    weights: list[dict[int, int]] = [{size - 1: 1} for _ in range(size - 1)] + [{}]
    order = sift([list(range(size))], weights)
    assert sorted(order) == list(range(size))
    assert cost(order, weights) == 0


@given(graphs, st.permutations(range(SIZE)))
def test_no_start_is_better_than_the_end(edges: set[tuple[int, int]], other: list[int]) -> None:
    weights = [dict.fromkeys(targets, 1) for targets in successors(edges)]
    starts = [eades_lin_smyth(successors(edges)), other]
    end = cost(sift(starts, weights), weights)
    assert end <= min(cost(start, weights) for start in starts)
