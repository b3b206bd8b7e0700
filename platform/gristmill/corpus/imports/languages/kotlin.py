"""Kotlin: imports with aliases and wildcards, same-package use, top-level functions, extensions.

A name means, in the language's order: something of the file itself, an explicit import, a member type
that a class of the file inherits, something of the same package, something of a package imported with
`*`. A package's functions and properties count like its types. A name after a dot means nothing but,
perhaps, an extension: `value.name` uses the extensions called `name` that are in sight. What a
parameter or a local variable is called hides nothing that is called as a function.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator

from tree_sitter import Node

from gristmill.corpus.imports import packages
from gristmill.corpus.imports.model import (
    Captures,
    Edge,
    Found,
    Import,
    LanguageRules,
    Repository,
)
from gristmill.corpus.imports.scopes import text, texts

LANGUAGE = "Kotlin"
_QUERY = """
(package_header (qualified_identifier) @package)
(import) @import
(file_annotation) @file
[(class_declaration) (object_declaration) (companion_object)] @declaration
(source_file (function_declaration name: (identifier) @top))
(source_file (property_declaration (variable_declaration . (identifier) @top)))
(source_file (type_alias type: (identifier) @top))
(class_declaration name: (identifier) @name)
(object_declaration name: (identifier) @name)
(companion_object name: (identifier) @name)
(function_declaration name: (identifier) @defined)
(type_alias type: (identifier) @name)
(type_parameter . (identifier) @name)
(variable_declaration . (identifier) @variable)
(parameter . (identifier) @variable)
(class_parameter . (identifier) @variable)
(class_parameter (modifiers) . (identifier) @variable)
(catch_block . (identifier) @variable)
(enum_entry . (identifier) @variable)
(value_argument . (identifier) @skipped . "=")
(navigation_expression (_) (identifier) @member)
(infix_expression (_) . (identifier) @member . (_))
(user_type . (identifier) @type)
(user_type . (identifier) (identifier)) @qualified
(navigation_expression (navigation_expression)) @qualified
(call_expression . (identifier) @call)
(call_expression . (navigation_expression (_) (identifier) @member))
(delegation_specifier [(user_type) @super (constructor_invocation (user_type) @super)
                       (explicit_delegation (user_type) @super)])
