"""Swift: modules and `import`; edges run from file to file by the names that are used.

A file sees all that its own module declares, without a statement, and what the modules it imports
declare as `public`, `open` or `package` (everything, by `@testable`). So use of a name of the own
module gives one edge to each file that declares it (`same_package`), and an import one to each file of
the module that declares a used name, or the module's main file where no name says which. What a
module imports with `@_exported` is imported with it. Members are not followed: an extension in
another file is reached only through its type.
"""

import re
from collections.abc import Iterator, Mapping
from posixpath import basename

from tree_sitter import Node

from gristmill.corpus.imports.model import (
    Captures,
    Edge,
    Found,
    Import,
    LanguageRules,
    Parsed,
    Repository,
)
from gristmill.corpus.imports.scopes import text, texts
from gristmill.corpus.imports.swift_modules import is_test, modules

LANGUAGE = "Swift"
_QUERY = """
(import_declaration) @import
(source_file [
  (class_declaration name: (type_identifier) @top)
  (protocol_declaration name: (type_identifier) @top)
  (typealias_declaration name: (type_identifier) @top)
  (function_declaration name: (simple_identifier) @top)
  (property_declaration name: (pattern (simple_identifier) @top))])
(class_declaration name: (type_identifier) @bind)
(typealias_declaration name: (type_identifier) @bind)
(associatedtype_declaration name: (type_identifier) @bind)
(type_parameter (type_identifier) @bind)
(function_declaration name: (simple_identifier) @bind)
(parameter name: (simple_identifier) @bind)
(pattern (simple_identifier) @bind)
(enum_entry name: (simple_identifier) @bind)
(lambda_parameter name: (simple_identifier) @bind)
(user_type . (type_identifier) @use)
(class_declaration name: (user_type . (type_identifier) @use))
(call_expression . (simple_identifier) @use)
(navigation_expression target: (simple_identifier) @use)
(value_argument value: (simple_identifier) @use)
(attribute (user_type (type_identifier) @use))
(macro_invocation (simple_identifier) @use)
"""
_IMPORT = re.compile(
    r"import\s+(?:(?:typealias|struct|class|enum|protocol|let|var|func)\s+(\w+)(?:\.\w+)*\.(\w+)|(\w+))"
)
_HIDDEN = re.compile(r"\b(?:private|fileprivate)\b(?!\s*\(set\))")
_OPEN = re.compile(r"\b(?:public|open|package)\b(?!\s*\(set\))")


def extract(captures: Captures, data: bytes) -> Found:
    """Return imports, the names declared at the top (`public Name` too where so), free names.

    The form of an import holds `testable` and `exported`; its names, the one thing it takes.
    """
    imports = []
    for node in captures.get("import", ()):
        statement = text(node, data)
        match = _IMPORT.search(statement)
        if match is not None:
            module, names = (match[3], ()) if match[3] else (match[1], (match[2],))
            words = [word for word in ("testable", "exported") if word in statement]
            line = node.start_point[0] + 1 + statement[: match.start()].count("\n")
            imports.append(Import(module, line, names, form=" ".join(words)))
    declared: set[str] = set()
    hidden: set[str] = set()
    for node in captures.get("top", ()):
        name, modifiers = text(node, data), _modifiers(node, data)
        if _HIDDEN.search(modifiers):
            hidden.add(name)
            continue
        declared.add(name)
        if _OPEN.search(modifiers):
            declared.add(f"public {name}")
    bound = texts(captures.get("bind", ()), data)
    used = texts(captures.get("use", ()), data) - bound - declared - hidden
    return Found(tuple(imports), declared=frozenset(declared), used=used)


def _modifiers(name: Node, data: bytes) -> str:
    above = name.parent
    while above is not None and not above.type.endswith("_declaration"):
        above = above.parent
    if above is None or not above.named_children or above.named_children[0].type != "modifiers":
        return ""
    return text(above.named_children[0], data)


def resolve(repository: Repository) -> Iterator[Edge]:
    """Yield the edges between the Swift files of a repository."""
    files = dict(repository.of([LANGUAGE]))
    home = modules(files, repository.configs)
    index = _Index(files, home)
    for importer, parsed in files.items():
        own = home[importer]
        taken = set()
        for name in sorted(parsed.used):
            declaring = index.declaring(own, name)
            if declaring:
                taken.add(name)
            for target in declaring:
                if is_test(importer) or not is_test(target) or own == home[target]:
                    yield Edge(importer, target, "same_package", LANGUAGE, None)
        for found in parsed.imports:
            names = frozenset(found.names) or parsed.used - taken
            for target in index.imported(own, found, names):
                yield Edge(importer, target, "import", LANGUAGE, found.line)


class _Index:
    """Which files of each module declare a name, and what each module passes on."""

    def __init__(self, files: Mapping[str, Parsed], home: Mapping[str, str]) -> None:
        self._declaring: dict[tuple[str, str], list[str]] = {}
        self._files: dict[str, list[str]] = {}
        self._exported: dict[str, set[str]] = {}
        for path, parsed in files.items():
            module = home[path]
            self._files.setdefault(module, []).append(path)
            for name in parsed.declared:
                self._declaring.setdefault((module, name), []).append(path)
            self._exported.setdefault(module, set()).update(
                found.target for found in parsed.imports if "exported" in found.form
            )

    def declaring(self, module: str, name: str) -> list[str]:
        """Return the files of a module that declare a name."""
        return self._declaring.get((module, name), [])

    def imported(self, own: str, found: Import, names: frozenset[str]) -> list[str]:
        """Return the files that an import needs for these names."""
        if found.target not in self._files or found.target == own:
            return []
        reached, new = {found.target}, [found.target]
        while new:
            more = self._exported.get(new.pop(), set()) - reached
            reached |= more
            new += sorted(more)
        mark = "" if "testable" in found.form else "public "
        paths = {
            path
            for module in reached
            for name in names
            for path in self.declaring(module, f"{mark}{name}")
        }
        return sorted(paths) or self._main_file(found.target)

    def _main_file(self, module: str) -> list[str]:
        """Return the file that stands for a module: the one with its name, else the only one."""
        files = self._files[module]
        named = [path for path in files if basename(path) == f"{module}.swift"]
        return named[:1] or (files if len(files) == 1 else [])


RULES = LanguageRules(
    languages=(LANGUAGE,),
    grammar=lambda _language, _path: ("tree_sitter_swift", "language"),
    query=_QUERY,
    extract=extract,
    resolve=resolve,
    config_names=frozenset({"Package.swift"}),
)
