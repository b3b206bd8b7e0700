"""One parse a file: imports, names and the share of broken syntax come from the same tree.

A parse is bounded in time: tree-sitter asks a callback now and then whether to go on (it does so only
when it reads through a callback, not from bytes). A file that runs out of time, or that makes the
parser fail, gives a `Parsed` with the reason in `failure`; `parse` does not raise for any input. The
limit is on the thread's CPU time, so that a busy machine does not cut off what an idle one reads.

Being asked costs a third of the parse: a call into Python every hundred steps of the parser; and a tree
that was read through a callback asks it again for every text that a query compares (C#: five times the
query). In a process that is ended from outside when it stays with one file (see `isolation`), parse
inside `unlimited`.
"""

import importlib
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from math import inf
from operator import attrgetter

from tree_sitter import Language, Node, Parser, Query, QueryCursor, Tree

from gristmill.corpus.imports.model import Captures, Found, LanguageRules, Measure, Parsed, Signals
from gristmill.corpus.imports.registry import RULES

PARSE_TIMEOUT_S = 10.0
_CHUNK_BYTES = 1 << 16
_ERRORS = "(ERROR) @error (MISSING) @missing"
_NEAR_BYTES = 300
"""Places of interest that are closer together are one."""
_BY_PLACE = attrgetter("byte_range")
_NEAR_STEPS = 4
_MOST_PLACES = 16
_BYTES_A_PLACE = 256
"""A file with more of them than that, for its size, is searched as a whole, which is then cheaper."""
_MOST_VISITED = 2_000
"""Nodes to look at one by one for broken ones; beyond, a query of the tree is cheaper."""
_local = threading.local()
_watched: ContextVar[bool] = ContextVar("watched", default=False)


@contextmanager
def unlimited() -> Iterator[None]:
    """Parse without a limit of time in this context: the caller's process is watched from outside."""
    token = _watched.set(True)
    try:
        yield
    finally:
        _watched.reset(token)


class _OutOfTime(Exception):
    """The parser or the query ran past its limit."""


def parse(
    language: str,
    data: bytes | str,
    path: str = "",
    timeout_s: float = PARSE_TIMEOUT_S,
    measure: Measure | None = None,
) -> Parsed:
    """Return what one file imports and how much of it is broken syntax; never raises.

    `path` settles the dialect where the language has several grammars (`.ts` and `.tsx`). A language
    without a grammar gives an empty `Parsed`. `measure` reads the same tree (`Parsed.signals`).
    """
    rules = RULES.get(language)
    if rules is None:
        return Parsed(language)
    if isinstance(data, str):
        data = data.encode("utf-8", "replace")
    deadline = inf if _watched.get() else time.thread_time() + timeout_s
    try:
        found, share, signals = _read(rules, language, path, data, deadline, measure)
    except _OutOfTime:
        return Parsed(language, failure="parse_timeout")
    except (ValueError, RuntimeError, RecursionError, MemoryError):
        return Parsed(language, failure="parse_failed")
    return Parsed(
        language, found.imports, share, found.package, found.declared, found.used, None, signals
    )


def unlimited_root(language: str, data: bytes, path: str = "") -> Node | None:
    """Return the root of a file's tree, or None where there is no grammar or the parser fails.

    Unlike `parse` it has no limit of time: for files of bounded size whose tree must not depend on
    the machine.
    """
    rules = RULES.get(language)
    if rules is None or rules.grammar is None:
        return None
    if rules.prepare is not None:
        data = rules.prepare(data, path)
    try:
        return _tree(rules.grammar(language, path), data, inf).root_node
    except (ValueError, RuntimeError, RecursionError, MemoryError):
        return None


def _read(
    rules: LanguageRules,
    language: str,
    path: str,
    data: bytes,
    deadline: float,
    measure: Measure | None = None,
) -> tuple[Found, float, Signals]:
    if rules.prepare is not None:
        data = rules.prepare(data, path)
    if rules.grammar is None:
        return rules.extract({}, data), 0.0, ()
    grammar = rules.grammar(language, path)
    tree = _tree(grammar, data, deadline)
    root = tree.root_node
    broken = _broken(grammar, root, deadline) if root.has_error else []
    query = _query(grammar, rules.query)
    if rules.near is None:
        captures = _captures(query, root, deadline, rules.unordered)
    else:
        near = _captures_near(rules, query, root, data, deadline)
        captures = {**near, "error": [node for node in broken if node.is_error]}
    captures = {**captures, "file": [root]}
    found = rules.extract(captures, data)
    share = _error_share(broken, len(data))
    signals = measure(root, data, len(found.imports)) if measure is not None else ()
    return found, share, signals


