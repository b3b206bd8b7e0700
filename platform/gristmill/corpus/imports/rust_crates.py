"""Cargo: the crates of a repository, from its `Cargo.toml` files and the places Cargo looks at.

A package has a library, and binaries, examples, tests, benches and a build script, each a crate with
its own root file. A crate knows the libraries of this repository that its package depends on by the
name it calls them by: a dependency with a path, one that the workspace gives a path, or one with the
name of a package that lies in this repository (patched or vendored); and its own package's library.
"""

import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from posixpath import basename, dirname, join, normpath
from typing import Any

from gristmill.corpus.imports.nearness import nearest

_KINDS = ("dependencies", "dev-dependencies", "build-dependencies")
_TARGETS = {"bin": "src/bin", "example": "examples", "test": "tests", "bench": "benches"}


@dataclass(frozen=True)
class Crate:
    """One crate: its root file, its edition, and the root files of the libraries that it knows."""

    root: str
    edition: str = "2021"
    known: Mapping[str, str] = field(default_factory=dict)
    """Root files by the name by which the crate calls a library."""
    folder: str = ""
    """The package's."""


@dataclass(frozen=True)
class _Package:
    folder: str
    manifest: Mapping[str, Any]
    library: str | None

    @property
    def name(self) -> str:
        return str(_table(self.manifest, "package").get("name", ""))

    @property
    def library_name(self) -> str:
        return str(_table(self.manifest, "lib").get("name", self.name)).replace("-", "_")


def crates(files: Collection[str], configs: Mapping[str, str]) -> list[Crate]:
    """Return the crates whose root files are here, libraries first, by path of the package."""
    manifests = {
        dirname(path): _read(configs[path])
        for path in sorted(configs)
        if basename(path) == "Cargo.toml"
    }
    packages = {
        folder: _Package(folder, manifest, _library(folder, manifest, files))
        for folder, manifest in manifests.items()
        if "package" in manifest
    }
    found: dict[str, Crate] = {}
    for package in packages.values():
        known = _known(package, packages, manifests)
        edition = _edition(package, manifests)
        roots = [] if package.library is None else [package.library]
        for root in [*roots, *_roots(package, files)]:
            names = dict(known)
            if package.library is not None and root != package.library:
                names.setdefault(package.library_name, package.library)
            found.setdefault(root, Crate(root, edition, names, package.folder))
    return list(found.values())


def _read(text: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _table(manifest: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = manifest.get(name)
    return value if isinstance(value, dict) else {}


def _library(folder: str, manifest: Mapping[str, Any], files: Collection[str]) -> str | None:
    given = _table(manifest, "lib").get("path")
    place = _place(folder, given if isinstance(given, str) else "src/lib.rs")
    return place if place in files else None


def _roots(package: _Package, files: Collection[str]) -> Iterator[str]:
    """Yield the root files of a package besides its library."""
    script = _table(package.manifest, "package").get("build", "build.rs")
    places = [script if isinstance(script, str) else "build.rs", "src/main.rs"]
    for kind in _TARGETS:
        targets = package.manifest.get(kind)
        for target in targets if isinstance(targets, list) else []:
            if isinstance(target, dict) and isinstance(target.get("path"), str):
                places.append(target["path"])
    for place in places:
        path = _place(package.folder, place)
        if path in files:
            yield path
    for inside in _TARGETS.values():
        top = f"{_place(package.folder, inside)}/"
        for path in sorted(path for path in files if path.startswith(top)):
            rest = path.removeprefix(top)
            if rest.count("/") == 0 or (rest.count("/") == 1 and rest.endswith("/main.rs")):
                yield path


def _edition(package: _Package, manifests: Mapping[str, Mapping[str, Any]]) -> str:
    edition = _table(package.manifest, "package").get("edition", "2015")
    if isinstance(edition, str):
        return edition
    shared = _table(_table(_workspace(package, manifests)[1], "workspace"), "package")
    return str(shared.get("edition", "2021"))


def _workspace(
    package: _Package, manifests: Mapping[str, Mapping[str, Any]]
) -> tuple[str, Mapping[str, Any]]:
    """Return the folder and manifest of the workspace that a package is in."""
    above = package.folder
    while "workspace" not in manifests.get(above, {}):
        if not above:
            return "", {}
        above = dirname(above)
    return above, manifests[above]


def _known(
    package: _Package,
    packages: Mapping[str, _Package],
    manifests: Mapping[str, Mapping[str, Any]],
) -> dict[str, str]:
    """Return the root files of the libraries that a package depends on, by their names in it."""
    base, workspace = _workspace(package, manifests)
    shared = _table(_table(workspace, "workspace"), "dependencies")
    tables = [package.manifest, *_table(package.manifest, "target").values()]
    known: dict[str, str] = {}
    for table in tables:
        for kind in _KINDS:
            for alias, spec in _table(table if isinstance(table, dict) else {}, kind).items():
                place, given = package.folder, spec if isinstance(spec, dict) else {}
                renamed = "package" in given
                if given.get("workspace") is True:
                    inherited = shared.get(alias)
                    place, given = base, inherited if isinstance(inherited, dict) else {}
                    renamed = "package" in given
                found = _dependency(alias, place, given, package.folder, packages)
                if found is not None and found.library is not None:
                    name = alias.replace("-", "_") if renamed else found.library_name
                    known[name] = found.library
    return known


def _dependency(
    alias: str,
    base: str,
    spec: Mapping[str, Any],
    home: str,
    packages: Mapping[str, _Package],
) -> _Package | None:
    if isinstance(spec.get("path"), str):
        there = packages.get(_place(base, spec["path"]))
        if there is not None:
            return there
    name = spec.get("package", alias)
    same = [package for package in packages.values() if package.name == name]
    return nearest(same, home, lambda package: package.folder)[0] if same else None


def _place(folder: str, path: str) -> str:
    place = normpath(join(folder, path))
    return "" if place == "." else place
