"""Components over partition files equal union-find's."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.corpus.exchange import Exchange, HeldExchange, StoredExchange, one_by_one
from gristmill.corpus.union import Union, contract, edge_table, ends_of
from gristmill.storage import Storage

Pairs = Sequence[tuple[int, int]]


def union_find(pairs: Pairs) -> dict[int, int]:
    """The textbook's: every id's smallest reachable id."""
    parent: dict[int, int] = {}

    def find(x: int) -> int:
        while parent.setdefault(x, x) != x:
            parent[x] = parent[parent[x]]
            x = parent[x]
        return x

    for a, b in pairs:
        a, b = find(a), find(b)
        parent[max(a, b)] = min(a, b)
    return {x: find(x) for x in list(parent)}


def united(pairs: Pairs, num_buckets: int, exchange: Exchange | None = None) -> dict[int, int]:
    exchange = exchange or HeldExchange()
    rng = np.random.default_rng(3)
    for writer in range(2):
        mine = np.array(pairs[writer::2], dtype=np.uint64).reshape(-1, 2)
        to = rng.integers(0, num_buckets, len(mine))
        exchange.write("e", writer, edge_table(mine[:, 0], mine[:, 1]), to, num_buckets)
    stars = Union(exchange, "e", num_buckets).run(one_by_one)
    found: dict[int, int] = {}
    for bucket in range(num_buckets):
        left, right = ends_of(exchange.read(stars, bucket))
        assert not set(left.tolist()) & set(found)
        found |= dict(zip(left.tolist(), right.tolist(), strict=True))
    return found | {root: root for root in set(found.values())}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=60),
    st.integers(1, 7),
)
def test_components_equal_union_find(pairs: Pairs, num_buckets: int) -> None:
    wanted = union_find(pairs)
    alone = {x for x in wanted if list(wanted.values()).count(wanted[x]) == 1}
    found = united(pairs, num_buckets)
    assert found == {x: root for x, root in wanted.items() if x not in alone}


def shapes(size: int) -> dict[str, Pairs]:
    rng = np.random.default_rng(1)
    order = rng.permutation(size).tolist()
    zigzag = [
        x
        for pair in zip(range(size // 2), range(size - 1, size // 2, -1), strict=False)
        for x in pair
    ]
    return {
        "chain": list(pairwise(order)),
        "ascending": list(zip(range(size - 1), range(1, size), strict=False)),
        "zigzag": list(pairwise(zigzag)),
        "star": [(size // 2, x) for x in range(size) if x != size // 2],
        "many small": [(x, x + 1) for x in range(0, size, 3)],
        "far ids": [(x << 32 | 7, (x + 1) << 32 | 9) for x in range(size)],
    }


@pytest.mark.parametrize("shape", shapes(4))
@pytest.mark.parametrize(("size", "num_buckets"), [(3_000, 5), (30_000, 2)])
def test_long_and_hot_shapes(shape: str, size: int, num_buckets: int) -> None:
    pairs = shapes(size)[shape]
    assert united(pairs, num_buckets) == union_find(pairs)


def test_a_chain_of_a_hundred_thousand() -> None:
    pairs = shapes(100_000)["chain"]
    assert united(pairs, 2) == dict.fromkeys(range(100_000), 0)


def test_partition_files_in_a_store_give_the_same(tmp_path: object) -> None:
    pairs = shapes(500)["chain"]
    exchange = StoredExchange(Storage.open(str(tmp_path)))
    assert united(pairs, 4, exchange) == united(pairs, 4)


def test_contraction_keeps_components_and_has_no_edge_too_many() -> None:
    left, right = (np.array(ends, dtype=np.uint64) for ends in ([3, 2, 9, 5], [2, 7, 8, 5]))
    nodes, roots = contract(left, right)
    assert dict(zip(nodes.tolist(), roots.tolist(), strict=True)) == {3: 2, 7: 2, 9: 8}
