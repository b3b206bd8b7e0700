"""Lua: `require`, `dofile`, `loadfile`.

`require "a.b"` is the file of a template of `package.path`, `?.lua` or `?/init.lua`, under some root.
Roots are named by a rockspec (`build.modules` says the file outright), by strings like
`./lib/?.lua` in the repository's own files, by folders called `lua`, `src` or `lib`, and else found
from the tree: a folder above the importer under which the module lies, or the nearest one. What a
function requires when it is called is `local`. A name that is put together at run time is no edge.
"""

import re
from collections.abc import Iterator, Mapping
from posixpath import basename, dirname, join, normpath

from tree_sitter import Node

from gristmill.corpus.imports.endings import Endings
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
from gristmill.corpus.imports.scopes import text

LANGUAGE = "Lua"
_QUERY = """
(function_call name: [(identifier) (dot_index_expression)] arguments: (arguments) @arguments)
(string content: (string_content) @string)
"""
_LOADERS = {"require": "require", "dofile": "file", "loadfile": "file"}
_PROTECTED = ("pcall", "xpcall")
_TEMPLATE = re.compile(r"[^;\s]*\?(?:/init)?\.lua")
_ROCK = re.compile(r"""\[\s*["']([\w.\-]+)["']\s*\]\s*=\s*["']([^"']+\.lua)["']""")
_FOLDERS = ("lua", "src", "lib")


def extract(captures: Captures, data: bytes) -> Found:
    """Return what is loaded by a literal name; the form is `require`, `file` or `template`."""
    imports = []
    for arguments in captures.get("arguments", ()):
        call = arguments.parent
        function = call.child_by_field_name("name") if call is not None else None
        if function is None:
            continue
        name, given = text(function, data), arguments.named_children
        if name in _PROTECTED and given and text(given[0], data) in _LOADERS:
            name, given = text(given[0], data), given[1 if name == "pcall" else 2 :]
        if name not in _LOADERS or not given or given[0].type != "string":
            continue
        content = given[0].child_by_field_name("content")
        if content is not None:
            kind: Kind = "import" if name == "require" else "include"
            if _in_function(function):
                kind = "local"
            line = function.start_point[0] + 1
            imports.append(Import(text(content, data), line, kind=kind, form=_LOADERS[name]))
    if b"?" in data and b"package" in data:
        for node in captures.get("string", ()):
            for template in _TEMPLATE.findall(text(node, data)):
                imports.append(Import(template, node.start_point[0] + 1, form="template"))
    return Found(tuple(imports))


def _in_function(node: Node) -> bool:
    above = node.parent
    while above is not None:
        if above.type in ("function_declaration", "function_definition"):
            return True
        above = above.parent
    return False


def resolve(repository: Repository) -> Iterator[Edge]:
    """Yield the edges between the Lua files of a repository."""
    files = dict(repository.of([LANGUAGE]))
    endings = Endings(files)
    rocks = _rocks(repository, files)
    favoured = {path for path in repository.ancestors if basename(path) in _FOLDERS} | _templates(
        files
    )
    for importer, parsed in files.items():
        folder = dirname(importer)
        for found in parsed.imports:
            target = None
            if found.form == "require":
                target = rocks.get(found.target) or _module(endings, found.target, folder, favoured)
            elif found.form == "file":
                target = _file(endings, found.target, folder)
            if target is not None:
                yield Edge(importer, target, found.kind, LANGUAGE, found.line)


def _module(endings: Endings, name: str, folder: str, favoured: set[str]) -> str | None:
    stem = name.replace(".", "/") if "/" not in name else name.removeprefix("./")
    roots = favoured if not favoured.isdisjoint(_above(folder)) else frozenset(favoured)
    for ending in (f"{stem}.lua", f"{stem}/init.lua"):
        found = endings.best(ending, folder, roots)
        if found is not None:
            return found
    return None


def _above(folder: str) -> Iterator[str]:
    while folder:
        yield folder
        folder = dirname(folder)


def _file(endings: Endings, path: str, folder: str) -> str | None:
    beside = normpath(join(folder, path))
    if "" in endings.roots(beside):
        return beside
    place = normpath(path)
    return None if place.startswith(("..", "/")) else endings.best(place, folder)


def _rocks(repository: Repository, files: Mapping[str, Parsed]) -> dict[str, str]:
    """Return the files that rockspecs give to module names."""
    found: dict[str, str] = {}
    for path in sorted(repository.configs):
        if path.endswith(".rockspec"):
            for name, file in _ROCK.findall(repository.configs[path]):
                for base in (dirname(path), ""):
                    place = normpath(join(base, file))
                    if place in files:
                        found.setdefault(name, place)
    return found


def _templates(files: Mapping[str, Parsed]) -> set[str]:
    """Return the roots that templates in the files name, from their folder or the repository's."""
    roots: set[str] = set()
    for path, parsed in files.items():
        for found in parsed.imports:
            if found.form == "template":
                root = found.target.partition("?")[0].rstrip("/") or "."
                for base in (dirname(path), ""):
                    place = normpath(join(base, root))
                    roots.add("" if place == "." else place)
    return roots


RULES = LanguageRules(
    languages=(LANGUAGE,),
    grammar=lambda _language, _path: ("tree_sitter_lua", "language"),
    query=_QUERY,
    extract=extract,
    resolve=resolve,
    config_names=frozenset({"*.rockspec"}),
)
