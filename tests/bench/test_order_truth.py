"""What each order breaks of true import edges, against a long local search, and how it grows.

    pytest tests/bench/test_order_truth.py -m truth

Orders are made from our edges of installed packages and judged on the edges of `ruff analyze graph`.
The long search runs on every cycle (strongly connected component) of 4 to 200 files: from our order
and from random ones it moves single files to their best place until none gains, shakes, and goes on;
it counts every edge alike. Visible is the share of its imported tokens that a file has before it within
16,384 tokens, on average, in documents cut to that size.
"""

import random
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy
import numpy.typing
import pytest

from gristmill.corpus.components import strong_components
from gristmill.corpus.imports import Edge, import_edges
from gristmill.corpus.order import Order, order, violations
from gristmill.corpus.windows import BYTES_PER_TOKEN, Visibility, cut, visible
from tests.bench.test_imports_truth import copied, ruffs_edges

PACKAGES = """
httpx starlette fastapi rich pydantic networkx huggingface_hub matplotlib hypothesis deepspeed ray/data
ray/serve ray/train ray/util torch/distributed torch/_dynamo transformers/utils numpy pandas sympy
""".split()  # noqa: SIM905
WAYS: tuple[Order, ...] = ("scc", "paper", "path", "random")
WINDOW_TOKENS = 16_384
SHAKES = 150
NUM_FILES = 10_000
Matrix = numpy.typing.NDArray[numpy.int64]
pytestmark = [pytest.mark.truth, pytest.mark.timeout(1800)]


def made(pairs: Iterator[tuple[str, str]] | set[tuple[str, str]]) -> list[Edge]:
    return [Edge(*pair, "import", "Python", 1) for pair in pairs]