(identifier) @use
"""
_IMPORT = re.compile(r"import\s+([\w.`\s]+?)(\.\s*\*)?(?:\s+as\s+([\w`]+))?\s*;?\s*$")
_FACADE = re.compile(r"JvmName\s*\(\s*(?:name\s*=\s*)?\"(\w+)\"")
_ARGUMENTS = re.compile(r"<[^<>]*>")
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_QUALIFIED = re.compile(r"[a-z_]\w*(?:\.\w+)*?\.[A-Z]\w*")
_MAX_QUALIFIED_BYTES = 200


def extract(captures: Captures, data: bytes) -> Found:
    """Return the imports, what the file gives to its package, and the names it does not bind."""
    imports = list(_imports(captures, data))
    nesting = _nesting(captures, data)
    package = next((text(node, data) for node in captures.get("package", ())), "")
    declared = set(nesting.values())
    declared |= {_marked(node, data) for node in captures.get("top", ())}
    ends = sorted(nesting)
    for node in captures.get("super", ()):
        index = bisect_right(ends, node.start_byte) - 1
        names = (nesting[ends[index]],) if index >= 0 else ()
        target = _plain(text(node, data))
        imports.append(Import(target, node.start_point[0] + 1, names, form=packages.EXTENDS))
    return Found(
        imports=tuple(imports),
        package=_plain(package),
        declared=frozenset(declared),
        used=_used(captures, data) - declared,
    )


def _imports(captures: Captures, data: bytes) -> Iterator[Import]:
    for node in captures.get("import", ()):
        match = _IMPORT.match(_COMMENT.sub(" ", text(node, data)).strip())
        if match is not None:
            names = (match[3].strip("`"),) if match[3] else ()
            form = "*" if match[2] else ""
            yield Import(_plain(match[1]), node.start_point[0] + 1, names, form=form)
    for node in captures.get("file", ()):
        match = _FACADE.search(text(node, data))
        if match is not None:
            yield Import(match[1], node.start_point[0] + 1, form=packages.FACADE)
    lines: dict[str, int] = {}
    for node in captures.get("qualified", ()):
        start = data[node.start_byte : node.start_byte + _MAX_QUALIFIED_BYTES]
        match = _QUALIFIED.match(start.decode("utf-8", "replace"))
        if match is not None:
            lines.setdefault(match[0], node.start_point[0] + 1)
    yield from (Import(name, line, form="qualified") for name, line in sorted(lines.items()))


def _used(captures: Captures, data: bytes) -> frozenset[str]:
    """Return the names used as types, functions and values, and `~name` for what follows a dot."""
    bound = texts(captures.get("name", ()), data)
    defined = texts(captures.get("defined", ()), data)
    variables = texts(captures.get("variable", ()), data)
    types = texts(captures.get("type", ()), data) - bound
    calls = texts(captures.get("call", ()), data) - bound - defined
    members = texts(captures.get("member", ()), data) - defined
    skipped = {
        node.start_byte
        for name in ("name", "defined", "variable", "skipped", "member", "type", "call")
        for node in captures.get(name, ())
    }
    spans = [
        (node.start_byte, node.end_byte)
        for name in ("package", "import", "qualified")
        for node in captures.get(name, ())
        if name != "qualified" or node.type == "user_type"
    ]
    inside = _Spans(spans)
    plain = {
        text(node, data)
        for node in captures.get("use", ())
        if node.start_byte not in skipped and not inside.hold(node.start_byte)
    }
    names = types | calls | (plain - bound - defined - variables)
    return frozenset(names | {packages.EXTENSION + name for name in members})


class _Spans:
    """Byte ranges of which none overlaps another that starts before it."""

    def __init__(self, spans: list[tuple[int, int]]) -> None:
        self._spans = sorted(spans)
        self._starts = [start for start, _end in self._spans]

    def hold(self, place: int) -> bool:
        index = bisect_right(self._starts, place) - 1
        return index >= 0 and place < self._spans[index][1]


def _nesting(captures: Captures, data: bytes) -> dict[int, str]:
    """Return the dotted name of each class or object by the end of its name."""
    found: dict[int, str] = {}
    stack: list[tuple[int, str]] = []
    for node in sorted(captures.get("declaration", ()), key=lambda node: node.start_byte):
        while stack and stack[-1][0] <= node.start_byte:
            stack.pop()
        name = node.child_by_field_name("name")
        simple = text(name, data) if name is not None else "Companion"
        dotted = f"{stack[-1][1]}.{simple}" if stack else simple
        stack.append((node.end_byte, dotted))
        found[name.end_byte if name is not None else node.start_byte] = dotted
    return found


def _marked(name: Node, data: bytes) -> str:
    """Return a top-level name as it is declared: with the mark of an extension if it is one."""
    extends = data[name.start_byte - 1 : name.start_byte] == b"."
    return (packages.EXTENSION if extends else "") + text(name, data)


def _plain(name: str) -> str:
    """Return a dotted name without comments, type arguments, spaces and backquotes."""
    name = _COMMENT.sub("", name)
    while "<" in name and _ARGUMENTS.search(name):
        name = _ARGUMENTS.sub("", name)
    return "".join(name.replace("`", "").split())


def resolve(repository: Repository) -> Iterator[Edge]:
    """Yield the edges from the Kotlin files of a repository to its Java, Kotlin and Scala files."""
    files = dict(repository.of(packages.JVM))
    yield from packages.edges(files, LANGUAGE, packages.Types(files))


RULES = LanguageRules(
    languages=(LANGUAGE,),
    grammar=lambda _language, _path: ("tree_sitter_kotlin", "language"),
    query=_QUERY,
    extract=extract,
    resolve=resolve,
)
