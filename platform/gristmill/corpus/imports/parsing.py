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
import re
import threading
import time
from collections.abc import Iterator
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
    query = _query(grammar, rules.query)
    if rules.near is None:
        captures = _captures(query, tree.root_node, deadline)
    else:
        captures = _captures_near(rules.near, query, tree.root_node, data, deadline)
    found = rules.extract(captures, data)
    share = _error_share(grammar, tree, len(data), deadline) if tree.root_node.has_error else 0.0
    signals = measure(tree.root_node, data, len(found.imports)) if measure is not None else ()
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


def _captures(query: Query, root: Node, deadline: float) -> Captures:
    # py-tree-sitter 0.26.1 crashes when captures() gets a progress callback, so none is given;
    # a query is linear in the tree, and the tree was made within the limit.
    if time.thread_time() > deadline:
        raise _OutOfTime
    captures = QueryCursor(query).captures(root)  # in an order of memory addresses
    return {name: sorted(nodes, key=_BY_PLACE) for name, nodes in captures.items()}


def _captures_near(
    near: re.Pattern[bytes], query: Query, root: Node, data: bytes, deadline: float
) -> Captures:
    """Return what the query captures around the matches of `near`, each node once, in order."""
    places: list[list[int]] = []
    for match in near.finditer(data):
        if places and match.start() - places[-1][1] <= _NEAR_BYTES:
            places[-1][1] = match.end()
        else:
            places.append([match.start(), match.end()])
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


def _error_share(grammar: tuple[str, str], tree: Tree, size: int, deadline: float) -> float:
    """Return the share of bytes under ERROR nodes, each byte once; a MISSING node counts as one."""
    nodes = _broken(tree.root_node)
    if nodes is None:
        captures = _captures(_query(grammar, _ERRORS), tree.root_node, deadline)
        nodes = [*captures.get("error", ()), *captures.get("missing", ())]
    broken = sum(node.is_missing for node in nodes)
    end = 0
    for start, stop in sorted((node.start_byte, node.end_byte) for node in nodes if node.is_error):
        broken += max(0, stop - max(start, end))
        end = max(end, stop)
    return min(1.0, broken / max(size, 1))


def _broken(root: Node) -> list[Node] | None:
    """Return the ERROR and MISSING nodes below the branches that hold any; None where they are many."""
    found: list[Node] = []
    waiting, visited = [root], 0
    while waiting:
        node = waiting.pop()
        if node.is_error or node.is_missing:
            found.append(node)
        children = node.children
        visited += len(children)
        if visited > _MOST_VISITED:
            return None
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