def test_orders_break_few_true_edges(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shares: dict[Order, list[float]] = {way: [] for way in WAYS}
    ratios: list[float] = []
    seen = dict.fromkeys(WAYS, Visibility())
    with capsys.disabled():
        print(f"\n{'package':20}{'files':>6}{'edges':>7}{'in cycles':>10}", end="")
        print("".join(f"{way:>8}" for way in WAYS), " ours/long search by cycle (files)")
        for name in PACKAGES:
            folder = tmp_path / name.replace("/", "-")
            files = copied(name, folder)
            size = {file.path: len(file.text.encode()) for file in files}
            edges, truth = import_edges(files), made(set(ruffs_edges(folder)))
            cycles = list(cycles_of(size, truth))
            print(f"{name:20}{len(files):6}{len(truth):7}{sum(map(len, cycles)):10}", end="")
            for way in WAYS:
                ordered = order(size, edges, way)
                share = violations(ordered, truth).share
                shares[way] += [share] if cycles else []
                documents = [
                    [(path, size[path]) for path in part]
                    for whole in ordered
                    for part in cut([(path, size[path]) for path in whole], edges,
                                    int(WINDOW_TOKENS * BYTES_PER_TOKEN))
                ]  # fmt: skip
                seen[way] += visible(documents, truth, WINDOW_TOKENS)
                print(f"{share:8.3f}", end="")
            for cycle in cycles:
                if 4 <= len(cycle) <= 200:
                    ours, least = against_long_search(cycle, edges)
                    ratios.append(ours / max(1, least))
                    print(f"  {ours}/{least} ({len(cycle)})", end="")
            print()
        print("median share of broken edges:", {way: round(median(shares[way]), 4) for way in WAYS})
        print("visible share:", {way: round(seen[way].share, 4) for way in WAYS})
        print(f"ours / long search: worst {max(ratios):.3f}, median {median(ratios):.3f}")
    assert median(shares["scc"]) <= 0.07
    assert median(shares["scc"]) < median(shares["paper"])
    assert max(ratios) <= 1.1


def cycles_of(paths: dict[str, int], edges: list[Edge]) -> Iterator[list[str]]:
    names = sorted(paths)
    place = {path: index for index, path in enumerate(names)}
    imports: list[list[int]] = [[] for _ in names]
    for edge in edges:
        if edge.importer in place and edge.imported in place:
            imports[place[edge.importer]].append(place[edge.imported])
    for nodes in strong_components(imports):
        if len(nodes) > 1:
            yield [names[node] for node in nodes]


def against_long_search(cycle: list[str], edges: list[Edge]) -> tuple[int, int]:
    """Return how many edges our order of one cycle breaks, and the fewest that the search reaches."""
    place = {path: index for index, path in enumerate(cycle)}
    inside = [edge for edge in edges if edge.importer in place and edge.imported in place]
    weights = numpy.zeros((len(cycle), len(cycle)), numpy.int64)
    for edge in inside:
        weights[place[edge.importer], place[edge.imported]] = 1
    numpy.fill_diagonal(weights, 0)
    ours = numpy.array([place[path] for part in order(cycle, inside) for path in part])
    return broken(ours, weights), long_search(ours, weights)


def broken(ordered: Matrix, weights: Matrix) -> int:
    return int(numpy.triu(weights[numpy.ix_(ordered, ordered)], 1).sum())


def long_search(start: Matrix, weights: Matrix) -> int:
    """Return the fewest broken edges over many local searches, shaken and restarted."""
    rng = numpy.random.default_rng(0)
    size = len(start)
    now = best = descended(start, weights)
    for shake in range(SHAKES):
        tried = now if shake % 10 else (rng.permutation(size) if shake % 50 == 0 else best)
        for _ in range(max(2, size // 12)):
            one, other = rng.integers(0, size, 2)
            tried = numpy.insert(numpy.delete(tried, one), other, tried[one])
        tried = descended(tried, weights)
        if broken(tried, weights) <= broken(now, weights) or rng.random() < 0.05:
            now = tried
        if broken(tried, weights) < broken(best, weights):
            best = tried
    return broken(best, weights)


def descended(ordered: Matrix, weights: Matrix) -> Matrix:
    """Return an order in which no single file has a better place."""
    moved = True
    while moved:
        moved = False
        for node in range(len(ordered)):
            here = int(numpy.flatnonzero(ordered == node)[0])
            others = numpy.delete(ordered, here)
            needs, needed = weights[node, others], weights[others, node]
            costs = needs.sum() + numpy.concatenate(([0], numpy.cumsum(needed - needs)))
            there = int(costs.argmin())
            if costs[there] < costs[here]:
                ordered, moved = numpy.insert(others, there, node), True
    return ordered


SHAPES = {
    "ring": lambda rng, ring: [],
    "ring and a hub": lambda rng, ring: [
        pair for node in ring[1::3] for pair in ((node, ring[0]), (ring[0], node))
    ],
    "ring and near chords": lambda rng, ring: [
        (ring[at], ring[max(0, at - rng.randrange(1, 60))])
        for at in range(len(ring))
        for _ in range(5)
    ],
    "ring and random chords": lambda rng, ring: [
        (rng.choice(ring), rng.choice(ring)) for _ in range(3 * len(ring))
    ],
    "dense": lambda rng, ring: [
        (rng.choice(ring), rng.choice(ring)) for _ in range(10 * len(ring))
    ],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_cycle_of_ten_thousand_files_takes_linear_time(
    shape: str, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = []
    for num_files in (NUM_FILES // 4, NUM_FILES):
        rng = random.Random(1)
        ring = [f"{number:05}.py" for number in range(num_files)]
        rng.shuffle(ring)
        pairs = {*pairwise(ring), (ring[-1], ring[0]), *SHAPES[shape](rng, ring)}
        edges = made({(one, other) for one, other in pairs if one != other})
        times = []
        for _ in range(2):
            start = time.thread_time()
            ordered = order(ring, edges)
            times.append(time.thread_time() - start)
        seconds.append(min(times))
    with capsys.disabled():
        print(f"\n{shape:24}{len(edges):7} edges {violations(ordered, edges).share:7.4f} broken  "
              f"{seconds[1]:.2f} s, {seconds[1] / seconds[0]:.1f} x of a quarter's")  # fmt: skip
    assert seconds[1] < 2
    assert seconds[1] / seconds[0] < 8
