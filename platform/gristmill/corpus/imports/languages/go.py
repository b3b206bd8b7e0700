"""Go: imports of packages, package-level names; edges run from file to file.

An import names a package, which is a folder; what the file needs of it are the files that declare the
names it uses. So an import gives one edge to each non-test file of the folder that declares a used
name, and use of the own package's names likewise (`same_package`). A file that no build has together
with the importer (`x_windows.go` for `y_linux.go`) is left out. A blank import needs the files with
an `init`. Where no file declares a used name (it is generated at build time, or none is used) the
import is of the package's main file: the one with the package's name, else `doc.go`, else the first.
Files of tests are targets for tests of the same folder only: those of the package, and those of its
`_test` package, which see what the package's tests export to them.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from posixpath import basename, dirname

from gristmill.corpus.imports.go_builds import Builds, builds
from gristmill.corpus.imports.go_modules import GoModules
from gristmill.corpus.imports.go_names import used_names
from gristmill.corpus.imports.model import (
    Captures,
    Edge,
    Found,
    Import,
    LanguageRules,
    Parsed,
    Repository,
)
from gristmill.corpus.imports.scopes import bindings, text, texts

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
[(short_var_declaration) (var_spec) (const_spec) (parameter_list)] @late
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
(function_declaration name: (identifier) @name)
(composite_literal type: [(type_identifier) (qualified_type) (generic_type) (struct_type)]
  body: (literal_value (keyed_element key: (literal_element (identifier) @name))))
(literal_element (literal_value (keyed_element key: (literal_element (identifier) @name))))
"""
_SPEC = re.compile(r"""(?:([\w.]+)\s*)?["`]([^"`]+)["`]""")
_CONSTRAINT = re.compile(rb"^//go:build[ \t]+([^\r\n]+)", re.MULTILINE)
_BUILD = "build"
"""The form of what is no import but the file's `//go:build` expression."""


def extract(captures: Captures, data: bytes) -> Found:
    """Return the imports (the alias as the one name), package-level names, and free uses.

    The build constraint travels as an import of the form `build`.
    """
    imports = []
    for node in captures.get("import", ()):
        match = _SPEC.match(text(node, data))
        if match is not None:
            names = (match[1],) if match[1] else ()
            imports.append(Import(match[2], node.start_point[0] + 1, names))
    clause = next(iter(captures.get("package", ())), None)
    head = data[: clause.start_byte if clause else 0]
    constraint = _CONSTRAINT.search(head) if b"//go:build" in head else None
    if constraint is not None:
        line = data.count(b"\n", 0, constraint.start()) + 1
        imports.append(Import(constraint[1].decode("utf-8", "replace"), line, form=_BUILD))
    places, binders = bindings(captures, data)
    named = {node.start_byte for node in captures.get("name", ())}
    plain, members = used_names(captures["file"][0], data, places, binders, named)
    declared = texts(captures.get("top", ()), data) - {"_"}
    package = next((text(node, data) for node in captures.get("package", ())), "")
    return Found(tuple(imports), package, declared, frozenset(plain | members) - declared)


def resolve(repository: Repository) -> Iterator[Edge]:
    """Yield the edges between the Go files of a repository."""
    files = dict(repository.of([LANGUAGE]))
    packages = _Packages(files)
    modules = GoModules(packages.folders, repository.configs)
    modules.guess(found.target for parsed in files.values() for found in parsed.imports)
    for importer, parsed in files.items():
        plain = {name for name in parsed.used if "." not in name}
        folder = dirname(importer)
        for target in packages.declaring(importer, folder, parsed.package, plain):
            yield Edge(importer, target, "same_package", LANGUAGE, None)
        for found in parsed.imports:
            place = None if found.form else modules.folder(importer, found.target)
            if place is not None:
                for target in _imported(packages, importer, parsed, found, place):
                    yield Edge(importer, target, "import", LANGUAGE, found.line)


def _imported(
    packages: "_Packages", importer: str, parsed: Parsed, found: Import, folder: str
) -> list[str]:
    """Return the files that one import needs."""
    package = packages.name(folder)
    alias = found.names[0] if found.names else package
    if alias == ".":
        names = {name for name in parsed.used if "." not in name}
    elif alias == "_":
        names = {"init"}
    else:
        prefix = f"{alias}."
        names = {name.removeprefix(prefix) for name in parsed.used if name.startswith(prefix)}
    declaring = packages.declaring(importer, folder, package, names)
    return declaring or packages.main_file(importer, folder, package)


def _is_test(path: str) -> bool:
    return path.endswith("_test.go")


class _Packages:
    """The package-level names of each folder."""

    def __init__(self, files: Mapping[str, Parsed]) -> None:
        self._names: dict[str, Counter[str]] = {}
        self._files: dict[tuple[str, str], list[str]] = {}
        self._declaring: dict[tuple[str, str, str], list[str]] = {}
        self._builds: dict[str, Builds] = {}
        for path, parsed in files.items():
            folder = dirname(path)
            constraint = next((one.target for one in parsed.imports if one.form == _BUILD), "")
            self._builds[path] = builds(basename(path), constraint)
            if not _is_test(path):
                self._names.setdefault(folder, Counter())[parsed.package] += 1
                self._files.setdefault((folder, parsed.package), []).append(path)
            for name in parsed.declared:
                self._declaring.setdefault((folder, parsed.package, name), []).append(path)

    @property
    def folders(self) -> Collection[str]:
        """Return the folders that can be imported."""
        return self._names.keys()

    def name(self, folder: str) -> str:
        """Return the package that a folder's files mostly say they are.

        `main` and `documentation` (a file that no build has) count last.
        """
        names = self._names.get(folder, Counter())
        last = ("main", "documentation")
        return max(sorted(names), key=lambda name: (name not in last, names[name]), default="")

    def declaring(
        self, importer: str, folder: str, package: str, names: Iterable[str]
    ) -> list[str]:
        """Return the files of a package that declare any of the names, as the importer sees them."""
        found = {
            path for name in names for path in self._declaring.get((folder, package, name), ())
        }
        with_tests = _is_test(importer) and dirname(importer) == folder
        return sorted(
            path
            for path in found
            if (with_tests or not _is_test(path)) and self._together(importer, path)
        )

    def main_file(self, importer: str, folder: str, package: str) -> list[str]:
        """Return the one file that stands for a package, if the package has any."""
        files = [
            path
            for path in self._files.get((folder, package), ())
            if self._together(importer, path)
        ]
        wanted = [f"{package}.go", f"{basename(folder)}.go", "doc.go"]
        ranked = sorted(
            files,
            key=lambda path: (
                wanted.index(basename(path)) if basename(path) in wanted else len(wanted),
                path,
            ),
        )
        return ranked[:1]

    def _together(self, one: str, other: str) -> bool:
        return self._builds[one].together(self._builds[other])


RULES = LanguageRules(
    languages=(LANGUAGE,),
    grammar=lambda _language, _path: ("tree_sitter_go", "language"),
    query=_QUERY,
    extract=extract,
    resolve=resolve,
    unordered=frozenset({"bind", "late", "name", "scope"}),
    config_names=frozenset({"go.mod", "go.work"}),
)
