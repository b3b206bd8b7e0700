"""The order of a repository's files: components, and inside each what is imported before who imports it.

    scc     cycles are found first (strongly connected components); between them the order is
            topological, ties by path; inside a cycle few edges are broken, weak ones where there is
            a choice; a test that nobody imports moves up to just behind the last file that it needs
            or is named after. The default.
    paper   the paper's Algorithm 1: the file with the fewest unplaced dependencies next, ties by
            path; it never stalls on a cycle, but often starts beside it instead of in it.
    path    by path.
    random  shuffled by seed and repository.

Every way returns the same components (a file without edges is one alone), each in one piece, ordered
by its first path. The result is a function of the set of paths and edges, not of their order.
"""

import heapq
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from posixpath import basename
from typing import Literal

from gristmill.corpus.components import Successors, strong_components, weak_components
from gristmill.corpus.feedback import eades_lin_smyth, reversed_graph, sift
from gristmill.corpus.imports.model import Edge
from gristmill.corpus.subjects import is_test, subject_names

Order = Literal["scc", "paper", "path", "random"]


@dataclass(frozen=True)
class _Graph:
    """One component: nodes are numbered in path order."""

    paths: Sequence[str]
    imports: Successors
    """What each node imports, by all kinds of edges; ascending, without itself."""
    strong: Successors
    """The same without the pairs that only weak edges join."""


@dataclass(frozen=True)
class Violations:
    """How well an order keeps importers behind what they import; pairs of files count once."""

    num_edges: int
    num_broken: int

    @property
    def share(self) -> float:
        """Return the share of edges whose importer comes first; 0 without edges."""
        return self.num_broken / self.num_edges if self.num_edges else 0.0


def order(
    paths: Iterable[str],
    edges: Iterable[Edge],
    how: Order = "scc",
    seed: int = 0,
    repository: str = "",
) -> list[list[str]]:
    """Return the components of a repository, each with its files in order.

    Edges to or from a file that is not among `paths` are left out. `seed` and `repository` matter to
    `random` only.
    """
    names = sorted(set(paths))
    number = {path: index for index, path in enumerate(names)}
    weak: dict[tuple[int, int], bool] = {}
    for edge in edges:
        if edge.importer in number and edge.imported in number and edge.importer != edge.imported:
            pair = number[edge.importer], number[edge.imported]
            weak[pair] = weak.get(pair, True) and edge.weak
    components = weak_components(len(names), weak)
    place = {node: index for nodes in components for index, node in enumerate(nodes)}
    imports: list[list[int]] = [[] for _ in names]
    strong: list[list[int]] = [[] for _ in names]
    for importer, imported in sorted(weak):
        imports[importer].append(place[imported])
        if not weak[importer, imported]:
            strong[importer].append(place[imported])
    arrange = _WAYS[how]
    found: list[list[str]] = []
    for nodes in components:
        graph = _Graph(
            [names[node] for node in nodes],
            [imports[node] for node in nodes],
            [strong[node] for node in nodes],
        )
        rng = random.Random(f"{seed} {repository} {graph.paths[0]}")
        found.append([graph.paths[node] for node in arrange(graph, rng)])
    return found


def violations(ordered: Iterable[Sequence[str]], edges: Iterable[Edge]) -> Violations:
    """Return how many edges an order breaks; edges to files outside the order do not count."""
    place = {path: index for index, path in enumerate(path for part in ordered for path in part)}
    pairs = {
        (edge.importer, edge.imported)
        for edge in edges
        if edge.importer in place and edge.imported in place and edge.importer != edge.imported
    }
    broken = sum(place[importer] < place[imported] for importer, imported in pairs)
    return Violations(len(pairs), broken)


def _by_path(graph: _Graph, _rng: random.Random) -> list[int]:
    return list(range(len(graph.paths)))


def _shuffled(graph: _Graph, rng: random.Random) -> list[int]:
    nodes = list(range(len(graph.paths)))
    rng.shuffle(nodes)
    return nodes


def _least_in_degree(graph: _Graph, _rng: random.Random) -> list[int]:
    """Algorithm 1 of the paper (section 2.2); its in-degree counts unplaced dependencies."""
    return _by_fewest_needs(graph.imports, graph.imports)


