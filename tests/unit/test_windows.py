"""Cuts of documents, and the share of imported tokens that a window shows."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gristmill.corpus.imports import Edge
from gristmill.corpus.windows import Visibility, cut, visible

NAMES = "abcdefgh"
pairs = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=14)
sizes = st.lists(st.integers(0, 9), min_size=8, max_size=8)


def imports(*pairs: str) -> list[Edge]:
    return [Edge(*pair.split(" > "), "import", "Python", 1) for pair in pairs]


def test_what_fits_stays_whole_and_components_are_never_joined() -> None:
    files = [("a", 4), ("x", 4), ("b", 4), ("y", 4)]
    edges = imports("b > a", "y > x")
    assert cut(files, edges, 16) == [["a", "x", "b", "y"]]
    assert cut(files, edges, 15) == [["a", "b"], ["x", "y"]]
    assert cut([], [], 1) == []


def test_the_cut_is_where_the_fewest_edges_cross() -> None:
    files = [(name, 2) for name in "abcdef"]
    edges = imports("b > a", "c > a", "c > b", "d > c", "e > d", "f > d", "f > e")
    assert cut(files, edges, 8) == [["a", "b", "c"], ["d", "e", "f"]]
    assert cut(files, edges, 6) == [["a", "b", "c"], ["d", "e", "f"]]


def test_a_file_above_the_limit_is_alone() -> None:
    files = [("a", 1), ("b", 99), ("c", 1), ("d", 1)]
    edges = imports("b > a", "c > b", "d > c")
    assert cut(files, edges, 10) == [["a"], ["b"], ["c", "d"]]


@given(pairs, sizes, st.integers(1, 40))
def test_cuts_conserve_files_keep_their_order_and_fit(
    edges: list[tuple[str, str]], sizes: list[int], limit: int
) -> None:
    files = list(zip(NAMES, sizes, strict=True))
    size = dict(files)
    found = cut(files, [Edge(*pair, "import", "Python", 1) for pair in edges], limit)
    assert sorted(path for paths in found for path in paths) == sorted(NAMES)
    assert all(paths == sorted(paths) for paths in found)
    for paths in found:
        assert len(paths) == 1 or sum(size[path] for path in paths) <= limit
    if sum(sizes) <= limit:
        assert len(found) == 1


@given(pairs, sizes, st.integers(1, 40))
def test_no_other_cuts_are_crossed_less(
    edges: list[tuple[str, str]], sizes: list[int], limit: int
) -> None:
    chain = [*edges, *pairwise(NAMES)]  # one component
    files = list(zip(NAMES, sizes, strict=True))
    joined = {pair for pair in chain if pair[0] != pair[1]}

    def crossings(starts: list[str]) -> int:
        return sum(min(pair) < start <= max(pair) for pair in joined for start in starts)

    def fits(starts: list[int]) -> bool:
        ends = [*starts[1:], 8]
        spans = [sizes[start:end] for start, end in zip(starts, ends, strict=True)]
        return all(len(span) == 1 or sum(span) <= limit for span in spans)

    found = cut(files, [Edge(*pair, "import", "Python", 1) for pair in chain], limit)
    ways = [[0, *(i + 1 for i in range(7) if mask >> i & 1)] for mask in range(128)]
    least = min(crossings([NAMES[i] for i in way[1:]]) for way in ways if fits(way))
    assert crossings([paths[0] for paths in found[1:]]) == least


def test_what_stands_before_in_the_window_is_visible() -> None:
    edges = imports("c > a", "c > b", "a > c", "c > gone")
    document = [("a", 30), ("b", 60), ("c", 90)]
    assert visible([document], edges, 100) == Visibility(2, 1.0, 60, 30)
    assert visible([document], edges, 24) == Visibility(2, 0.8, 60, 24)  # 20 of b, the last 4 of a
    assert visible([document], edges, 24, bytes_per_token=1) == Visibility(2, 24 / 90, 180, 24)
    assert visible([document[:1], document[1:]], edges, 100) == Visibility(2, 20 / 30, 60, 20)
    assert visible([document], edges, 100).share == 0.5
    assert visible([document], edges, 100).token_share == 0.5
    assert visible([document], [], 100).share == 1
    assert visible([[("a", 0), ("b", 3)]], imports("b > a"), 100) == Visibility()


@given(pairs, sizes, st.integers(1, 40))
def test_a_wider_window_shows_no_less(
    edges: list[tuple[str, str]], sizes: list[int], window: int
) -> None:
    documents = [list(zip(NAMES, sizes, strict=True))]
    found = [Edge(*pair, "import", "Python", 1) for pair in edges]
    narrow = visible(documents, found, window, 1)
    wide = visible(documents, found, 2 * window, 1)
    assert narrow.num_tokens == wide.num_tokens >= wide.num_visible >= narrow.num_visible
    assert narrow.sum_of_shares <= wide.sum_of_shares <= wide.num_importers
    assert (narrow + wide).num_visible == narrow.num_visible + wide.num_visible
