"""Scala 2 and 3: packages and package objects, imports anywhere, companions, top-level definitions.

`package a.b` followed by `package c` has the names of `a.b.c` and of `a.b` in sight, not those of `a`.
An import may start from a package, an object or an import in sight: it is made absolute before it is
looked up. What a package object holds, and what Scala 3 defines outside classes, belongs to the
package; a Scala 3 extension is meant by a name after a dot. Implicits and givens that no name calls
are beyond what names tell.
"""

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
from gristmill.corpus.imports.scala_text import import_clauses, plain_name, qualified_name
from gristmill.corpus.imports.scopes import text, texts

LANGUAGE = "Scala"
_TOP = """
(function_definition name: (_) @top) (function_declaration name: (_) @top)
(val_definition pattern: (identifier) @top) (var_definition pattern: (identifier) @top)
(given_definition name: (_) @top) (type_definition name: (_) @top)
(extension_definition (function_definition name: (_) @extension))
(extension_definition (_ (function_definition name: (_) @extension)))
"""
_QUERY = f"""
(package_clause name: (_) @package) @clause
(import_declaration) @import
[(class_definition) (object_definition) (trait_definition) (enum_definition) (package_object)] @declaration
(compilation_unit [{_TOP}])
(package_clause body: (_ [{_TOP}]))
(package_object body: (_ [{_TOP}]))
(class_definition name: (_) @name)
(object_definition name: (_) @name)
(trait_definition name: (_) @name)
(enum_definition name: (_) @name)
(simple_enum_case name: (_) @name)
(full_enum_case name: (_) @name)
(type_definition name: (_) @name)
(type_parameters name: (_) @name)
(function_definition name: (_) @defined)
(function_declaration name: (_) @defined)
(given_definition name: (_) @defined)
(class_parameter name: (_) @variable)
(parameter name: (_) @variable)
(val_definition pattern: (_) @variable)
(var_definition pattern: (_) @variable)
(val_declaration name: (_) @variable)
(var_declaration name: (_) @variable)
(binding name: (_) @variable)
(lambda_expression parameters: (identifier) @variable)
(typed_pattern pattern: (identifier) @variable)
(case_class_pattern pattern: (identifier) @variable)
(tuple_pattern (identifier) @variable)
(case_clause pattern: (identifier) @variable)
(enumerator . (identifier) @variable)
(assignment_expression left: (identifier) @label)
(field_expression field: (_) @member)
(infix_expression operator: (identifier) @member)
(field_expression value: (field_expression)) @qualified
(field_expression value: (identifier)) @qualified
(stable_type_identifier) @qualified
(extends_clause [(type_identifier) (generic_type) (stable_type_identifier)] @super)
(type_identifier) @type
(identifier) @use
"""
_MAX_QUALIFIED_BYTES = 200


def extract(captures: Captures, data: bytes) -> Found:
    """Return the imports, what the file gives to its packages, and the names it does not bind."""
    scopes = _Scopes(captures, data)
    imports: list[Import] = []
    for node in captures.get("import", ()):
        imports += import_clauses(text(node, data), node.start_point[0] + 1)
    lines: dict[str, int] = {}
    for node in captures.get("qualified", ()):
        start = data[node.start_byte : min(node.end_byte, node.start_byte + _MAX_QUALIFIED_BYTES)]
        name = qualified_name(start.decode("utf-8", "replace"))
        if name is not None:
            lines.setdefault(name, node.start_point[0] + 1)
    variables = texts(captures.get("variable", ()), data)
    imports += [
        Import(name, line, form="qualified")
        for name, line in sorted(lines.items())
        if name.partition(".")[0] not in variables
    ]
    for node in captures.get("super", ()):
        inside = scopes.types_around(node)
        target = plain_name(text(node, data))
        names = (inside,) if inside else ()
        imports.append(Import(target, node.start_point[0] + 1, names, form=packages.EXTENDS))
    imports += [Import(name, 1, form=packages.PACKAGE) for name in scopes.in_sight()]
    declared = scopes.declared(captures)
    own = {name.rpartition("/")[2] for name in declared}
    return Found(
        imports=tuple(imports),
        package=scopes.package,
        declared=frozenset(declared),
        used=_used(captures, data, variables) - own,
    )


