"""Python: `import a.b`, `from a import b`, relative imports; packages, namespace packages, roots.

Resolution follows `ruff analyze graph`: `from p import n` means the module `p.n` where there is one,
else `p` itself; `import a.b` means the module `a.b` and nothing above it; a stub beside a module is a
second target. An absolute name is looked up under the importer's own root (the parent of its top-most
package; for a file in no package its own folder, as a script sees its neighbours), then under the
repository, `src` folders and folders that a build file names, then under the parents of other
top-most packages, then under the folders above the importer (tests see what lies beside their
`conftest.py`). A name of the standard library is looked up under the own root only.

`from package import Name` is an edge to the package's `__init__`, which has its own edge to the file
that defines `Name`; no third edge is added for it, so that the graph is the one that runs.
"""

import re
from collections.abc import Iterator, Mapping
from posixpath import dirname

from tree_sitter import Node

from gristmill.corpus.imports.model import (
    Captures,
    Edge,
    Found,
    Import,
    Kind,
    LanguageRules,
    Parsed,
    Repository,
)
from gristmill.corpus.imports.python_roots import Roots

LANGUAGE = "Python"
_QUERY = "(import_statement) @import (import_from_statement) @from"
_COMMENT = re.compile(rb"#[^\n]*|\\\r?\n")
_FROM = re.compile(rb"from\s*([.\s]*)([^.\s(][^\s(]*(?:\s*\.\s*\w+)*)?\s*import\b(.*)", re.DOTALL)
_TYPE_CHECKING = re.compile(rb"\(*\s*(?:\w+\s*\.\s*)*TYPE_CHECKING\s*\)*")
_NOT_TYPE_CHECKING = re.compile(rb"\(*\s*not\s+\(*\s*(?:\w+\s*\.\s*)*TYPE_CHECKING\s*\)*")


def extract(captures: Captures, data: bytes) -> Found:
    """Return the imports of one tree; a `from` target keeps its leading dots."""
    imports: list[Import] = []
    for node in captures.get("import", []):
        text = _statement(node, data).removeprefix(b"import")
        line, kind = _line_and_kind(node, data)
        imports += [Import(name, line, kind=kind) for name in _names(text)]
    for node in captures.get("from", []):
        match = _FROM.match(_statement(node, data))
        if match is None:
            continue  # broken syntax
        dots = match[1].count(b".")
        module = b"".join((match[2] or b"").split()).decode("utf-8", "replace")
        line, kind = _line_and_kind(node, data)
        names = _names(match[3].strip().strip(b"()"))
        imports.append(Import("." * dots + module, line, names, kind, form="from"))
    imports.sort(key=lambda found: (found.line, found.target, found.names))
    return Found(tuple(imports))


def _statement(node: Node, data: bytes) -> bytes:
    found = node
    return _COMMENT.sub(b" ", data[found.start_byte : found.end_byte])


def _names(text: bytes) -> tuple[str, ...]:
    """Return the names of a comma-separated list, without their aliases."""
    words = (
        part.split(None, 1)[0] if b" as" in part else b"".join(part.split())
        for part in text.split(b",")
        if part.strip(b" \t\r\n()")
    )
    return tuple(word.strip(b"()").decode("utf-8", "replace") for word in words)


def _line_and_kind(node: Node, data: bytes) -> tuple[int, Kind]:
    row, column = node.start_point
    kind: Kind = "import"
    child, parent = node, node.parent if column else None
    while parent is not None:
        if parent.type == "function_definition":
            kind = "local"
        elif parent.type == "if_statement" and _only_for_types(parent, child, data):
            return row + 1, "type_only"
        child, parent = parent, parent.parent
    return row + 1, kind


def _only_for_types(statement: Node, branch: Node, data: bytes) -> bool:
    condition = statement.child_by_field_name("condition")
    if condition is None:
        return False
    text = data[condition.start_byte : condition.end_byte]
    if branch.type == "else_clause":
        return _NOT_TYPE_CHECKING.fullmatch(text) is not None
    return branch.type == "block" and _TYPE_CHECKING.fullmatch(text) is not None


def resolve(repository: Repository) -> Iterator[Edge]:
    """Yield the edges between the Python files of a repository."""
    files = dict(repository.of([LANGUAGE]))
    modules = _Modules(files, repository.configs)
    for importer, parsed in files.items():
        for found in parsed.imports:
            for imported in modules.targets(importer, found):
                yield Edge(importer, imported, found.kind, LANGUAGE, found.line)


class _Modules:
    """Looks modules up in the files of one repository."""

    def __init__(self, files: Mapping[str, Parsed], configs: Mapping[str, str]) -> None:
        self._files = files
        self._roots = Roots(files, configs)

    def targets(self, importer: str, found: Import) -> list[str]:
        """Return the files that one statement loads, as ruff sees them."""
        if not found.form:
            return self._absolute(importer, found.target.split("."))
        module = found.target.lstrip(".")
        parts = module.split(".") if module else []
        level = len(found.target) - len(module)
        targets: list[str] = []
        for name in found.names:
            if level:
                folder = importer
                for _ in range(level):
                    if folder == "":
                        return targets  # above the repository
                    folder = dirname(folder)
                base = [*folder.split("/"), *parts] if folder else parts
                targets += self._at([*base, name]) or self._at(base)
            else:
                member = self._absolute(importer, [*parts, name])
                targets += member or self._absolute(importer, parts)
        return targets

    def _absolute(self, importer: str, parts: list[str]) -> list[str]:
        for root in self._roots.of(importer, parts[0]):
            targets = self._at([*root.split("/"), *parts] if root else parts)
            if targets:
                return targets
        return []

    def _at(self, parts: list[str]) -> list[str]:
        """Return the files of the module at this path: the package or the module, and its stub."""
        base = "/".join(parts)
        package = base + "/__init__" if base else "__init__"
        for stem in (package, base):
            found = [stem + ending for ending in (".py", ".pyi") if stem + ending in self._files]
            if found:
                return found
        return []


RULES = LanguageRules(
    languages=(LANGUAGE,),
    grammar=lambda _language, _path: ("tree_sitter_python", "language"),
    query=_QUERY,
    extract=extract,
    resolve=resolve,
    config_names=frozenset({"pyproject.toml", "setup.cfg", "setup.py"}),
    near=re.compile(rb"import"),
)
