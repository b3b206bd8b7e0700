"""Go: modules (`go.mod`, `replace`, `vendor`) and packages; edges run from file to file.

An import names a package, which is a folder; what the file needs of it are the files that declare the
names it uses. So an import gives one edge to each non-test file of the folder that declares a used
name, and use of the own package's names likewise (`same_package`). A blank import needs the files
with an `init`. Files of tests are targets for tests of the same package only. A repository without
`go.mod` has the module path that most of its imports agree on.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from posixpath import dirname, join, normpath

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
from gristmill.corpus.imports.nearness import nearest
from gristmill.corpus.imports.scopes import free_uses, text, texts

LANGUAGE = "Go"
_QUERY = """
(package_clause (package_identifier) @package)
(import_spec) @import
(source_file (function_declaration name: (identifier) @top))
(source_file (type_declaration [(type_spec name: (type_identifier) @top)
                                (type_alias name: (type_identifier) @top)]))
(source_file (var_declaration [(var_spec name: (identifier) @top)
                               (var_spec_list (var_spec name: (identifier) @top))]))
(source_file (const_declaration (const_spec name: (identifier) @top)))
[(function_declaration) (method_declaration) (func_literal) (function_type) (method_elem) (block)
 (if_statement) (for_statement) (expression_switch_statement) (type_switch_statement)
 (expression_case) (default_case) (type_case) (communication_case)] @scope
(type_spec type_parameters: (_)) @scope
[(short_var_declaration) (var_spec) (const_spec)] @late
(parameter_declaration name: (identifier) @bind)
(variadic_parameter_declaration name: (identifier) @bind)
(type_parameter_declaration name: (identifier) @bind)
(short_var_declaration left: (expression_list (identifier) @bind))
(range_clause left: (expression_list (identifier) @bind) ":=")
(receive_statement left: (expression_list (identifier) @bind) ":=")
(type_switch_statement alias: (expression_list (identifier) @bind))
(var_spec name: (identifier) @bind)
(const_spec name: (identifier) @bind)
(block (statement_list (type_declaration (_ name: (type_identifier) @bind))))
[(identifier) (type_identifier)] @use
(function_declaration name: (identifier) @name)
(qualified_type package: (package_identifier) @use @operand name: (type_identifier) @member)
(selector_expression operand: (identifier) @operand field: (field_identifier) @member)
(composite_literal type: [(type_identifier) (qualified_type) (generic_type) (struct_type)]
  body: (literal_value (keyed_element key: (literal_element (identifier) @name))))
(literal_element (literal_value (keyed_element key: (literal_element (identifier) @name))))
"""
_SPEC = re.compile(r"""(?:([\w.]+)\s*)?["`]([^"`]+)["`]""")
_MODULE = re.compile(r"^\s*module\s+\"?([^\s\"]+)", re.MULTILINE)
_REPLACE = re.compile(r"^\s*(?:replace\s+)?(\S+)(?:\s+v\S+)?\s*=>\s*(\.{1,2}/\S*)", re.MULTILINE)


def extract(captures: Captures, data: bytes) -> Found:
    """Return the imports (the alias as the one name), package-level names, and free uses."""
    imports = []
    for node in captures.get("import", ()):
        match = _SPEC.match(text(node, data))
        if match is not None:
            names = (match[1],) if match[1] else ()
            imports.append(Import(match[2], node.start_point[0] + 1, names))
    free = free_uses(captures, data)
    pairs = zip(_sorted(captures, "operand"), _sorted(captures, "member"), strict=True)
    members: set[str] = set()
    skipped = {node.start_byte for node in captures.get("name", ())}
    for operand, member in pairs:
        skipped.add(member.start_byte)
        if operand.start_byte in free:
            members.add(f"{free[operand.start_byte]}.{text(member, data)}")
    declared = texts(captures.get("top", ()), data) - {"_"}
    plain = {name for start, name in free.items() if start not in skipped}
    package = next((text(node, data) for node in captures.get("package", ())), "")
    return Found(tuple(imports), package, declared, frozenset(plain | members) - declared)


def _sorted(captures: Captures, name: str) -> list[Node]:
    return sorted(captures.get(name, ()), key=lambda node: node.start_byte)


def resolve(repository: Repository) -> Iterator[Edge]:
    """Yield the edges between the Go files of a repository."""
    files = dict(repository.of([LANGUAGE]))
    packages = _Packages(files)
    modules = _Modules(files, repository.configs)
    for importer, parsed in files.items():
        plain = {name for name in parsed.used if "." not in name}
        own = packages.declaring(dirname(importer), parsed.package, plain, tests=_is_test(importer))
        for target in own:
            yield Edge(importer, target, "same_package", LANGUAGE, None)
        for found in parsed.imports:
            folder = modules.folder(importer, found.target)
            if folder is None:
                continue
            package = packages.name(folder)
            alias = found.names[0] if found.names else package
            if alias == ".":
                names = plain
            elif alias == "_":
                names = {"init"}
            else:
                prefix = f"{alias}."
                names = {n.removeprefix(prefix) for n in parsed.used if n.startswith(prefix)}
            for target in packages.declaring(folder, package, names, tests=False):
                yield Edge(importer, target, "import", LANGUAGE, found.line)


def _is_test(path: str) -> bool:
    return path.endswith("_test.go")


class _Packages:
    """The package-level names of each folder."""

    def __init__(self, files: Mapping[str, Parsed]) -> None:
        self._names: dict[str, Counter[str]] = {}
        self._declaring: dict[tuple[str, str, str], list[str]] = {}
        for path, parsed in files.items():
            folder = dirname(path)
            if not _is_test(path):
                self._names.setdefault(folder, Counter())[parsed.package] += 1
            for name in parsed.declared:
                self._declaring.setdefault((folder, parsed.package, name), []).append(path)

    def name(self, folder: str) -> str:
        """Return the package that a folder's files mostly say they are; `main` counts last."""
        names = self._names.get(folder, Counter())
        return max(sorted(names), key=lambda name: (name != "main", names[name]), default="")

    def declaring(self, folder: str, package: str, names: Iterable[str], tests: bool) -> list[str]:
        """Return the files of a package that declare any of the names, by path."""
        found = {
            path for name in names for path in self._declaring.get((folder, package, name), ())
        }
        return sorted(path for path in found if tests or not _is_test(path))