def _by_fewest_needs(needs: Successors, all_needs: Successors) -> list[int]:
    """Return the nodes by fewest unplaced `needs`, then fewest unplaced `all_needs`, then number."""
    left = [(len(first), len(every)) for first, every in zip(needs, all_needs, strict=True)]
    users, all_users = reversed_graph(needs), reversed_graph(all_needs)
    heap = [(*counts, node) for node, counts in enumerate(left)]
    heapq.heapify(heap)
    placed = [False] * len(left)
    found: list[int] = []
    while heap:
        strong, every, node = heapq.heappop(heap)
        if placed[node] or (strong, every) != left[node]:
            continue  # an older entry; the current one is in the heap too
        placed[node] = True
        found.append(node)
        for user in users[node]:
            left[user] = (left[user][0] - 1, left[user][1])
        for user in all_users[node]:
            left[user] = (left[user][0], left[user][1] - 1)
        for user in {*users[node], *all_users[node]}:
            if not placed[user]:
                heapq.heappush(heap, (*left[user], user))
    return found


def _cycles_first(graph: _Graph, _rng: random.Random) -> list[int]:
    """Return the nodes by the condensation of the graph, each cycle ordered inside."""
    cycles = strong_components(graph.imports)
    found = [
        node
        for cycle in _condensed(cycles, graph.imports, graph.imports)
        for node in _inside(graph, cycle)
    ]
    return _tests_moved_up(graph, found)


def _condensed(
    groups: Sequence[Sequence[int]], needs: Successors, all_needs: Successors
) -> list[Sequence[int]]:
    """Return the groups so that what a group needs comes first, as far as `all_needs` allows."""
    group_of = {node: index for index, group in enumerate(groups) for node in group}

    def between(successors: Successors) -> list[list[int]]:
        return [
            sorted(
                {group_of[target] for node in group for target in successors[node]
                 if target in group_of} - {index}
            )
            for index, group in enumerate(groups)
        ]  # fmt: skip

    ordered = _by_fewest_needs(between(needs), between(all_needs))
    return [groups[index] for index in ordered]


def _inside(graph: _Graph, cycle: Sequence[int]) -> list[int]:
    """Return a cycle's nodes so that few edges are broken, and of these as many weak ones as can be."""
    if len(cycle) == 1:
        return list(cycle)
    place = {node: index for index, node in enumerate(cycle)}
    imports = [[place[t] for t in graph.imports[node] if t in place] for node in cycle]
    strong = [[place[t] for t in graph.strong[node] if t in place] for node in cycle]
    num_edges = sum(map(len, imports))  # a strong edge costs a little more than a weak one
    weights = [
        {target: num_edges + (target in firm) for target in every}
        for every, firm in zip(imports, map(set, strong), strict=True)
    ]
    starts = [eades_lin_smyth(imports)]
    if strong != imports:
        starts.append(_strong_first(strong, imports))
    return [cycle[index] for index in sift(starts, weights)]


def _strong_first(strong: Successors, imports: Successors) -> list[int]:
    """Return an order that breaks weak edges wherever only they close a cycle."""
    found: list[int] = []
    for knot in _condensed(strong_components(strong), strong, imports):
        inner = {node: index for index, node in enumerate(knot)}
        tight = [[inner[t] for t in strong[node] if t in inner] for node in knot]
        found += [knot[index] for index in eades_lin_smyth(tight)]
    return found


def _tests_moved_up(graph: _Graph, ordered: Sequence[int]) -> list[int]:
    """Return the order with each free test right behind the last file that it needs or is named after.

    Free is a test that no file imports: it takes part in no cycle, and moving it breaks no edge.
    """
    imported = {target for targets in graph.imports for target in targets}
    tests = {
        node
        for node in ordered
        if node not in imported and graph.imports[node] and is_test(graph.paths[node])
    }
    if not tests:
        return list(ordered)
    place = {node: index for index, node in enumerate(ordered)}
    named: dict[str, list[int]] = {}
    for node in ordered:
        if node not in tests:
            named.setdefault(basename(graph.paths[node]).lower(), []).append(node)
    followers: dict[int, list[int]] = {}
    for node in sorted(tests):
        anchors = [
            subjects[0]
            for name in subject_names(graph.paths[node])
            if len(subjects := named.get(name, [])) == 1
        ]
        anchor = max((*graph.imports[node], *anchors), key=place.__getitem__)
        followers.setdefault(anchor, []).append(node)
    found: list[int] = []
    for node in ordered:
        if node not in tests:
            found += [node, *followers.get(node, ())]
    return found


_WAYS: dict[Order, Callable[[_Graph, random.Random], list[int]]] = {
    "scc": _cycles_first,
    "paper": _least_in_degree,
    "path": _by_path,
    "random": _shuffled,
}
