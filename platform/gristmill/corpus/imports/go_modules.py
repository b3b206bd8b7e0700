"""Where Go finds an import path: `go.mod`, its local `replace`s, `go.work`, `vendor`.

A file sees the module it lies in, what that module's `go.mod` replaces by a folder, and, where a
`go.work` names its module, the workspace's other modules. A module of this repository that is merely
required is not seen: Go takes it from where it was published. The standard library's own tree is
seen by all. A module does not hold the folders of a module below it. A repository without `go.mod`
has the module path that most of its imports agree on, or lies in a GOPATH.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from posixpath import dirname, join, normpath

from gristmill.corpus.imports.nearness import nearest

_MODULE = re.compile(r"^\s*module\s*\(?\s*\"?([^\s\"]+)", re.MULTILINE)
_REPLACE = re.compile(r"^\s*(?:replace\s+)?(\S+)(?:\s+v\S+)?\s*=>\s*(\.{1,2}/?\S*)", re.MULTILINE)
_USE = re.compile(r"^\s*use\s+(?:\(([^)]*)\)|(\S+))", re.MULTILINE)
_COMMENT = re.compile(r"//[^\n]*")

Roots = dict[str, list[str]]
"""Folders by the import path that they stand for; "" is the standard library's."""


class GoModules:
    """Finds the folder of an import path in one repository."""

    def __init__(self, folders: Collection[str], configs: Mapping[str, str]) -> None:
        self._folders = frozenset(folders)
        """Folders that hold a package."""
        self._modules: dict[str, str] = {}
        self._own: dict[str, Roots] = {}
        """What a module sees besides itself, by the module's folder."""
        for path in sorted(configs):
            if path.rpartition("/")[2] == "go.mod":
                self._add(dirname(path), _COMMENT.sub("", configs[path]))
        for path in sorted(configs):
            if path.rpartition("/")[2] == "go.work":
                self._join(dirname(path), _COMMENT.sub("", configs[path]))
        self._everywhere: Roots = {}
        for folder, name in self._modules.items():
            if name == "std":
                self._everywhere.setdefault("", []).append(folder)
        self._all: Roots = {}
        for folder, name in self._modules.items():
            self._all.setdefault(name, []).append(folder)

    def _add(self, folder: str, text: str) -> None:
        match = _MODULE.search(text)
        if match is not None:
            self._modules[folder] = match[1]
            roots = self._own.setdefault(folder, {})
            roots.setdefault(match[1], []).append(folder)
            _replaced(roots, folder, text)

    def _join(self, base: str, text: str) -> None:
        """Let the modules of a workspace see each other."""
        places = [place for block in _USE.findall(text) for place in "".join(block).split()]
        used = [_place(base, place.strip('"`')) for place in places]
        members = [folder for folder in used if folder in self._modules]
        shared: Roots = {}
        _replaced(shared, base, text)
        for folder in members:
            for path, roots in self._own[folder].items():
                shared.setdefault(path, []).extend(roots)
        for folder in members:
            self._own[folder] = shared

    def guess(self, targets: Iterable[str]) -> None:
        """Settle the module path of a repository without `go.mod` by what its files import."""
        if self._modules:
            return
        votes: dict[str, set[str]] = {}
        for target in set(targets):
            parts = target.split("/")
            if "." not in parts[0]:
                continue
            for cut in range(2, len(parts) + 1):
                folder = "/".join(parts[cut:])
                if folder in self._folders:
                    votes.setdefault("/".join(parts[:cut]), set()).add(folder)
        best = max(sorted(votes), key=lambda prefix: len(votes[prefix] - {""}), default=None)
        if best is not None:
            self._all = {best: [""]}

    def folder(self, importer: str, target: str) -> str | None:
        """Return the folder of an import path; None if it is not in this repository."""
        home = dirname(importer)
        if target.startswith(("./", "../")):
            place = _place(home, target)
            return place if place in self._folders else None
        return self._vendored(home, target) or self._module(home, target)

    def _vendored(self, home: str, target: str) -> str | None:
        above = home
        while True:
            place = join(above, "vendor", target)
            if place in self._folders:
                return place
            if not above:
                return None
            above = dirname(above)

    def _module(self, home: str, target: str) -> str | None:
        own = self._own.get(self._above(home) or "", self._all) if self._modules else self._all
        prefix = target
        while True:
            rest = target[len(prefix) :].lstrip("/")
            places = own.get(prefix, ()) or self._everywhere.get(prefix, ())
            for root in nearest(places, home, str):
                place = "/".join(part for part in (root, rest) if part)
                if place in self._folders and self._holds(root, place):
                    return place
            if not prefix:
                break
            prefix = prefix.rpartition("/")[0]
        if self._modules or "." not in target.partition("/")[0]:
            return None
        ends = [
            folder for folder in sorted(self._folders) if f"/{folder}".endswith(f"/src/{target}")
        ]
        return nearest(ends, home, str)[0] if ends else None

    def _above(self, folder: str) -> str | None:
        """Return the folder of the module that a folder lies in."""
        while folder not in self._modules:
            if not folder:
                return None
            folder = dirname(folder)
        return folder

    def _holds(self, root: str, place: str) -> bool:
        above = self._above(place)
        return above is None or above == root or len(above) < len(root)


def _replaced(roots: Roots, base: str, text: str) -> None:
    for path, local in _REPLACE.findall(text):
        place = _place(base, local)
        if not place.startswith(".."):
            roots[path.strip('"`')] = [place]


def _place(base: str, path: str) -> str:
    place = normpath(join(base, path))
    return "" if place == "." else place
