"""Which module each Swift file belongs to: the targets of `Package.swift`, or the folders' habit.

A target's folder is its `path`, else `Sources/<name>` (`Tests/<name>` for tests), or `Sources` itself
when the package has one target of the sort. Without a manifest, the folder below `Sources` or `Tests`
is the module, else the topmost folder, as an Xcode project has it (`App/`, `AppTests/`).
"""

import re
from collections.abc import Iterable, Mapping
from posixpath import basename, dirname, join, normpath

_TARGET = re.compile(
    r"\.(target|executableTarget|testTarget|macro|plugin|systemLibrary)\s*\(\s*name\s*:\s*\"([^\"]+)\""
)
_PATH = re.compile(r"\bpath\s*:\s*\"([^\"]+)\"")
_COMMENT = re.compile(r"(?<!:)//[^\n]*|/\*.*?\*/", re.DOTALL)
_SOURCES = ("Sources", "Source", "src", "srcs")
_TESTS = ("Tests", *_SOURCES)
_ODD = re.compile(r"\W")


def modules(files: Iterable[str], configs: Mapping[str, str]) -> dict[str, str]:
    """Return the module of each file; the name `` where a file is of none (a manifest)."""
    paths = sorted(files)
    folders: dict[str, str] = {}
    packages: set[str] = set()
    for path in sorted(configs):
        if basename(path) == "Package.swift":
            packages.add(dirname(path))
            folders.update(_targets(dirname(path), configs[path], paths))
    return {path: _module(path, folders, packages) for path in paths}


def _targets(base: str, manifest: str, paths: Iterable[str]) -> dict[str, str]:
    """Return the targets of one package by their folders."""
    text = _COMMENT.sub("", manifest)
    matches = list(_TARGET.finditer(text))
    found: dict[str, str] = {}
    for place, match in enumerate(matches):
        sort, name = match[1], match[2]
        end = matches[place + 1].start() if place + 1 < len(matches) else len(text)
        given = _PATH.search(text, match.end(), _closing(text, match.start(), end))
        if given is not None:
            places = [given[1]]
        else:
            tops = _TESTS if sort == "testTarget" else _SOURCES
            places = [f"{top}/{name}" for top in tops]
            alike = [one for one in matches if (one[1] == "testTarget") == (sort == "testTarget")]
            places += tops[:1] if len(alike) == 1 else ()
        for inside in places:
            folder = normpath(join(base, inside))
            folder = "" if folder == "." else folder
            if any(not folder or path.startswith(f"{folder}/") for path in paths):
                found.setdefault(folder, _ODD.sub("_", name))
                break
    return found


def _closing(text: str, start: int, limit: int) -> int:
    """Return where the bracket of a target is closed; what follows is not the target's."""
    depth = 0
    for place in range(text.find("(", start), limit):
        depth += (text[place] == "(") - (text[place] == ")")
        if depth == 0:
            return place
    return limit


def _module(path: str, folders: Mapping[str, str], packages: Iterable[str]) -> str:
    if basename(path) == "Package.swift":
        return ""
    above = dirname(path)
    while True:
        if above in folders:
            return folders[above]
        if not above:
            break
        above = dirname(above)
    parts = dirname(path).split("/")
    for place, part in enumerate(parts[:-1]):
        if part in ("Sources", "Tests"):
            return _ODD.sub("_", parts[place + 1])
    return _ODD.sub("_", parts[0]) or "main"


def is_test(path: str) -> bool:
    """Return whether a file is of tests, by its folders."""
    return any(part.endswith("Tests") for part in dirname(path).split("/"))
