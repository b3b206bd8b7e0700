"""What `package.json` files say: names of workspace packages, `exports`, `imports`, entry files."""

from collections.abc import Iterator, Mapping
from posixpath import dirname, join, normpath
from typing import Any

from gristmill.corpus.imports.jsonc import inner, read_object
from gristmill.corpus.imports.nearness import nearest

_ENTRIES = ("source", "module", "main", "types", "typings", "browser")


class NodePackages:
    """The packages of one repository by folder and by name."""

    def __init__(self, configs: Mapping[str, str]) -> None:
        self._packages = {
            dirname(path): read_object(configs[path])
            for path in sorted(configs)
            if path.rpartition("/")[2] == "package.json"
        }
        self._named: dict[str, list[str]] = {}
        for folder, package in self._packages.items():
            if isinstance(package.get("name"), str):
                self._named.setdefault(package["name"], []).append(folder)

    def named(self, specifier: str, folder: str) -> tuple[str, str] | None:
        """Return (package folder, subpath) of a bare specifier, if a package here has that name."""
        parts = specifier.split("/")
        size = 2 if specifier.startswith("@") else 1
        places = self._named.get("/".join(parts[:size]))
        if not places:
            return None
        return nearest(places, folder, str)[0], "/".join(parts[size:])

    def targets(self, folder: str, subpath: str) -> Iterator[str]:
        """Yield the files that a package offers under a subpath, as it wrote them, best first."""
        package = self._packages.get(folder, {})
        exports = package.get("exports")
        if exports is not None:
            key = f"./{subpath}" if subpath else "."
            table = exports if _by_subpath(exports) else {".": exports}
            yield from (_place(folder, leaf) for leaf in _lookup(table, key))
        elif not subpath:
            yield from self.entries(folder)
        if exports is None and subpath:
            yield _place(folder, subpath)

    def entries(self, folder: str) -> Iterator[str]:
        """Yield the entry files that a package names outside `exports`."""
        package = self._packages.get(folder, {})
        for field in _ENTRIES:
            if isinstance(package.get(field), str):
                yield _place(folder, package[field])

    def internal(self, specifier: str, folder: str) -> Iterator[str]:
        """Yield what a `#name` means for a file in a folder: `imports` of the nearest package."""
        while folder not in self._packages:
            if not folder:
                return
            folder = dirname(folder)
        for leaf in _lookup(inner(self._packages[folder], "imports"), specifier):
            yield _place(folder, leaf) if leaf.startswith(".") else leaf


def _by_subpath(exports: Any) -> bool:
    return isinstance(exports, dict) and any(str(key).startswith(".") for key in exports)


def _lookup(table: Mapping[str, Any], key: str) -> Iterator[str]:
    """Yield the leaves under a key, by exact match or the pattern with the longest head."""
    if key in table:
        yield from _leaves(table[key], "")
        return
    best = ""
    for pattern in table:
        head, star, tail = pattern.partition("*")
        fits = star and key.startswith(head) and key.endswith(tail) and len(key) >= len(pattern)
        if fits and len(head) > len(best.partition("*")[0]):
            best = pattern
    if best:
        head, _star, tail = best.partition("*")
        yield from _leaves(table[best], key[len(head) : len(key) - len(tail)])


def _leaves(value: Any, matched: str) -> Iterator[str]:
    """Yield the strings of a conditional target in their order (any condition may hold)."""
    if isinstance(value, str):
        yield value.replace("*", matched)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, matched)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item, matched)


def _place(folder: str, path: str) -> str:
    place = normpath(join(folder, path))
    return "" if place == "." else place
