"""Components of small graphs, and of any graph against networkx."""

import networkx
from hypothesis import given
from hypothesis import strategies as st

from gristmill.corpus.components import strong_components, weak_components

pairs = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=30)


@given(pairs)
def test_components_are_those_of_networkx(edges: list[tuple[int, int]]) -> None:
    graph = networkx.DiGraph()
    graph.add_nodes_from(range(12))
    graph.add_edges_from(edges)
    successors = [sorted(graph.successors(node)) for node in range(12)]
    assert strong_components(successors) == sorted(
        map(sorted, networkx.strongly_connected_components(graph))
    )
    assert weak_components(12, edges) == sorted(
        map(sorted, networkx.weakly_connected_components(graph))
    )


def test_a_long_chain_needs_no_recursion() -> None:
    size = 50_000
    chain = [[node + 1] for node in range(size - 1)] + [[0]]
    assert strong_components(chain) == [list(range(size))]
