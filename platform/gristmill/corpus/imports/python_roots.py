"""Where absolute Python imports are looked up inside one repository, and in which order."""

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from posixpath import dirname, join, normpath
from typing import Any

from gristmill.corpus.imports.nearness import shared

_PACKAGE_DIR = re.compile(r"""package_dir\s*=\s*\{\s*["']{2}\s*:\s*["']([\w./-]+)["']""")
_CFG_PACKAGE_DIR = re.compile(r"^package_dir\s*=\s*\n?\s*=\s*([\w./-]+)", re.MULTILINE)
_CFG_WHERE = re.compile(r"^where\s*=\s*([\w./-]+)", re.MULTILINE)

# 3.12 dropped five modules of 3.11; with them back, edges do not depend on who runs this.
_STANDARD = sys.stdlib_module_names | {"asynchat", "asyncore", "distutils", "imp", "smtpd"}
_UNSHADOWED = frozenset({"builtins", "itertools", "sys", "time", "types"})
"""Loaded before any path is searched: a file of that name is never what an import means."""


class Roots:
    """The folders under which absolute names are looked up; the first that has the module wins."""

    def __init__(self, files: Iterable[str], configs: Mapping[str, str]) -> None:
        paths = sorted(files)
        self._folders = {dirname(path) for path in paths}
        self._packages = {
            dirname(path) for path in paths if path.endswith(("__init__.py", "__init__.pyi"))
        }
        run = {dirname(path) for path in paths if path.endswith("__init__.py")}
        # Parents of packages of stubs alone hold what a type checker bundles, not what runs.
        self._implied = _names_below({dirname(self._top(folder)) for folder in run}, paths)
        self._named = self._named_roots(configs)
        self._known: dict[tuple[str, str], list[str]] = {}

    def of(self, importer: str, name: str) -> list[str]:
        """Return the roots to try for the absolute name whose first part is `name`, best first."""
        folder = dirname(importer)
        if (folder, name) not in self._known:
            self._known[folder, name] = self._of(folder, name)
        return self._known[folder, name]

    def _of(self, folder: str, name: str) -> list[str]:
        own = dirname(self._top(folder)) if folder in self._packages else folder
        if name in _UNSHADOWED:
            return []
        if name in _STANDARD:
            return [own]
        named = sorted(self._named, key=lambda root: (-shared(root, folder), root))
        implied = sorted(
            self._implied.get(name, ()), key=lambda root: (-shared(root, folder), root)
        )
        above = [parent for parent in _upwards(folder) if parent not in self._packages]
        return list(dict.fromkeys([own, *named, *implied, *above]))

    def _top(self, folder: str) -> str:
        """Return the top-most package above a package folder."""
        while folder and dirname(folder) in self._packages and dirname(folder):
            folder = dirname(folder)
        return folder

    def _named_roots(self, configs: Mapping[str, str]) -> list[str]:
        """Return the repository, `src` folders outside packages, and what build files name."""
        roots = {""}
        for folder in self._folders:
            parts = folder.split("/")
            for depth, part in enumerate(parts):
                path = "/".join(parts[: depth + 1])
                if path in self._packages:
                    break
                if part == "src":
                    roots.add(path)
        for path, text in configs.items():
            base, name = dirname(path), path.rpartition("/")[2]
            if name in {"pyproject.toml", "setup.cfg", "setup.py"}:
                roots.add(base)
                roots |= {normpath(join(base, folder)) for folder in _named_folders(name, text)}
        return sorted({"" if root == "." else root for root in roots} - self._packages)


def _names_below(roots: set[str], paths: Iterable[str]) -> dict[str, set[str]]:
    """Return the roots that have a module or a folder of modules of a name, by name."""
    names: dict[str, set[str]] = {}
    seen: set[str] = set()
    for path in paths:
        inside = path.rpartition(".")[0]
        while inside and inside not in seen:
            seen.add(inside)
            parent = dirname(inside)
            if parent in roots:
                names.setdefault(inside.rpartition("/")[2], set()).add(parent)
            inside = parent
    return names


def _named_folders(name: str, text: str) -> set[str]:
    """Return the source folders that a build file names, relative to it; a broken file names none."""
    if name == "setup.py":
        return set(_PACKAGE_DIR.findall(text))
    if name == "setup.cfg":
        return {*_CFG_PACKAGE_DIR.findall(text), *_CFG_WHERE.findall(text)}
    try:
        tool = tomllib.loads(text).get("tool")
    except (tomllib.TOMLDecodeError, RecursionError):
        return set()
    folders: list[Any] = []
    setuptools = _table(tool, "setuptools")
    folders += [_table(setuptools, "package-dir").get("")]
    where = _table(_table(setuptools, "packages"), "find").get("where")
    folders += where if isinstance(where, list) else []
    packages = _table(tool, "poetry").get("packages")
    for package in packages if isinstance(packages, list) else []:
        folders.append(_table(package).get("from"))
    wheel = _table(_table(tool, "hatch"), "build")
    for place in (wheel, _table(_table(wheel, "targets"), "wheel")):
        listed = place.get("packages")
        folders += [dirname(str(item)) for item in listed] if isinstance(listed, list) else []
        sources = place.get("sources")
        folders += list(sources) if isinstance(sources, list | dict) else []
    return {folder for folder in folders if isinstance(folder, str) and ".." not in folder}


def _table(value: Any, key: str | None = None) -> dict[str, Any]:
    inner = value.get(key) if key is not None and isinstance(value, dict) else value
    return inner if isinstance(inner, dict) and (key is None or isinstance(value, dict)) else {}


def _upwards(folder: str) -> Iterator[str]:
    """Yield the folder and those above it, the repository's own excepted."""
    while folder:
        yield folder
        folder = dirname(folder)
