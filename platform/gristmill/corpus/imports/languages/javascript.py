"""JavaScript and TypeScript (JSX, TSX, Vue and Svelte too): import, export from, require, import(), AMD.

`import type` and its kin are `type_only`; `require` and `import()` inside a function are `local`,
unless the function is run where it stands (an immediately called one, the callback of `define`);
`require.resolve` is `local` everywhere, since it loads nothing.
What a specifier means is in `javascript_resolve`.
"""

import re
from collections.abc import Iterator

from tree_sitter import Node

from gristmill.corpus.imports import component_scripts
from gristmill.corpus.imports.javascript_resolve import Specifiers
from gristmill.corpus.imports.model import (
    Captures,
    Edge,
    Found,
    Import,
    Kind,
    LanguageRules,
    Repository,
)
from gristmill.corpus.imports.scopes import text

LANGUAGES = ("JavaScript", "TypeScript", "Vue", "Svelte")
_QUERY = """
(import_statement) @import
(export_statement source: (string)) @import
(call_expression function: (identifier) @_require
  arguments: (arguments [(string) (template_string)] @call) (#eq? @_require "require"))
(call_expression function: (member_expression) @_resolve
  arguments: (arguments . [(string) (template_string)] @resolve)
  (#eq? @_resolve "require.resolve"))
(call_expression function: (import)
  arguments: (arguments [(string) (template_string)] @call))
(call_expression function: (identifier) @_amd
  arguments: (arguments (array (string) @amd)) (#any-of? @_amd "define" "require" "requirejs"))
"""
_NEAR = re.compile(rb"\b(?:import|from|require|define)")
_LOADING = frozenset({"import_statement", "export_statement", "call_expression"})
_TYPES = re.compile(rb"(?:import|export)\s+type(?:of)?\b\s*(?:[{*]|(?!from\b)[\w$])")
"""By the text, because `export type *` and all of Flow's are errors to the grammars."""
_EXPORTED_IMPORT = re.compile(rb"\bexport(?=\s+import\s+[\w$]+\s*=\s*require\b)")
_HEAD = re.compile(rb"(?:\s+|//[^\n]*|/\*.*?\*/|\xef\xbb\xbf|#![^\n]*)+", re.DOTALL)
_REFERENCE = re.compile(
    rb"^[ \t]*///[ \t]*<reference[ \t]+path[ \t]*=[ \t]*[\"']([^\"'\n]+)", re.MULTILINE
)
_UNREAD = re.compile(
    rb"((?<![{`])\bimport\(\s*|^import\s[^\"';()]*?\bfrom\s*)([\"'])([^\"'\n]+)\2", re.MULTILINE
)
_FUNCTIONS = frozenset(
    {
        "function_declaration",
        "function_expression",
        "arrow_function",
        "method_definition",
        "generator_function",
        "generator_function_declaration",
    }
)
_TYPE_NODES = frozenset(
    {"type_annotation", "type_query", "type_arguments", "type_alias_declaration", "interface_body"}
)


def extract(captures: Captures, data: bytes) -> Found:
    """Return the specifiers as written, without loader prefixes and queries."""
    imports = [_statement(node, data) for node in captures.get("import", ())]
    for node in captures.get("call", ()):
        call = node.parent.parent if node.parent is not None else None
        if call is not None:
            kind = _kind_of_call(call)
            imports.append(Import(text(node, data)[1:-1], node.start_point[0] + 1, kind=kind))
    for node in captures.get("resolve", ()):
        imports.append(Import(text(node, data)[1:-1], node.start_point[0] + 1, kind="local"))
    for node in captures.get("amd", ()):
        imports.append(Import(text(node, data)[1:-1], node.start_point[0] + 1, form="amd"))
    imports += _references(data) if b"<reference" in data else ()
    imports += _unread(captures, data) if b"import(" in data else ()
    return Found(tuple(found for found in map(_clean, filter(None, imports)) if found.target))


def _references(data: bytes) -> Iterator[Import]:
    """Yield the files that `/// <reference path="..." />` names before the first statement."""
    head = _HEAD.match(data)
    for match in _REFERENCE.finditer(data, 0, head.end()) if head is not None else ():
        line = data.count(b"\n", 0, match.start()) + 1
        yield Import(_relative(match[1].decode("utf-8", "replace")), line, kind="type_only")


