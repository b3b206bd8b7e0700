"""Java: explicit, wildcard and static imports, fully qualified names, same-package use.

A simple name means, in the language's order: a type of the file itself, a single-type import, a type
of the same package, a type of a package imported with `*`. Same-package and wildcard use give one
edge to each file that declares a used name; a test file is a target for tests only. Where several
source trees declare the same type (modules of one repository), the nearest ones are meant.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from posixpath import basename, dirname

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
from gristmill.corpus.imports.scopes import text, texts

LANGUAGE = "Java"
_TYPES = """[
  (class_declaration name: (identifier) @{0}) (interface_declaration name: (identifier) @{0})
  (enum_declaration name: (identifier) @{0}) (record_declaration name: (identifier) @{0})
  (annotation_type_declaration name: (identifier) @{0})
]"""
_QUERY = f"""
(package_declaration [(identifier) (scoped_identifier)] @package)
(import_declaration) @import
(program {_TYPES.format("top")})
{_TYPES.format("bound")}
(type_parameter (type_identifier) @bound)
(type_identifier) @type
(scoped_type_identifier (type_identifier) @member .)
(scoped_type_identifier) @qualified
(marker_annotation name: (identifier) @type)
(annotation name: (identifier) @type)
(marker_annotation name: (scoped_identifier) @qualified)
(annotation name: (scoped_identifier) @qualified)
(method_invocation object: (identifier) @object)
(field_access object: (identifier) @object)
(method_reference . (identifier) @object)
(field_access) @qualified
(variable_declarator name: (identifier) @variable)
(formal_parameter name: (identifier) @variable)
"""
_IMPORT = re.compile(r"import\s+(static\s+)?([\w$.\s]+?)\s*(\.\s*\*)?\s*;")
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_QUALIFIED = re.compile(r"[a-z_]\w*(?:\.\w+)*?\.[A-Z]\w*")
_TEST_FOLDER = re.compile(r"(^|/)(\w*[tT]ests?|it|testFixtures)(/|$)")
_TEST_NAME = re.compile(r"(^Test\w*|(Test|Tests|TestCase|IT))\.java$")
_TEST_LIBRARY = ("org.junit", "junit.", "org.testng")


def extract(captures: Captures, data: bytes) -> Found:
    """Return the imports, the top-level types and the type names that the file does not declare."""
    imports = []
    for node in captures.get("import", ()):
        match = _IMPORT.match(_COMMENT.sub(" ", text(node, data)))
        if match is not None:
            target = "".join(match[2].split())
            form = ("static " if match[1] else "") + ("*" if match[3] else "")
            imports.append(Import(target, node.start_point[0] + 1, form=form.strip()))
    lines: dict[str, int] = {}
    for node in captures.get("qualified", ()):
        match = _QUALIFIED.match("".join(text(node, data).split()))
        if match is not None:
            line = node.start_point[0] + 1
            lines[match[0]] = min(line, lines.get(match[0], line))
    imports += [Import(name, line, form="qualified") for name, line in sorted(lines.items())]
    members = {node.start_byte for node in captures.get("member", ())}
    types = {text(n, data) for n in captures.get("type", ()) if n.start_byte not in members}
    objects = texts(captures.get("object", ()), data) - texts(captures.get("variable", ()), data)
    types |= {name for name in objects if name[:1].isupper()}
    package = next((text(node, data) for node in captures.get("package", ())), "")
    return Found(
        imports=tuple(imports),
        package="".join(package.split()),
        declared=texts(captures.get("top", ()), data),
        used=frozenset(types) - texts(captures.get("bound", ()), data),
    )


def resolve(repository: Repository) -> Iterator[Edge]:
    """Yield the edges between the Java files of a repository."""
    files = dict(repository.of([LANGUAGE]))
    types = _Types(files)
    for importer, parsed in files.items():
        explicit: set[str] = set()
        for found in parsed.imports:
            if found.form in {"", "static"}:
                explicit.add(found.target.rpartition(".")[2])
        left = parsed.used - explicit
        for name in sorted(left):
            targets = types.of(importer, parsed.package, name)
            for target in targets:
                yield Edge(importer, target, "same_package", LANGUAGE, None)
            if targets:
                left -= {name}
        for found in parsed.imports:
            for target in types.imported(importer, found, left):
                yield Edge(importer, target, "import", LANGUAGE, found.line)


class _Types:
    """The types of a repository by package and name."""

    def __init__(self, files: Mapping[str, Parsed]) -> None:
        self._files = files
        self._tests = {path for path, parsed in files.items() if _is_test(path, parsed)}
        self._declaring: dict[tuple[str, str], list[str]] = {}
        for path, parsed in files.items():
            names = parsed.declared or {basename(path).removesuffix(".java")}
            for name in names:
                self._declaring.setdefault((parsed.package, name), []).append(path)

    def of(self, importer: str, package: str, name: str) -> list[str]:
        """Return the files that a type of a package comes from, as the importer sees them."""
        known = self._declaring.get((package, name), [])
        if importer not in self._tests:
            known = [path for path in known if path not in self._tests]
        if len(known) > 1:
            return nearest(known, self._tree(importer), self._tree)
        return known

    def imported(self, importer: str, found: Import, used: Iterable[str]) -> list[str]:
        """Return the files that one import statement or qualified name means."""
        if found.form == "*":
            inside = self._longest(importer, found.target)
            if inside:
                return inside  # the nested types of a class
            names = sorted(used)
            return [path for name in names for path in self.of(importer, found.target, name)]
        return self._longest(importer, found.target)

    def _longest(self, importer: str, target: str) -> list[str]:
        """Return the files of the type that a dotted name goes through, longest package first."""
        parts = target.split(".")
        for cut in range(len(parts) - 1, 0, -1):
            known = self.of(importer, ".".join(parts[:cut]), parts[cut])
            if known:
                return known
        return []

    def _tree(self, path: str) -> str:
        """Return the source folder of a file: its folder without the package's part."""
        folder = dirname(path)
        inner = self._files[path].package.replace(".", "/")
        return folder.removesuffix(inner).rstrip("/") if inner else folder


def _is_test(path: str, parsed: Parsed) -> bool:
    folder = dirname(path).removesuffix(parsed.package.replace(".", "/"))
    if "src/main" in folder:
        return False
    return _TEST_FOLDER.search(folder) is not None or (
        _TEST_NAME.search(basename(path)) is not None
        and any(found.target.startswith(_TEST_LIBRARY) for found in parsed.imports)
    )


RULES = LanguageRules(
    languages=(LANGUAGE,),
    grammar=lambda _language, _path: ("tree_sitter_java", "language"),
    query=_QUERY,
    extract=extract,
    resolve=resolve,
)
