"""An order of a cycle's files that puts few importers before what they import.

Least feedback is NP-hard. `eades_lin_smyth` is the linear-time heuristic of Eades, Lin and Smyth (1993)
with a bucket queue; `sift` then moves one file at a time to its best place and, where the cycle is
small, starts again from shaken copies of the best found. Its work is a constant for each edge plus a
constant. Nodes are 0..n-1 in path order and every choice is a function of the graph alone, so that
the same graph has the same order everywhere.
"""

import random
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gristmill.corpus.components import Successors

_VISITS_PER_EDGE = 6
"""How often each end of an edge may be looked at, on average, before the moves end."""
_SHAKING_VISITS_PER_EDGE = 150
"""The same for shaking, which costs at most `_SHAKING_VISITS`: where these are fewer than
`_LEAST_PER_EDGE` for each, the cycle is too large to be shaken."""
_SHAKING_VISITS = 200_000
_LEAST_PER_EDGE = 20


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


def sift(starts: Sequence[Sequence[int]], imports: Sequence[Mapping[int, int]]) -> list[int]:
    """Return the best order that is found from some orders by moving single nodes.

    `imports` gives for each node its imported nodes and what it costs to come before each. The cost
    of the result is never above that of any start; of equal ones the first start's is taken.
    """
    lines = [_Line(start, imports) for start in starts]
    for line, start in zip(lines, starts, strict=True):
        line.settle(start, _VISITS_PER_EDGE * line.num_ends)
    line = min(lines, key=lambda line: line.cost)
    if line.num_ends * _LEAST_PER_EDGE <= _SHAKING_VISITS:
        _shake(line, min(_SHAKING_VISITS, line.num_ends * _SHAKING_VISITS_PER_EDGE))
    return line.order()


def _shake(line: "_Line", visits: int) -> None:
    """Move a few nodes of broken edges anywhere, settle the others, keep what costs no more."""
    rng = random.Random(line.num_ends)
    end = line.visits + visits
    while line.visits < end:
        broken = line.broken()
        if not broken:
            break
        kept = line.state()
        moved = rng.sample(broken, min(len(broken), rng.randint(1, 4)))
        for node in moved:
            line.move(node, rng.choice(line.neighbours(node)))
        touched = {other for node in moved for other in line.neighbours(node)}
        line.settle([*sorted(touched.difference(moved)), *moved], end - line.visits)
        if line.cost > kept.cost:
            line.restore(kept)


@dataclass(frozen=True)
class _State:
    following: list[int]
    previous: list[int]
    label: list[float]
    cost: int


class _Line:
    """An order as a linked list with rising labels: moving and comparing nodes take constant time."""

    def __init__(self, order: Sequence[int], imports: Sequence[Mapping[int, int]]) -> None:
        # what the cost changes by when a node passes a neighbour on its way to the end
        self._changes = [{other: -cost for other, cost in needs.items()} for needs in imports]
        for node, needs in enumerate(imports):
            for other, cost in needs.items():
                self._changes[other][node] = self._changes[other].get(node, 0) + cost
        self._at_start = [sum(needs.values()) for needs in imports]
        self._imports = imports
        self.num_ends = sum(map(len, self._changes))
        self.visits = 0
        self._ring = len(order)  # stands before the first node and after the last
        self._following = [0] * (len(order) + 1)
        self._previous = [0] * (len(order) + 1)
        self._label = [0.0] * (len(order) + 1)
        self._number(order)
        self.cost = sum(cost for _node, _other, cost in self._broken())

    def neighbours(self, node: int) -> list[int]:
        """Return what the node imports and what imports it."""
        return list(self._changes[node])

    def broken(self) -> list[int]:
        """Return the nodes of broken edges, ascending."""
        self.visits += self.num_ends // 4
        return sorted({end for node, other, _cost in self._broken() for end in (node, other)})

    def order(self) -> list[int]:
        """Return the nodes from first to last."""
        found: list[int] = []
        node = self._following[self._ring]
        while node != self._ring:
            found.append(node)
            node = self._following[node]
        return found

    def state(self) -> _State:
        """Return what `restore` needs to come back here."""
        return _State(self._following[:], self._previous[:], self._label[:], self.cost)

    def restore(self, state: _State) -> None:
        """Go back to an earlier state, which must not be used again."""
        self._following, self._previous = state.following, state.previous
        self._label, self.cost = state.label, state.cost

    def settle(self, nodes: Iterable[int], visits: int) -> None:
        """Move each node, and each neighbour of a moved one, to its best place until none gains."""
        queue = deque(nodes)
        waiting = set(queue)
        end = self.visits + visits
        while queue and self.visits < end:
            node = queue.popleft()
            waiting.discard(node)
            self.visits += len(self._changes[node])
            after = self._best_place(node)
            if after is None:
                continue
            self.move(node, after)
            for other in self._changes[node]:
                if other not in waiting:
                    waiting.add(other)
                    queue.append(other)

    def move(self, node: int, after: int) -> None:
        """Take the node out and put it right after another."""
        if after == node or self._previous[node] == after:
            return
        low, there, high = self._between(after)
        if not low < there < high:
            self._number(self.order())
            low, there, high = self._between(after)
        before, behind = self._previous[node], self._following[node]
        self._following[before], self._previous[behind] = behind, before
        behind = self._following[after]
        self._link(after, node)
        self._link(node, behind)
        label = self._label
        here, label[node] = label[node], there
        for other, change in self._changes[node].items():
            if here < label[other] < there:
                self.cost += change
            elif there < label[other] < here:
                self.cost -= change

    def _between(self, after: int) -> tuple[float, float, float]:
        """Return the labels of a node and of the one behind it, with a new one in their midst."""
        behind = self._following[after]
        low = 0.0 if after == self._ring else self._label[after]
        high = low + 2.0 if behind == self._ring else self._label[behind]
        return low, (low + high) / 2, high

    def _best_place(self, node: int) -> int | None:
        """Return the neighbour after which the node costs least; None where it stands is as good."""
        label, changes = self._label, self._changes[node]
        here, cost = label[node], self._at_start[node]
        current = cost
        for other, change in changes.items():
            if label[other] < here:
                current += change
        if current == 0:
            return None
        best, place = (cost, self._ring) if cost < current else (current, None)
        for other in sorted(changes, key=label.__getitem__):
            cost += changes[other]
            if cost < best:
                best, place = cost, other
        return place

    def _broken(self) -> Iterator[tuple[int, int, int]]:
        label = self._label
        for node, needs in enumerate(self._imports):
            here = label[node]
            for other, cost in needs.items():
                if here < label[other]:
                    yield node, other, cost

    def _link(self, node: int, following: int) -> None:
        self._following[node] = following
        self._previous[following] = node

    def _number(self, order: Sequence[int]) -> None:
        last = self._ring
        for index, node in enumerate(order):
            self._link(last, node)
            self._label[node] = float(index + 1)
            last = node
        self._link(last, self._ring)
