"""Which file a JavaScript or TypeScript specifier means, by Node's and TypeScript's rules.

Relative specifiers try the file, its extensions (TypeScript's first for a TypeScript importer), and
the folder's package and index; in TypeScript `./x.js` means `./x.ts` where there is one. Where a
script lies beside its declarations (`x.js`, `x.d.ts`) the script is meant, as at run time. Other
specifiers try `paths` and `baseUrl` of the configurations above the importer, `imports` of its package
(`#name`), `node_modules` of the tree, then packages of the repository by name: itself, members of its
workspace, others. Where a package points at what its build would make (`dist/index.js`), the source
that it is built from is meant.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from posixpath import dirname, join, normpath

from gristmill.corpus.imports.model import Repository
from gristmill.corpus.imports.node_packages import NodePackages
from gristmill.corpus.imports.tsconfig import TsConfigs

_TYPED = (".ts", ".tsx", ".mts", ".cts", ".vue", ".svelte")
_DECLARATIONS = (".d.ts", ".d.mts", ".d.cts")
_SCRIPTS = (".js", ".cjs", ".mjs", ".jsx")
_OTHERS = (".d.ts", ".cts", ".d.cts", ".mts", ".d.mts", ".vue", ".svelte", ".json")
_EXTENSIONS = {
    True: (".ts", ".tsx", *_SCRIPTS, *_OTHERS),
    False: (*_SCRIPTS, ".ts", ".tsx", *_OTHERS),
}
"""Tried after a place without an extension, by whether the importer is TypeScript."""
_SOURCES_OF = {
    ".js": (".ts", ".tsx"),
    ".jsx": (".tsx", ".ts"),
    ".mjs": (".mts",),
    ".cjs": (".cts",),
}
_DECLARATIONS_OF = {".js": ".d.ts", ".jsx": ".d.ts", ".mjs": ".d.mts", ".cjs": ".d.cts"}
_BUILT = re.compile(
    r"(?:dist|lib|build|out|output|esm?|cjs|umd|types)(?:/(?:esm?|cjs|umd|types|src|node|browser))*/"
)
_ENDING = re.compile(r"(?:\.d)?\.[cm]?[jt]sx?$")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)  # node:fs, https://, virtual:name


class Specifiers:
    """Resolves the specifiers of one repository."""

    def __init__(self, repository: Repository) -> None:
        self._files = repository.parsed
        self._folders = repository.ancestors
        self._packages = NodePackages(repository.configs)
        self._configs = TsConfigs(repository.configs, self._config_in_package)

    def find(self, importer: str, specifier: str, form: str = "") -> str | None:
        """Return the file of the repository that a specifier means, if it is one."""
        folder = dirname(importer)
        typed = importer.endswith(_TYPED) and not importer.endswith(_DECLARATIONS)
        if specifier in {".", ".."} or specifier.startswith(("./", "../")):
            return self._relative(folder, specifier, typed)
        if _SCHEME.match(specifier):
            return None
        for mapped in self._configs.above(folder):
            found = self._first(mapped.candidates(specifier), typed)
            if found is not None:
                return found
        if specifier.startswith("#"):
            return self._internal(specifier, folder, typed)
        if specifier.startswith("/"):
            return None
        return self._bare(specifier, folder, typed) or (
            self._beside_above(specifier, folder) if form == "amd" else None
        )

    def _relative(self, folder: str, specifier: str, typed: bool) -> str | None:
        only_folder = specifier.endswith("/") or specifier.rpartition("/")[2] in {".", ".."}
        place = _normal(join(folder, specifier))
        found = self._at(place, typed, only_folder)
        if found is None:
            for mapped in self._configs.above(folder):
                for other in mapped.overlaid(place):
                    found = found or self._at(other, typed, only_folder)
        return found

    def _internal(self, specifier: str, folder: str, typed: bool) -> str | None:
        leaves = list(self._packages.internal(specifier, folder))
        inside = [leaf for leaf, relative in leaves if relative]
        found = self._first(inside, typed)
        for leaf, relative in leaves:
            if found is None and not relative and not leaf.startswith("#"):
                found = self._bare(leaf, folder, typed)
        owner = self._packages.owner(folder)
        if found is None and owner is not None:
            found = self._first(_all_unbuilt(inside, owner), typed)
        return found

    def _bare(self, specifier: str, folder: str, typed: bool) -> str | None:
        for place in self._packages.installed(specifier, folder, self._folders):
            found = self._in_package(*place, typed)
            if found is not None:
                return found
        named = self._packages.named(specifier, folder)
        return None if named is None else self._in_package(*named, typed)

    def _beside_above(self, name: str, folder: str) -> str | None:
        """Return what an AMD name means below the nearest folder that has it: the base is unknown."""
        while True:
            path = join(folder, name if name.endswith(".js") else name + ".js")
            if path in self._files:
                return path
            if not folder:
                return None
            folder = dirname(folder)

    def _first(self, places: Iterable[str], typed: bool) -> str | None:
        return next((path for place in places if (path := self._at(place, typed))), None)

    def _at(self, place: str, typed: bool, only_folder: bool = False) -> str | None:
        """Return the file at a place: itself, with an extension, or the folder's entry."""
        for path in () if only_folder else _as_file(place, typed):
            if path in self._files:
                return path
        if place not in self._folders:
            return None
        for entry in self._packages.entries(place):
            for path in chain(_as_file(entry, typed), _as_file(join(entry, "index"), typed)):
                if path in self._files:
                    return path
        index = join(place, "index")
        return next((path for path in _as_file(index, typed) if path in self._files), None)

    def _in_package(self, folder: str, subpath: str, typed: bool) -> str | None:
        targets = list(self._packages.targets(folder, subpath))
        found = self._first(targets, typed) or self._first(_all_unbuilt(targets, folder), typed)
        if found is not None or self._packages.is_installed(folder):
            return found
        usual = [join(folder, subpath), join(folder, "src", subpath)] if subpath else []
        usual += [] if subpath else [join(folder, "index"), join(folder, "src/index")]
        return self._first(usual, typed)

    def _config_in_package(self, specifier: str, folder: str) -> str | None:
        named = self._packages.named(specifier, folder)
        return None if named is None else join(*named)


def _as_file(place: str, typed: bool) -> Iterator[str]:
    """Yield the paths that a place may mean as a file, in the language's order."""
    if not place or place.endswith("/"):
        return
    ending = next((end for end in _SOURCES_OF if place.endswith(end)), "")
    sources = [place.removesuffix(ending) + end for end in _SOURCES_OF.get(ending, ())]
    if typed:
        yield from sources
    yield place
    yield from (place + end for end in _EXTENSIONS[typed])
    if not typed:
        yield from sources
    if ending:
        yield place.removesuffix(ending) + _DECLARATIONS_OF[ending]


def _all_unbuilt(places: Iterable[str], folder: str) -> Iterator[str]:
    """Yield the sources that the built files of a package may come from."""
    for place in places:
        inside = place.removeprefix(folder).lstrip("/")
        stem = _ENDING.sub("", inside)
        built = _BUILT.match(stem)
        rest = stem[built.end() :] if built is not None else stem
        yield from (join(folder, "src", rest), join(folder, rest))


def _normal(path: str) -> str:
    place = normpath(path)
    return "" if place == "." else place