class _Modules:
    """Finds the folder of an import path."""

    def __init__(self, files: Mapping[str, Parsed], configs: Mapping[str, str]) -> None:
        self._folders = {dirname(path) for path in files if not _is_test(path)}
        self._roots: dict[str, list[str]] = {}
        for path in sorted(configs):
            if path.rpartition("/")[2] != "go.mod":
                continue
            base, text_ = dirname(path), configs[path]
            match = _MODULE.search(text_)
            if match is not None:
                self._roots.setdefault("" if match[1] == "std" else match[1], []).append(base)
            for replaced, local in _REPLACE.findall(text_):
                place = normpath(join(base, local))
                if not place.startswith(".."):
                    self._roots.setdefault(replaced, []).append("" if place == "." else place)
        if not self._roots:
            guessed = self._guessed(files)
            self._roots.update({} if guessed is None else {guessed: [""]})

    def folder(self, importer: str, target: str) -> str | None:
        """Return the folder of an import path; None if it is not in this repository."""
        if target.startswith(("./", "../")):
            place = normpath(join(dirname(importer), target))
            return place if place in self._folders else None
        above = dirname(importer)
        while True:
            for vendored in (join(above, "vendor", target),):
                if vendored in self._folders:
                    return vendored
            if not above:
                break
            above = dirname(above)
        prefix = target
        while True:
            rest = target[len(prefix) :].lstrip("/")
            for root in nearest(self._roots.get(prefix, ()), dirname(importer), str):
                place = join(root, rest) if root and rest else root or rest
                if place in self._folders:
                    return place
            if not prefix:
                return None
            prefix = prefix.rpartition("/")[0]

    def _guessed(self, files: Mapping[str, Parsed]) -> str | None:
        """Return the module path under which most imports name a folder of this repository."""
        votes: dict[str, set[str]] = {}
        targets = {found.target for parsed in files.values() for found in parsed.imports}
        for target in targets:
            parts = target.split("/")
            if "." not in parts[0]:
                continue
            for cut in range(2, len(parts)):
                folder = "/".join(parts[cut:])
                if folder in self._folders:
                    votes.setdefault("/".join(parts[:cut]), set()).add(folder)
        return max(sorted(votes), key=lambda prefix: len(votes[prefix]), default=None)


RULES = LanguageRules(
    languages=(LANGUAGE,),
    grammar=lambda _language, _path: ("tree_sitter_go", "language"),
    query=_QUERY,
    extract=extract,
    resolve=resolve,
    config_names=frozenset({"go.mod", "go.work"}),
)
