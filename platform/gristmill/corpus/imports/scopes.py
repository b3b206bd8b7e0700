"""Where a name of a file is bound: lexical scoping over captured nodes."""

from bisect import bisect_right
from collections.abc import Iterable

from tree_sitter import Node

from gristmill.corpus.imports.model import Captures


def text(node: Node, data: bytes) -> str:
    """Return the source of a node."""
    return data[node.start_byte : node.end_byte].decode("utf-8", "replace")


def texts(nodes: Iterable[Node], data: bytes) -> frozenset[str]:
    """Return the distinct sources of some nodes."""
    return frozenset(text(node, data) for node in nodes)


class Bound:
    """Where a name is bound: the union of the spans that bind it."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in sorted(spans):
            if self._ends and start <= self._ends[-1]:
                self._ends[-1] = max(end, self._ends[-1])
            else:
                self._starts.append(start)
                self._ends.append(end)

    def __contains__(self, place: int) -> bool:
        """Return whether the name is bound at a place."""
        at = bisect_right(self._starts, place) - 1
        return at >= 0 and place < self._ends[at]


def bindings(captures: Captures, data: bytes) -> tuple[dict[bytes, Bound], set[int]]:
    """Return where each name that a `@bind` node binds in a `@scope` is bound, and all `@bind` places.

    A binding holds from its own place to the end of its scope; inside a `@late` node (a declaration
    whose right side still sees the outer name) only from the end of that node. Bindings outside every
    scope are the file's own and bind nothing here.
    """
    around = [
        (node.start_byte, -node.end_byte, late)
        for late, name in enumerate(("scope", "late"))
        for node in captures.get(name, ())
    ]
    around.sort()
    binders = sorted(node.byte_range for node in captures.get("bind", ()))
    spans: dict[bytes, list[tuple[int, int]]] = {}
    stack: list[tuple[int, int, int]] = []
    at = 0
    for start, end in binders:
        while at < len(around) and around[at][0] <= start:
            while stack and -stack[-1][1] <= around[at][0]:
                stack.pop()
            stack.append(around[at])
            at += 1
        while stack and -stack[-1][1] <= start:
            stack.pop()
        for span in reversed(stack):
            if not span[2]:
                first = -stack[-1][1] if stack[-1][2] else start
                spans.setdefault(data[start:end], []).append((first, -span[1]))
                break
    return {name: Bound(found) for name, found in spans.items()}, {start for start, _ in binders}
