"""Which uses of a name in a file mean something outside it: lexical scoping over captured nodes."""

from collections.abc import Iterable

from tree_sitter import Node

from gristmill.corpus.imports.model import Captures


def text(node: Node, data: bytes) -> str:
    """Return the source of a node."""
    return data[node.start_byte : node.end_byte].decode("utf-8", "replace")


def texts(nodes: Iterable[Node], data: bytes) -> frozenset[str]:
    """Return the distinct sources of some nodes."""
    return frozenset(text(node, data) for node in nodes)


def free_uses(captures: Captures, data: bytes) -> dict[int, str]:
    """Return the names of `@use` nodes that no `@bind` in an enclosing `@scope` binds, by start byte.

    A binding holds from its own place to the end of its scope; inside a `@late` node (a declaration
    whose right side still sees the outer name) only from the end of that node. Bindings outside every
    scope are the file's own and bind nothing here.
    """
    spans: list[tuple[int, int, int]] = []
    for rank, name in enumerate(("scope", "late")):
        spans += [(node.start_byte, -node.end_byte, rank) for node in captures.get(name, ())]
    spans.sort()
    bound: dict[str, list[tuple[int, int]]] = {}
    for node, stack in _walk(captures.get("bind", ()), spans):
        scope = next((index for index in range(len(stack) - 1, -1, -1) if not stack[index][2]), -1)
        if scope >= 0:
            late = stack[-1] if scope < len(stack) - 1 else None
            start = node.start_byte if late is None else -late[1]
            bound.setdefault(text(node, data), []).append((start, -stack[scope][1]))
    binders = {node.start_byte for node in captures.get("bind", ())}
    found: dict[int, str] = {}
    names: dict[bytes, str] = {}
    for node in captures.get("use", ()):
        start = node.start_byte
        if start in binders:
            continue
        raw = data[start : node.end_byte]
        if raw not in names:
            names[raw] = raw.decode("utf-8", "replace")
        name = names[raw]
        places = bound.get(name)
        if places is None or not any(low <= start < high for low, high in places):
            found[start] = name
    return found


def _walk(
    nodes: Iterable[Node], spans: list[tuple[int, int, int]]
) -> Iterable[tuple[Node, list[tuple[int, int, int]]]]:
    """Yield each node by place, with the spans around it, outermost first."""
    stack: list[tuple[int, int, int]] = []
    index = 0
    for node in sorted(nodes, key=lambda found: found.start_byte):
        while index < len(spans) and spans[index][0] <= node.start_byte:
            while stack and -stack[-1][1] <= spans[index][0]:
                stack.pop()
            stack.append(spans[index])
            index += 1
        while stack and -stack[-1][1] <= node.start_byte:
            stack.pop()
        yield node, stack
