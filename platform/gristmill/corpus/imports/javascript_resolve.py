"""Which file a JavaScript or TypeScript specifier means, by Node's and TypeScript's rules.

Relative specifiers try the file, its extensions (TypeScript's first for a TypeScript importer), and
the folder's package and index. `./x.js` written in TypeScript means `./x.ts`. Bare specifiers try
`paths` and `baseUrl` of the nearest configuration, then packages of the repository by name; where a
package points at what its build would make (`dist/index.js`), the source it is built from is meant.
"""

import re
from collections.abc import Iterable, Iterator
from posixpath import dirname, join, normpath

from gristmill.corpus.imports.model import Repository
from gristmill.corpus.imports.node_packages import NodePackages
from gristmill.corpus.imports.tsconfig import TsConfigs

_TYPESCRIPT = (".ts", ".tsx", ".d.ts", ".mts", ".cts")
_JAVASCRIPT = (".js", ".jsx", ".mjs", ".cjs")
_OTHER = (".json", ".vue", ".svelte")
_SOURCES_OF = {
    ".js": (".ts", ".tsx", ".d.ts"),
    ".jsx": (".tsx", ".d.ts"),
    ".mjs": (".mts", ".d.mts"),
    ".cjs": (".cts", ".d.cts"),
}
_BUILT = re.compile(
    r"(?:dist|lib|build|out|output|esm?|cjs|umd|types)(?:/(?:esm?|cjs|umd|types|src|node|browser))*/"
)
_ENDING = re.compile(r"(?:\.d)?\.[cm]?[jt]sx?$")


class Specifiers:
    """Resolves the specifiers of one repository."""

    def __init__(self, repository: Repository) -> None:
        self._files = repository.parsed
        self._folders = repository.ancestors
        self._packages = NodePackages(repository.configs)
        self._configs = TsConfigs(repository.configs, self._config_in_package)

    def find(self, importer: str, specifier: str) -> str | None:
        """Return the file of the repository that a specifier means, if it is one."""
        folder = dirname(importer)
        typed = importer.endswith(_TYPESCRIPT)
        if specifier in {".", ".."} or specifier.startswith(("./", "../")):
            place = normpath(join(folder, specifier))
            only_folder = specifier.endswith("/") or specifier.rpartition("/")[2] in {".", ".."}
            return self._at("" if place == "." else place, typed, only_folder)
        if specifier.startswith("#"):
            return self._first(self._packages.internal(specifier, folder), typed)
        if ":" in specifier or specifier.startswith("/"):
            return None  # node:fs, https://, an absolute path
        for mapped in self._configs.above(folder):
            found = self._first(mapped.candidates(specifier), typed)
            if found is not None:
                return found
        named = self._packages.named(specifier, folder)
        return None if named is None else self._in_package(*named, typed)

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
            for path in (*_as_file(entry, typed), *_as_file(join(entry, "index"), typed)):
                if path in self._files:
                    return path
        index = join(place, "index")
        return next((path for path in _as_file(index, typed) if path in self._files), None)

    def _in_package(self, folder: str, subpath: str, typed: bool) -> str | None:
        for place in self._packages.targets(folder, subpath):
            found = self._at(place, typed) or self._first(_unbuilt(place, folder), typed)
            if found is not None:
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
    first, second = (_TYPESCRIPT, _JAVASCRIPT) if typed else (_JAVASCRIPT, _TYPESCRIPT)
    yield from (place + end for end in (*first, *second, *_OTHER))
    if not typed:
        yield from sources


def _unbuilt(place: str, folder: str) -> Iterator[str]:
    """Yield the sources that a built file of a package may come from."""
    inside = place.removeprefix(folder).lstrip("/")
    stem = _ENDING.sub("", inside)
    built = _BUILT.match(stem)
    rest = stem[built.end() :] if built is not None else stem
    yield from (join(folder, "src", rest), join(folder, rest))
