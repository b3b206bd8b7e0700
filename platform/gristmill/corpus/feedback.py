"""An order of a cycle's files that puts few importers before what they import.

Least feedback is NP-hard. `eades_lin_smyth` is the linear-time heuristic of Eades, Lin and Smyth (1993)
with a bucket queue; `sift` then moves one file at a time to its best place, a fixed number of passes.
Nodes are 0..n-1 in path order and every choice is a function of the graph alone, so that the same
graph has the same order everywhere.
"""

from collections.abc import Mapping, Sequence

from gristmill.corpus.components import Successors

_MAX_PASSES = 8
_GAP = 1 << 64


def reversed_graph(successors: Successors) -> list[list[int]]:
    """Return the graph with every edge turned round."""
    found: list[list[int]] = [[] for _ in successors]
    for node, targets in enumerate(successors):
        for target in targets:
            found[target].append(node)
    return found


def eades_lin_smyth(imports: Successors) -> list[int]:
    """Return all nodes, imported mostly before importer."""
    importers = reversed_graph(imports)
    queue = _Buckets([len(targets) for targets in imports], [len(some) for some in importers])
    head: list[int] = []
    tail: list[int] = []
    for _ in imports:
        node, last = queue.pop()
        (tail if last else head).append(node)
        for target in imports[node]:
            queue.lower(target, 0, 1)
        for source in importers[node]:
            queue.lower(source, 1, 0)
    return head + tail[::-1]


class _Buckets:
    """Nodes by needed - needs; those that need nothing, or that nothing needs, come out first."""

    def __init__(self, needs: list[int], needed: list[int]) -> None:
        self._needs, self._needed = needs, needed
        self._sources: dict[int, None] = {}
        self._sinks: dict[int, None] = {}
        self._buckets: dict[int, dict[int, None]] = {}
        self._home: dict[int, dict[int, None]] = {}
        self._best = 0
        for node in range(len(needs)):
            self._put(node)

    def lower(self, node: int, needs: int, needed: int) -> None:
        """Take from the two counts of a node, if the queue still holds it."""
        home = self._home.get(node)
        if home is not None:
            del home[node]
            self._needs[node] -= needs
            self._needed[node] -= needed
            self._put(node)

    def pop(self) -> tuple[int, bool]:
        """Remove the best node; the second value says that it goes to the end of the order."""
        if self._sources:
            bucket, last = self._sources, False
        elif self._sinks:
            bucket, last = self._sinks, True
        else:
            while not self._buckets.get(self._best):
                self._best -= 1
            bucket, last = self._buckets[self._best], False
        node = next(iter(bucket))
        del bucket[node], self._home[node]
        return node, last

    def _put(self, node: int) -> None:
        needs, needed = self._needs[node], self._needed[node]
        if needs == 0:
            home = self._sources
        elif needed == 0:
            home = self._sinks
        else:
            home = self._buckets.setdefault(needed - needs, {})
            self._best = max(self._best, needed - needs)
        home[node] = None
        self._home[node] = home


def sift(order: Sequence[int], imports: Sequence[Mapping[int, int]]) -> list[int]:
    """Return the order after moving single nodes while that lowers the weight of broken edges.

    `imports` gives for each node its imported nodes and what it costs to come before each. The cost
    of the result is never above that of `order`.
    """
    importers: list[dict[int, int]] = [{} for _ in imports]
    for node, targets in enumerate(imports):
        for target, weight in targets.items():
            importers[target][node] = weight
    places = _Places(order)
    for _ in range(_MAX_PASSES):
        moved = False
        for node in places.order():
            after = _best_place(node, imports[node], importers[node], places.label)
            if after is not None:
                places.move(node, after)
                moved = True
        if not moved:
            break
    return places.order()


_FIRST = -1


def _best_place(
    node: int, needs: Mapping[int, int], needed: Mapping[int, int], label: Sequence[int]
) -> int | None:
    """Return the neighbour after which the node costs least; None where it stands is as good."""
    here = label[node]
    current = sum(weight for other, weight in needs.items() if label[other] > here)
    current += sum(weight for other, weight in needed.items() if label[other] < here)
    if current == 0:
        return None
    changes: dict[int, int] = {other: -weight for other, weight in needs.items()}
    for other, weight in needed.items():
        changes[other] = changes.get(other, 0) + weight
    cost = sum(needs.values())
    best, place = (cost, _FIRST) if cost < current else (current, None)
    for other in sorted(changes, key=label.__getitem__):
        cost += changes[other]
        if cost < best:
            best, place = cost, other
    return place


class _Places:
    """A linked list with ordered labels: moving a node and comparing two nodes take constant time."""

    def __init__(self, order: Sequence[int]) -> None:
        self._next: dict[int, int] = {}
        self._previous: dict[int, int] = {}
        self.label: list[int] = [0] * len(order)
        self._number([_FIRST, *order])

    def order(self) -> list[int]:
        """Return the nodes from first to last."""
        found: list[int] = []
        node = self._next[_FIRST]
        while node != _FIRST:
            found.append(node)
            node = self._next[node]
        return found

    def move(self, node: int, after: int) -> None:
        """Take the node out and put it right after another."""
        before, behind = self._previous[node], self._next[node]
        self._next[before], self._previous[behind] = behind, before
        behind = self._next[after]
        self._link(after, node)
        self._link(node, behind)
        low = 0 if after == _FIRST else self.label[after]
        high = low + 2 * _GAP if behind == _FIRST else self.label[behind]
        self.label[node] = (low + high) // 2
        if self.label[node] == low:
            self._number([_FIRST, *self.order()])

    def _link(self, node: int, following: int) -> None:
        self._next[node] = following
        self._previous[following] = node

    def _number(self, ring: Sequence[int]) -> None:
        for index, node in enumerate(ring):
            self._link(node, ring[(index + 1) % len(ring)])
            if node != _FIRST:
                self.label[node] = index * _GAP
