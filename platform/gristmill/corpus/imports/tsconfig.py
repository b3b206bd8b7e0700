"""What `tsconfig.json` and `jsconfig.json` say about specifiers: `paths`, `baseUrl`, `extends`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from posixpath import dirname, join, normpath
from typing import Any

from gristmill.corpus.imports.jsonc import inner, read_object

_MAX_CHAIN = 16


@dataclass(frozen=True)
class Mapped:
    """The part of a compiler's options that resolution needs; folders are in the repository."""

    base: str | None = None
    """`baseUrl`: where bare specifiers are looked up too."""
    paths: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Pattern and substitutions, the latter already relative to the repository."""

    def candidates(self, specifier: str) -> Iterator[str]:
        """Yield the places that a bare specifier may mean: the most specific pattern's, then base."""
        best: tuple[int, str, tuple[str, ...]] | None = None
        for pattern, places in self.paths:
            matched = _match(pattern, specifier)
            if matched is not None:
                rank = len(pattern) * 2 if "*" not in pattern else pattern.index("*")
                if best is None or rank > best[0]:
                    best = rank, matched, places
        if best is not None:
            yield from (place.replace("*", best[1], 1) for place in best[2])
        if self.base is not None:
            yield _inside(self.base, specifier)


def _match(pattern: str, specifier: str) -> str | None:
    head, star, tail = pattern.partition("*")
    if not star:
        return "" if specifier == pattern else None
    fits = specifier.startswith(head) and specifier.endswith(tail)
    if not fits or len(specifier) < len(head) + len(tail):
        return None
    return specifier[len(head) : len(specifier) - len(tail)]


class TsConfigs:
    """The configurations of one repository."""

    def __init__(
        self, configs: Mapping[str, str], package: Callable[[str, str], str | None]
    ) -> None:
        self._configs = configs
        self._package = package
        """(specifier, asking folder) -> the path of a file in a package of this repository."""
        self._read: dict[str, Mapped] = {}

    def above(self, folder: str) -> Iterator[Mapped]:
        """Yield what holds for the files of a folder, the nearest configuration first."""
        while True:
            for name in ("tsconfig.json", "jsconfig.json"):
                path = join(folder, name)
                if path in self._configs:
                    yield self._mapped(path)
            if not folder:
                return
            folder = dirname(folder)

    def _mapped(self, path: str) -> Mapped:
        if path not in self._read:
            own = self._merged(path, _MAX_CHAIN)
            if own == Mapped():  # a solution file: its projects hold the options
                for reference in _references(read_object(self._configs[path])):
                    place = _inside(dirname(path), reference)
                    for candidate in (place, join(place, "tsconfig.json")):
                        if own == Mapped() and candidate in self._configs:
                            own = self._merged(candidate, _MAX_CHAIN)
            self._read[path] = own
        return self._read[path]

    def _merged(self, path: str, left: int) -> Mapped:
        """Return a configuration's options over those that it extends."""
        value = read_object(self._configs[path])
        folder = dirname(path)
        base: str | None = None
        paths: tuple[tuple[str, tuple[str, ...]], ...] = ()
        extends = value.get("extends")
        for parent in extends if isinstance(extends, list) else [extends]:
            place = self._extended(parent, folder) if isinstance(parent, str) else None
            if place is not None and left:
                inherited = self._merged(place, left - 1)
                base = inherited.base if inherited.base is not None else base
                paths = inherited.paths or paths
        options = inner(value, "compilerOptions")
        if isinstance(options.get("baseUrl"), str):
            base = _inside(folder, options["baseUrl"])
        if isinstance(options.get("paths"), dict):
            root = base if base is not None else folder
            paths = tuple(
                (pattern, tuple(_inside(root, str(place)) for place in places))
                for pattern, places in options["paths"].items()
                if isinstance(places, list)
            )
        return Mapped(base, paths)

    def _extended(self, parent: str, folder: str) -> str | None:
        if parent.startswith("."):
            place = _inside(folder, parent)
        else:
            found = self._package(parent, folder)
            place = found if found is not None else ""
        for candidate in (place, place + ".json", join(place, "tsconfig.json")):
            if candidate in self._configs:
                return candidate
        return None


def _references(value: dict[str, Any]) -> Iterator[str]:
    references = value.get("references")
    for reference in references if isinstance(references, list) else []:
        if isinstance(reference, dict) and isinstance(reference.get("path"), str):
            yield reference["path"]


def _inside(folder: str, path: str) -> str:
    """Return a path relative to the repository; what leaves it starts with `..`."""
    place = normpath(join(folder, path.replace("${configDir}", ".")))
    return "" if place == "." else place
