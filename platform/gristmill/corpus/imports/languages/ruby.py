"""Ruby: `require` along the load paths, `require_relative`, `load`, `autoload`, constants loaded by name.

The load paths are `lib` of each gem (or what its gemspec calls `require_paths`), `lib` of any folder
above the importer, and for tests their own `test` or `spec` folder; the importer's own gem comes
first. `autoload`, and a `require` inside a method, run later than the file: they are weak (`local`).
Constants are followed where the program loads files by constant name (`zeitwerk.py`).
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from posixpath import dirname, join, normpath

from tree_sitter import Node

from gristmill.corpus.imports.model import (
    Captures,
    Edge,
    Found,
    Import,
    LanguageRules,
    Repository,
)
from gristmill.corpus.imports.nearness import shared
from gristmill.corpus.imports.scopes import text
from gristmill.corpus.imports.zeitwerk import Constants, underscore

LANGUAGE = "Ruby"
_QUERY = """
((call !receiver method: (identifier) @method arguments: (argument_list)) @call
 (#any-of? @method "require" "require_relative" "load" "autoload" "require_dependency"))
((call receiver: (constant) @kernel method: (identifier) @method arguments: (argument_list)) @call
 (#eq? @kernel "Kernel") (#any-of? @method "require" "require_relative" "load" "autoload"))
(class name: (_) @name) @module
(module name: (_) @name) @module
[(method) (singleton_method) (lambda)] @later
(assignment left: (constant) @assigned)
(scope_resolution) @scoped
(constant) @constant
((call receiver: (constant) @loader method: (identifier) @for_gem)
 (#eq? @for_gem "for_gem"))
((call receiver: (scope_resolution) @loader method: (identifier) @for_gem)
 (#eq? @for_gem "for_gem"))
"""
_LITERAL = re.compile(r"""^(?:"([^"#]*)"|'([^']*)')$""")
_SYMBOL = re.compile(r""":"?(\w+)"?|["'](\w+)["']""")
_EXPANDED = re.compile(
    r"""^(?:::)?File\.expand_path\(?\s*["']([^"'#]+)["']\s*,\s*(__FILE__|__dir__|File\.dirname\(__FILE__\))\s*\)?$"""
)
_JOINED = re.compile(
    r"""^(?:::)?File\.join\(?\s*(__dir__|File\.dirname\(__FILE__\))\s*((?:,\s*["'][^"'#]+["']\s*)+)\)?$"""
)
_ADDED = re.compile(
    r"""^(?:__dir__|File\.dirname\(__FILE__\))\s*\+\s*["']([^"'#]+)["']$|^"\#\{(?:__dir__|File\.dirname\(__FILE__\))\}([^"#]+)"$"""
)
_QUOTED = re.compile(r"""["']([^"']+)["']""")
_REQUIRE_PATHS = re.compile(r"require_paths\s*=\s*(\[[^\]]*\]|%w[\[({<][^\])}>]*)")
_WORD = re.compile(r"[\w./-]+")
_TEST_FOLDERS = ("test", "spec")
ZEITWERK = "zeitwerk"


def extract(captures: Captures, data: bytes) -> Found:
    """Return what the file loads, the constants it defines, and those it uses with their nesting."""
    modules = _Modules(captures, data)
    later = sorted((node.start_byte, node.end_byte) for node in captures.get("later", ()))
    imports = [
        found
        for node in captures.get("call", ())
        if (found := _loaded(node, data, modules, _is_later(node, later))) is not None
    ]
    if any("Zeitwerk" in text(node, data) for node in captures.get("loader", ())):
        imports.append(Import(ZEITWERK, 1, form=ZEITWERK))
    defined = {
        modules.inside(node.start_byte, text(node, data)) for node in captures.get("assigned", ())
    }
    return Found(
        imports=tuple(imports),
        declared=frozenset(modules.names | defined),
        used=frozenset(_used(captures, data, modules)),
    )


def _is_later(node: Node, later: list[tuple[int, int]]) -> bool:
    index = bisect_right(later, (node.start_byte, node.end_byte))
    return any(start < node.start_byte < end for start, end in later[max(0, index - 3) : index])


def _loaded(call: Node, data: bytes, modules: "_Modules", later: bool) -> Import | None:
    """Return what one call loads, or None where its text does not tell."""
    method = call.child_by_field_name("method")
    listed = call.child_by_field_name("arguments")
    if method is None or listed is None:
        return None
    arguments = [text(child, data).strip() for child in listed.named_children]
    form, line = text(method, data), call.start_point[0] + 1
    if form == "autoload" and arguments:
        symbol = _SYMBOL.match(arguments[0])
        path = _path(arguments[1]) if len(arguments) > 1 else None
        if path is None and symbol is not None and len(arguments) == 1:
            constant = modules.inside(call.start_byte, symbol[1] or symbol[2])
            path = ("", underscore(constant))
        return (
            None if path is None else Import(path[0] + path[1], line, kind="local", form="require")
        )
    path = _path(arguments[0]) if arguments else None
    if path is None:
        return None
    place = "@" if form == "require_relative" and not path[0] else path[0]
    form = "load" if form == "load" else "require"
    return Import(place + path[1], line, kind="local" if later else "import", form=form)


def _path(argument: str) -> tuple[str, str] | None:
    """Return (`@` where it is relative to the file's folder, path), or None."""
    literal = _LITERAL.match(argument)
    if literal is not None:
        return "", literal[1] or literal[2] or ""
    expanded = _EXPANDED.match(argument)
    if expanded is not None:
        return "@", _from_file(expanded[1], expanded[2])
    joined = _JOINED.match(argument)
    if joined is not None:
        return "@", "/".join(_QUOTED.findall(joined[2]))
    added = _ADDED.match(argument)
    return None if added is None else ("@", (added[1] or added[2]).lstrip("/"))


def _from_file(path: str, start: str) -> str:
    """Return a path relative to the folder: from `__FILE__`, the first `..` leaves the file itself."""
    return path.removeprefix("../") if start == "__FILE__" else path


def _used(captures: Captures, data: bytes, modules: "_Modules") -> Iterator[str]:
    """Yield `nesting|Name` for each constant that the file names."""
    nodes = [*captures.get("scoped", ()), *captures.get("constant", ())]
    skipped = modules.own | {node.start_byte for node in captures.get("assigned", ())}
    end = -1
    for node in sorted(nodes, key=lambda node: (node.start_byte, -node.end_byte)):
        if node.start_byte < end:
            continue
        end = node.end_byte
        if node.start_byte in skipped:
            continue
        name = "".join(text(node, data).split())
        if re.fullmatch(r"(?:::)?[A-Z]\w*(?:::[A-Z]\w*)*", name):
            yield f"{modules.around(node.start_byte)}|{name}"


class _Modules:
    """Where each class and module of a file begins and ends."""

    def __init__(self, captures: Captures, data: bytes) -> None:
        self._spans: list[tuple[int, int, str]] = []
        self.own: set[int] = set()
        for node in sorted(captures.get("module", ()), key=lambda node: node.start_byte):
            named = node.child_by_field_name("name")
            if named is not None:
                full = self.inside(node.start_byte, "".join(text(named, data).split()))
                self._spans.append((named.end_byte, node.end_byte, full))
                self.own.add(named.start_byte)
        self.names = {name for _start, _end, name in self._spans}

    def around(self, place: int) -> str:
        """Return the full name of the innermost module around a place."""
        return next((n for start, end, n in reversed(self._spans) if start <= place < end), "")

    def inside(self, place: int, name: str) -> str:
        """Return the full name of what is defined at a place."""
        if name.startswith("::"):
            return name[2:]
        around = self.around(place)
        return f"{around}::{name}" if around else name


def resolve(repository: Repository) -> Iterator[Edge]:
    """Yield the edges between the Ruby files of a repository."""
    files = dict(repository.of([LANGUAGE]))
    paths = _LoadPaths(files, repository.configs)
    gems = {
        dirname(path).removesuffix("lib").rstrip("/")
        for path, parsed in files.items()
        if any(found.form == ZEITWERK for found in parsed.imports)
    }
    constants = Constants({path: parsed.declared for path, parsed in files.items()}, gems)
    for importer, parsed in files.items():
        for found in parsed.imports:
            target = None if found.form == ZEITWERK else paths.find(importer, found)
            if target is not None:
                yield Edge(importer, target, found.kind, LANGUAGE, found.line)
        for use in sorted(parsed.used):
            nesting, _, name = use.partition("|")
            target = constants.find(importer, nesting, name)
            if target is not None:
                yield Edge(importer, target, "same_package", LANGUAGE, None)


class _LoadPaths:
    """Where `require` looks in one repository."""

    def __init__(self, files: Mapping[str, object], configs: Mapping[str, str]) -> None:
        self._files = files
        self._roots: dict[str, None] = {}
        for path, content in sorted(configs.items()):
            if path.endswith(".gemspec"):
                match = _REQUIRE_PATHS.search(content)
                listed = _WORD.findall(match[1].removeprefix("%w")) if match else ["lib"]
                for folder in listed or ["lib"]:
                    self._roots[normpath(join(dirname(path), folder))] = None

    def find(self, importer: str, found: Import) -> str | None:
        """Return the file that one call loads."""
        folder = dirname(importer)
        path = found.target
        if path.startswith("@"):
            return self._at(normpath(join(folder, path[1:])))
        if path.startswith(("./", "../")) or found.form == "load":
            above = [*_upwards(folder)]
            places = (self._at(normpath(join(start, path))) for start in above)
            return next((place for place in places if place is not None), None)
        ordered = sorted(self._roots, key=lambda root: (-shared(root, folder), root))
        own = [join(start, name) for start in _upwards(folder) for name in ("lib", *_TEST_FOLDERS)]
        tests = [own_ for own_ in own if own_.endswith(_TEST_FOLDERS)]
        inside = [root for root in tests if f"{folder}/".startswith(f"{root}/")]
        libs = [root for root in own if root.endswith("lib")]
        for root in dict.fromkeys([*inside, *libs, *ordered]):
            target = self._at(normpath(join(root, path)))
            if target is not None and target != importer:
                return target
        return None

    def _at(self, place: str) -> str | None:
        return next((path for path in (place + ".rb", place) if path in self._files), None)


def _upwards(folder: str) -> Iterator[str]:
    while folder:
        yield folder
        folder = dirname(folder)
    yield ""


RULES = LanguageRules(
    languages=(LANGUAGE,),
    grammar=lambda _language, _path: ("tree_sitter_ruby", "language"),
    query=_QUERY,
    extract=extract,
    resolve=resolve,
    config_names=frozenset({"*.gemspec"}),
)
