"""What `package.json` files say: workspaces and their members, `exports`, `imports`, entry files."""

import re
from collections.abc import Container, Iterator, Mapping
from functools import cached_property
from posixpath import dirname, join, normpath
from typing import Any

import yaml

from gristmill.corpus.imports.jsonc import inner, read_object
from gristmill.corpus.imports.nearness import nearest

_ENTRIES = ("module", "main", "types", "typings", "source", "svelte", "browser")
_CONDITIONS = frozenset({"import", "require", "node", "default", "types"})
"""Tried in the order in which a package wrote them, before all others."""
_MAX_DEPTH = 16
"""Of conditions in conditions."""
_MAX_YAML_CHARS = 100_000
_MAX_STARS = 6
"""In one glob of a workspace; more than any has, and few enough to match in no time."""
_MANIFESTS = {"package.json", "lerna.json", "pnpm-workspace.yaml"}


class NodePackages:
    """The packages of one repository by folder and by name."""

    def __init__(self, configs: Mapping[str, str]) -> None:
        self._configs = configs
        self._packages = {
            dirname(path): read_object(configs[path])
            for path in sorted(configs)
            if path.rpartition("/")[2] == "package.json"
        }
        self._named: dict[str, list[str]] = {}
        for folder, package in self._packages.items():
            if isinstance(package.get("name"), str) and not self.is_installed(folder):
                self._named.setdefault(package["name"], []).append(folder)

    def is_installed(self, folder: str) -> bool:
        """Return whether a package was put there by an installer."""
        return "node_modules" in folder.split("/")

    def owner(self, folder: str) -> str | None:
        """Return the folder of the package that a folder belongs to."""
        while folder not in self._packages:
            if not folder:
                return None
            folder = dirname(folder)
        return folder

    def named(self, specifier: str, folder: str) -> tuple[str, str] | None:
        """Return (package folder, subpath) of a bare specifier, if a package here has that name.

        Of several, the importer's own is meant, then a member of a workspace, then the nearest.
        """
        name, subpath = _split(specifier)
        places = self._named.get(name, [])
        owner = self.owner(folder)
        if owner in places:
            return owner, subpath
        places = [place for place in places if place in self._members] or places
        return (nearest(places, folder, str)[0], subpath) if places else None

    def installed(
        self, specifier: str, folder: str, folders: Container[str]
    ) -> Iterator[tuple[str, str]]:
        """Yield (package folder, subpath) of the `node_modules` above a folder that lie in the tree."""
        name, subpath = _split(specifier)
        while True:
            place = join(folder, "node_modules", name)
            if place in folders or place in self._packages:
                yield place, subpath
            file = join(folder, "node_modules")
            if file in folders and not subpath:
                yield file, name
            if not folder:
                return
            folder = dirname(folder)

    def targets(self, folder: str, subpath: str) -> Iterator[str]:
        """Yield the files that a package offers under a subpath, as it wrote them, best first."""
        package = self._packages.get(folder, {})
        exports = package.get("exports")
        if exports is not None:
            key = f"./{subpath}" if subpath else "."
            table = exports if _by_subpath(exports) else {".": exports}
            yield from (_place(folder, leaf) for leaf in _lookup(table, key))
        elif subpath:
            yield _place(folder, subpath)
        if not subpath:
            yield from self.entries(folder)
            yield join(folder, "index")

    def entries(self, folder: str) -> Iterator[str]:
        """Yield the entry files that a package names outside `exports`."""
        package = self._packages.get(folder, {})
        for field in _ENTRIES:
            if isinstance(package.get(field), str):
                yield _place(folder, package[field])

    def internal(self, specifier: str, folder: str) -> Iterator[tuple[str, bool]]:
        """Yield what `imports` of the nearest package say that a `#name` means: (a place here, True)
        or (another specifier, False)."""
        owner = self.owner(folder)
        if owner is not None:
            for leaf in _lookup(inner(self._packages[owner], "imports"), specifier):
                relative = leaf.startswith(".")
                yield (_place(owner, leaf) if relative else leaf), relative

    @cached_property
    def _members(self) -> frozenset[str]:
        """Return the folders of all packages that are members of a workspace (npm, yarn, pnpm, lerna)."""
        members: set[str] = set()
        for path in sorted(self._configs):
            root, name = dirname(path), path.rpartition("/")[2]
            globs = _globs(name, self._configs[path]) if name in _MANIFESTS else []
            wanted = [_pattern(root, glob) for glob in globs if not glob.startswith("!")]
            dropped = [_pattern(root, glob[1:]) for glob in globs if glob.startswith("!")]
            for folder in self._packages if wanted else ():
                in_any = [any(one.fullmatch(folder) for one in some) for some in (wanted, dropped)]
                if in_any == [True, False]:
                    members.add(folder)
        return frozenset(members)


def _globs(name: str, text: str) -> list[str]:
    """Return the folders that a manifest says are packages."""
    if name == "pnpm-workspace.yaml":
        try:
            value = yaml.safe_load(text) if len(text) <= _MAX_YAML_CHARS else None
        except (yaml.YAMLError, RecursionError, ValueError):
            return []
        listed = value.get("packages") if isinstance(value, dict) else None
    else:
        value = read_object(text)
        listed = value.get("packages" if name == "lerna.json" else "workspaces")
        listed = listed.get("packages") if isinstance(listed, dict) else listed
    globs = [glob for glob in listed if isinstance(glob, str)] if isinstance(listed, list) else []
    return [glob for glob in globs if glob.count("*") <= _MAX_STARS]


def _pattern(root: str, glob: str) -> re.Pattern[str]:
    """Return the glob below a folder: `*` is one part, or part of one, `**` any number of parts."""
    parts = [part for part in glob.split("/") if part not in {"", "."}]
    said = "".join(
        "(?:[^/]+/)*" if part == "**" else re.escape(part).replace(r"\*", "[^/]*") + "/"
        for part in parts
    )
    prefix = re.escape(root + "/") if root else ""
    ending = "[^/]+" if said.endswith(")*") else ""
    return re.compile(prefix + said.removesuffix("/") + ending)


def _split(specifier: str) -> tuple[str, str]:
    parts = specifier.split("/")
    size = 2 if specifier.startswith("@") else 1
    return "/".join(parts[:size]), "/".join(parts[size:])


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


def _leaves(value: Any, matched: str, depth: int = 0) -> Iterator[str]:
    """Yield the strings of a conditional target, the usual conditions first (any may hold)."""
    if isinstance(value, str):
        yield value.replace("*", matched)
    elif isinstance(value, list | dict) and depth < _MAX_DEPTH:
        usual_first = sorted(
            value, key=lambda key: isinstance(value, dict) and key not in _CONDITIONS
        )
        for item in usual_first:
            yield from _leaves(value[item] if isinstance(value, dict) else item, matched, depth + 1)


def _place(folder: str, path: str) -> str:
    place = normpath(join(folder, path))
    return "" if place == "." else place