def _unread(captures: Captures, data: bytes) -> Iterator[Import]:
    """Yield what stands where the grammar is lost: it knows few places for `import("./a").Type`."""
    known = {node.start_byte for node in captures.get("call", ())}
    sources = (node.child_by_field_name("source") for node in captures.get("import", ()))
    known |= {source.start_byte for source in sources if source is not None}
    at = number = 0
    in_comment = False
    for match in _UNREAD.finditer(data):
        between = data[at : match.start()]
        at = match.start()
        number += between.count(b"\n")
        opened, closed = between.rfind(b"/*"), between.rfind(b"*/")
        in_comment = opened > closed or (in_comment and closed < 0)
        behind_slashes = b"//" in between.rpartition(b"\n")[2]
        if in_comment or behind_slashes or match.start(2) in known:
            continue
        if not _is_quoted(captures["file"][0], match.start()):
            kind: Kind = "type_only" if b"(" in match[1] or _TYPES.match(match[0]) else "import"
            yield Import(match[3].decode("utf-8", "replace"), number + 1, kind=kind)


def _is_quoted(root: Node, place: int) -> bool:
    """Return whether a place is text in a string: code that a script writes is none of its own."""
    node = root.descendant_for_byte_range(place, place + 1)
    while node is not None and node.type in {"string_fragment", "escape_sequence"}:
        node = node.parent
    return node is not None and node.type in {"string", "template_string", "template_literal_type"}


def _relative(target: str) -> str:
    return target if target.startswith(".") else "./" + target


def _clean(found: Import) -> Import:
    target = found.target.rpartition("!")[2]
    if not target.startswith("#"):
        target = re.split(r"[?#]", target, maxsplit=1)[0]
    if "${" in target:
        target = ""  # computed at run time
    return Import(target, found.line, kind=found.kind, form=found.form)


def _statement(node: Node, data: bytes) -> Import | None:
    source = node.child_by_field_name("source")
    clauses = [child for child in node.named_children if child.type != "comment"]
    if source is None and clauses and clauses[0].type == "import_require_clause":
        source = clauses[0].child_by_field_name("source")
    if source is None:
        return None
    only_types = _TYPES.match(data, node.start_byte) is not None
    braces = clauses[0]
    if braces.type == "import_clause" and braces.named_child_count == 1:
        braces = braces.named_children[0]
    only_types = only_types or _all_types(braces)
    kind: Kind = "type_only" if only_types else "import"
    return Import(text(source, data)[1:-1], node.start_point[0] + 1, kind=kind)


def _all_types(specifiers: Node) -> bool:
    """Return whether the node is names in braces, each with its own `type`."""
    names = [name for name in specifiers.named_children if name.type.endswith("_specifier")]
    return bool(names) and all(
        any(part.type in {"type", "typeof"} for part in name.children) for name in names
    )


def _kind_of_call(call: Node) -> Kind:
    kind: Kind = "import"
    parent = call.parent
    while parent is not None:
        if parent.type in _TYPE_NODES:
            return "type_only"
        if parent.type in _FUNCTIONS and not _runs_in_place(parent):
            kind = "local"
        parent = parent.parent
    return kind


def _runs_in_place(function: Node) -> bool:
    """Return whether a function is called where it is written."""
    child, parent = function, function.parent
    while parent is not None and parent.type == "parenthesized_expression":
        child, parent = parent, parent.parent
    if parent is not None and parent.type == "member_expression":  # (function () {}).call(this)
        child, parent = parent, parent.parent
    if parent is None:
        return False
    if parent.type == "arguments":
        callee = parent.parent.child_by_field_name("function") if parent.parent else None
        return callee is not None and callee.text in {b"define", b"require", b"requirejs"}
    return parent.type == "call_expression" and parent.child_by_field_name("function") == child


def resolve(repository: Repository) -> Iterator[Edge]:
    """Yield the edges from the JavaScript and TypeScript files of a repository."""
    specifiers = Specifiers(repository)
    for importer, parsed in repository.of(LANGUAGES):
        for found in parsed.imports:
            target = specifiers.find(importer, found.target, found.form)
            if target is not None:
                yield Edge(importer, target, found.kind, parsed.language, found.line)


def _grammar(language: str, path: str) -> tuple[str, str]:
    if language == "JavaScript":
        return "tree_sitter_javascript", "language"
    # components say their language inside; render functions of Vue may hold JSX
    dialect = "tsx" if path.endswith((".tsx", ".vue")) else "typescript"
    return "tree_sitter_typescript", f"language_{dialect}"


def _prepare(data: bytes, path: str) -> bytes:
    if path.endswith(component_scripts.ENDINGS):
        return component_scripts.scripts_only(data)
    if b"export import" in data:  # `export import a = require("./a")` is not in the grammar
        return _EXPORTED_IMPORT.sub(b"      ", data)
    return data


RULES = LanguageRules(
    languages=LANGUAGES,
    grammar=_grammar,
    query=_QUERY,
    extract=extract,
    resolve=resolve,
    config_names=frozenset(
        {
            *("package.json", "pnpm-workspace.yaml", "lerna.json"),
            *("tsconfig*.json", "*.tsconfig.json", "jsconfig*.json", "base.json"),
        }
    ),
    prepare=_prepare,
    near=_NEAR,
    near_within=_LOADING,
)
