"""Documents and the training window: where a long document is cut, and what an importer still sees.

A model sees a file's imports only where their text stands before it, in the same document, and not
further back than the window reaches. `cut` makes documents that fit; `visible` says what share of the
imported tokens an order, and such cuts, leave in sight. Sizes are bytes; a token is taken for a fixed
number of them, since the tokenizer is trained later.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import fsum

from gristmill.corpus.components import weak_components
from gristmill.corpus.imports.model import Edge

BYTES_PER_TOKEN = 3.0
Sized = tuple[str, int]
"""A path and its size in bytes."""


@dataclass(frozen=True)
class Visibility:
    """What importers see of the files that they import; counts of repositories add up."""

    num_importers: int = 0
    sum_of_shares: float = 0.0
    """Of the importers' own shares of imported tokens in sight."""
    num_tokens: int = 0
    """Of imported files, once for each importer."""
    num_visible: int = 0
    """Those before the importer's first token, in its document and inside the window."""

    @property
    def share(self) -> float:
        """Return the share that a file sees of what it imports, on average; 1 where none imports."""
        return self.sum_of_shares / self.num_importers if self.num_importers else 1.0

    @property
    def token_share(self) -> float:
        """Return the same over all tokens, where large files that many import weigh most."""
        return self.num_visible / self.num_tokens if self.num_tokens else 1.0

    def __add__(self, other: "Visibility") -> "Visibility":
        """Return the counts of both."""
        return Visibility(
            self.num_importers + other.num_importers,
            self.sum_of_shares + other.sum_of_shares,
            self.num_tokens + other.num_tokens,
            self.num_visible + other.num_visible,
        )


def visible(
    documents: Iterable[Sequence[Sized]],
    edges: Iterable[Edge],
    window_tokens: int,
    bytes_per_token: float = BYTES_PER_TOKEN,
) -> Visibility:
    """Return how much of what the files of a repository import stands in sight of the importer.

    `documents` hold their files in order. A pair of files counts once, whatever its edges; an edge to
    or from a file outside the documents does not count, one between two documents sees nothing.
    """
    spans: dict[str, tuple[int, int, int]] = {}  # path -> document, first token, end
    for number, files in enumerate(documents):
        ends = [round(end / bytes_per_token) for end in accumulate(size for _path, size in files)]
        for (path, _size), start, end in zip(files, [0, *ends], ends, strict=False):
            spans[path] = number, start, end
    totals: dict[str, tuple[int, int]] = {}
    for importer, imported in _pairs(edges, spans):
        document, here, _end = spans[importer]
        other, start, end = spans[imported]
        seen = 0
        if document == other and start < here:
            seen = max(0, end - max(start, here - window_tokens))
        num_tokens, num_visible = totals.get(importer, (0, 0))
        totals[importer] = num_tokens + end - start, num_visible + seen
    counted = [each for each in totals.values() if each[0]]
    return Visibility(
        len(counted),
        fsum(num_visible / num_tokens for num_tokens, num_visible in counted),
        sum(num_tokens for num_tokens, _ in counted),
        sum(num_visible for _, num_visible in counted),
    )


def cut(files: Sequence[Sized], edges: Iterable[Edge], limit_bytes: int) -> list[list[str]]:
    """Return the documents that ordered files make, each in the given order and within the limit.

    What fits stays whole. Else each weakly connected component is a document; one that does not fit is
    cut between files, where as few edges as can be cross the cuts, and among these choices as seldom
    as can be. A file above the limit is a document of its own. Documents follow their first files.
    """
    if sum(size for _path, size in files) <= limit_bytes:
        return [[path for path, _size in files]] if files else []
    place = {path: index for index, (path, _size) in enumerate(files)}
    pairs = [(place[one], place[other]) for one, other in _pairs(edges, place)]
    found: list[list[str]] = []
    for nodes in weak_components(len(files), pairs):
        inside = {node: index for index, node in enumerate(nodes)}
        joined = [(inside[one], inside[other]) for one, other in pairs if one in inside]
        starts = _starts([files[node][1] for node in nodes], joined, limit_bytes)
        for start, end in zip(starts, [*starts[1:], len(nodes)], strict=True):
            found.append([files[node][0] for node in nodes[start:end]])
    return sorted(found, key=lambda paths: place[paths[0]])


def _starts(sizes: Sequence[int], pairs: Iterable[tuple[int, int]], limit: int) -> list[int]:
    """Return where the parts of one run of files start; linear in files and edges.

    `cost[i]` is the least of (edges across the cuts, number of cuts) when a part ends before file i;
    the candidates for the part's start are kept with rising costs, so that the first is the best.
    """
    opened = [0] * (len(sizes) + 1)
    for pair in pairs:
        opened[min(pair) + 1] += 1
        opened[max(pair) + 1] -= 1
    crossing = list(accumulate(opened))
    ends = [0, *accumulate(sizes)]
    cost = [(0, 0)]
    before = [0]
    candidates = deque([0])
    for end in range(1, len(ends)):
        while len(candidates) > 1 and ends[end] - ends[candidates[0]] > limit:
            candidates.popleft()
        before.append(candidates[0])
        crossed, cuts = cost[candidates[0]]
        cost.append((crossed + crossing[end], cuts + 1))
        while candidates and cost[candidates[-1]] >= cost[end]:
            candidates.pop()
        candidates.append(end)
    starts = [before[len(sizes)]]
    while starts[-1]:
        starts.append(before[starts[-1]])
    return starts[::-1]


def _pairs(edges: Iterable[Edge], known: Iterable[str]) -> list[tuple[str, str]]:
    """Return the distinct (importer, imported) among known paths."""
    names = frozenset(known)
    return sorted(
        {
            (edge.importer, edge.imported)
            for edge in edges
            if edge.importer in names and edge.imported in names and edge.importer != edge.imported
        }
    )