def _used(captures: Captures, data: bytes, variables: frozenset[str]) -> frozenset[str]:
    bound = texts(captures.get("name", ()), data)
    defined = texts(captures.get("defined", ()), data)
    types = texts(captures.get("type", ()), data) - bound
    skipped = {
        node.start_byte
        for name in ("name", "defined", "label", "member")
        for node in captures.get(name, ())
    }
    quiet = [(n.start_byte, n.end_byte) for k in ("package", "import") for n in captures.get(k, ())]
    covered = {place for start, end in quiet for place in range(start, end)}
    plain = {
        text(node, data)
        for node in captures.get("use", ())
        if node.start_byte not in skipped and node.start_byte not in covered
    }
    members = texts(captures.get("member", ()), data) - defined
    lower = {name for name in variables if not name[:1].isupper()}
    names = types | (plain - bound - defined - lower)
    return frozenset(names | {packages.EXTENSION + name for name in members})


class _Scopes:
    """Where each package and each type of a file begins and ends."""

    def __init__(self, captures: Captures, data: bytes) -> None:
        self._data = data
        self._packages: list[tuple[int, int, str]] = []
        self.package = ""
        clauses = captures.get("clause", ())
        for clause in sorted(clauses, key=lambda node: node.start_byte):
            named = clause.child_by_field_name("name")
            name = plain_name(text(named, data)) if named is not None else ""
            body = clause.child_by_field_name("body")
            outer = self._package_at(clause.start_byte)
            end = len(data) + 1 if body is None else clause.end_byte
            self._packages.append((clause.start_byte, end, packages.joined(outer, name)))
            if body is None:
                self.package = packages.joined(outer, name)
        self._types: list[tuple[int, int, str]] = []
        for node in sorted(captures.get("declaration", ()), key=lambda node: node.start_byte):
            named = node.child_by_field_name("name")
            if named is None:
                continue
            if node.type == "package_object":
                whole = packages.joined(self._package_at(node.start_byte), text(named, data))
                self._packages.append((node.start_byte, node.end_byte, whole))
                continue
            around = self.types_around(node)
            dotted = packages.joined(around, plain_name(text(named, data)))
            self._types.append((node.start_byte, node.end_byte, dotted))

    def _package_at(self, place: int) -> str:
        return max(
            ((start, name) for start, end, name in self._packages if start <= place < end),
            default=(0, ""),
        )[1]

    def types_around(self, node: Node) -> str:
        """Return the dotted name of the innermost type that encloses a node."""
        at = node.start_byte
        around = (name for start, end, name in reversed(self._types) if start < at < end)
        return next(around, "")

    def in_sight(self) -> list[str]:
        """Return the packages whose names the file sees, the innermost first."""
        return list(dict.fromkeys(name for _start, _end, name in reversed(self._packages)))

    def declared(self, captures: Captures) -> set[str]:
        """Return what the file declares, relative to its package."""
        found = {self._placed(name, start) for start, _end, name in self._types}
        found |= {
            self._placed(mark + plain_name(text(node, self._data)), node.start_byte)
            for capture, mark in (("top", ""), ("extension", packages.EXTENSION))
            for node in captures.get(capture, ())
        }
        return found

    def _placed(self, name: str, place: int) -> str:
        below = self._package_at(place).removeprefix(self.package).lstrip(".")
        return f"{below}/{name}" if below else name


def resolve(repository: Repository) -> Iterator[Edge]:
    """Yield the edges from the Scala files of a repository to its Java, Kotlin and Scala files."""
    files = dict(repository.of(packages.JVM))
    types = packages.Types(files)
    absolute = {
        path: packages.absolute(path, parsed, types) if parsed.language == LANGUAGE else parsed
        for path, parsed in files.items()
    }
    yield from packages.edges(absolute, LANGUAGE, types)


RULES = LanguageRules(
    languages=(LANGUAGE,),
    grammar=lambda _language, _path: ("tree_sitter_scala", "language"),
    query=_QUERY,
    extract=extract,
    resolve=resolve,
)
