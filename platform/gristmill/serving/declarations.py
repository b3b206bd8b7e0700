"""What a file offers to others: its declarations with their signatures, without their bodies.

Any grammar that the import graph reads will do: a node with a `body` is a declaration, its text up to the
body is the signature. What lies in a type's body is listed under it, what lies in a function's is not.
"""

from __future__ import annotations

import importlib
from functools import cache

from tree_sitter import Language, Node, Parser

from gristmill.corpus.imports.registry import RULES

MOST_LINES = 200
MOST_CHARS = 200
MOST_DEPTH = 12
MOST_BYTES = 1 << 20
"""A longer file is no declaration of anything."""

_FUNCTIONS = (
    "function",
    "method",
    "constructor",
    "lambda",
    "arrow",
    "closure",
    "destructor",
)
_DECLARES = (
    *_FUNCTIONS,
    "class",
    "struct",
    "interface",
    "trait",
    "impl",
    "enum",
    "module",
    "object",
)
_MORE = (
    "namespace",
    "protocol",
    "extension",
    "record",
    "union",
    "message",
    "service",
    "declarator",
)


def declarations(language: str, text: str, path: str = "") -> str:
    """Return the declarations of a file, one a line; empty for a language without a grammar."""
    rules = RULES.get(language)
    if rules is None or rules.grammar is None or len(text) > MOST_BYTES:
        return ""
    data = text.encode("utf-8", "replace")
    if rules.prepare is not None:
        data = rules.prepare(data, path)
    root = _parser(rules.grammar(language, path)).parse(data).root_node
    lines: list[str] = []
    _walk(root, data, 0, 0, lines)
    return "\n".join(lines[:MOST_LINES])


def _walk(node: Node, data: bytes, level: int, depth: int, lines: list[str]) -> None:
    for child in node.named_children:
        if len(lines) >= MOST_LINES or depth > MOST_DEPTH:
            return
        body = _body(child)
        if body is None:
            if child.named_child_count:
                _walk(child, data, level, depth + 1, lines)
            continue
        signature = data[child.start_byte : body.start_byte].decode("utf-8", "replace")
        line = " ".join(signature.split())
        lines.append("    " * level + line[:MOST_CHARS].rstrip(" {"))
        if (
            not any(word in child.type for word in _FUNCTIONS)
            and child.type != "variable_declarator"
        ):
            _walk(body, data, level + 1, depth + 1, lines)


def _body(node: Node) -> Node | None:
    """Return the body of a declaration; None of any other node."""
    if not any(word in node.type for word in (*_DECLARES, *_MORE)):
        return None
    body = node.child_by_field_name("body")
    if body is None and node.type == "variable_declarator":
        value = node.child_by_field_name("value")
        return None if value is None else value.child_by_field_name("body")
    return body


@cache
def _language(grammar: tuple[str, str]) -> Language:
    module, function = grammar
    return Language(getattr(importlib.import_module(module), function)())


def _parser(grammar: tuple[str, str]) -> Parser:
    return Parser(_language(grammar))