def _tree(grammar: tuple[str, str], data: bytes, deadline: float) -> Tree:
    parser = _parser(grammar)
    if deadline == inf:
        return parser.parse(data)

    def read(offset: int, _point: object) -> bytes:
        return data[offset : offset + _CHUNK_BYTES]

    def late(_offset: int, _has_error: bool) -> bool:
        return time.thread_time() > deadline

    try:
        return parser.parse(read, progress_callback=late)
    except ValueError as error:
        parser.reset()  # else the next file would continue this one
        if time.thread_time() > deadline:
            raise _OutOfTime from error
        raise


def _captures(
    query: Query, root: Node, deadline: float, unordered: frozenset[str] = frozenset()
) -> Captures:
    # py-tree-sitter 0.26.1 crashes when captures() gets a progress callback, so none is given;
    # a query is linear in the tree, and the tree was made within the limit.
    if time.thread_time() > deadline:
        raise _OutOfTime
    captures = QueryCursor(query).captures(root)  # in an order of memory addresses
    return {
        name: nodes if name in unordered else sorted(nodes, key=_BY_PLACE)
        for name, nodes in captures.items()
    }


def _captures_near(
    rules: LanguageRules, query: Query, root: Node, data: bytes, deadline: float
) -> Captures:
    """Return what the query captures around the matches of `near`, each node once, in order."""
    assert rules.near is not None
    places: list[list[int]] = []
    for match in rules.near.finditer(data):
        start, end = match.span()
        if rules.near_within:
            around = _around(root, start, end, rules.near_within)
            if around is None:
                continue
            start, end = around.byte_range
        if places and start - places[-1][1] <= _NEAR_BYTES:
            places[-1][0] = min(places[-1][0], start)
            places[-1][1] = max(places[-1][1], end)
        else:
            places.append([start, end])
    if len(places) > max(_MOST_PLACES, len(data) // _BYTES_A_PLACE):
        return _captures(query, root, deadline)
    found: dict[str, dict[tuple[int, int], Node]] = {}
    for start, end in places:
        cursor = QueryCursor(query)
        cursor.set_byte_range(start, end)
        for name, nodes in cursor.captures(root).items():
            known = found.setdefault(name, {})
            for node in nodes:
                known.setdefault((node.start_byte, node.end_byte), node)
    return {name: sorted(nodes.values(), key=_BY_PLACE) for name, nodes in found.items()}


def _around(root: Node, start: int, end: int, kinds: frozenset[str]) -> Node | None:
    """Return the node of one of these kinds that a place begins, a few steps up at most."""
    node = root.descendant_for_byte_range(start, end)
    for _ in range(_NEAR_STEPS):
        if node is None or node.type in kinds:
            return node
        node = node.parent
    return None


def _error_share(broken: Sequence[Node], size: int) -> float:
    """Return the share of bytes under ERROR nodes, each byte once; a MISSING node counts as one."""
    num_bytes = sum(node.is_missing for node in broken)
    end = 0
    for start, stop in sorted(node.byte_range for node in broken if node.is_error):
        num_bytes += max(0, stop - max(start, end))
        end = max(end, stop)
    return min(1.0, num_bytes / max(size, 1))


def _broken(grammar: tuple[str, str], root: Node, deadline: float) -> list[Node]:
    """Return the ERROR and MISSING nodes, looked for below the nodes that hold any."""
    found: list[Node] = []
    waiting, visited = [root], 0
    while waiting:
        node = waiting.pop()
        if node.is_error or node.is_missing:
            found.append(node)
        children = node.children
        visited += len(children)
        if visited > _MOST_VISITED:
            captures = _captures(_query(grammar, _ERRORS), root, deadline)
            return [*captures.get("error", ()), *captures.get("missing", ())]
        waiting += [child for child in children if child.has_error]
    return found


@cache
def _language(grammar: tuple[str, str]) -> Language:
    module, function = grammar
    return Language(getattr(importlib.import_module(module), function)())


def _parser(grammar: tuple[str, str]) -> Parser:
    """Return this thread's parser: a parser holds state while it runs."""
    parsers: dict[tuple[str, str], Parser] = _local.__dict__.setdefault("parsers", {})
    if grammar not in parsers:
        parsers[grammar] = Parser(_language(grammar))
    return parsers[grammar]


@cache
def _query(grammar: tuple[str, str], source: str) -> Query:
    return Query(_language(grammar), source)
