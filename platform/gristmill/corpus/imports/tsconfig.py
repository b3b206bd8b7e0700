"""What `tsconfig.json` and `jsconfig.json` say about specifiers: `paths`, `baseUrl`, `rootDirs`.

A configuration stands over those that it extends (a file, a package of the repository, a list of both);
a solution file without options of its own stands for the first of its projects that has some. Files
that a framework writes before anything is compiled are not in the tree: what they say is known.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from posixpath import dirname, join, normpath
from typing import Any

from gristmill.corpus.imports.jsonc import inner, read_object

_MAX_CHAIN = 16
_WRITTEN = {
    ".svelte-kit": {"$lib": ["src/lib"], "$lib/*": ["src/lib/*"]},
    ".nuxt": {"~/*": ["*"], "@/*": ["*"], "~~/*": ["*"], "@@/*": ["*"]},
}
"""`paths` of the configurations that SvelteKit and Nuxt write, relative to the folder they write in."""


@dataclass(frozen=True)
class Mapped:
    """The part of a compiler's options that resolution needs; folders are in the repository."""

    base: str | None = None
    """`baseUrl`: where bare specifiers are looked up too."""
    paths: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Pattern and substitutions, the latter already relative to the repository."""
    roots: tuple[str, ...] = ()
    """`rootDirs`: folders whose contents are laid over each other."""

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

    def overlaid(self, place: str) -> Iterator[str]:
        """Yield the places that a relative specifier may mean besides: the same below other roots."""
        for root in self.roots:
            if place.startswith(f"{root}/" if root else ""):
                rest = place.removeprefix(root).lstrip("/")
                yield from (join(other, rest) for other in self.roots if other != root)


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
        self._with_parents: dict[str, Mapped] = {}

    def above(self, folder: str) -> Iterator[Mapped]:
        """Yield what holds for the files of a folder, the nearest configuration first."""
        while True:
            for name in ("tsconfig.json", "jsconfig.json", "tsconfig.base.json"):
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
        if path in self._with_parents:
            return self._with_parents[path]
        self._with_parents[path] = Mapped()  # what one that extends itself inherits
        value = read_object(self._configs[path])
        folder = dirname(path)
        merged = Mapped()
        extends = value.get("extends")
        for parent in extends if isinstance(extends, list) else [extends]:
            if isinstance(parent, str) and left:
                merged = _over(self._inherited(parent, folder, left - 1), merged)
        own = _own(inner(value, "compilerOptions"), folder, merged.base)
        self._with_parents[path] = _over(own, merged)
        return self._with_parents[path]

    def _inherited(self, parent: str, folder: str, left: int) -> Mapped:
        place = self._extended(parent, folder)
        if place is not None:
            return self._merged(place, left)
        made_in, _slash, name = normpath(parent).rpartition("/")
        if parent.startswith(".") and name == "tsconfig.json" and made_in in _WRITTEN:
            return _own({"paths": _WRITTEN[made_in]}, folder, None)
        return Mapped()

    def _extended(self, parent: str, folder: str) -> str | None:
        if parent.startswith("."):
            place: str | None = _inside(folder, parent)
        else:
            place = self._package(parent, folder)
        if place is None:
            return None
        for candidate in (place, place + ".json", join(place, "tsconfig.json")):
            if candidate in self._configs:
                return candidate
        return None


def _own(options: dict[str, Any], folder: str, inherited_base: str | None) -> Mapped:
    """Return what a configuration says itself."""
    base = options.get("baseUrl")
    base = _inside(folder, base) if isinstance(base, str) else None
    root = base if base is not None else inherited_base
    root = folder if root is None else root
    paths, roots = options.get("paths"), options.get("rootDirs")
    return Mapped(
        base,
        tuple(
            (pattern, tuple(_inside(root, str(place)) for place in places))
            for pattern, places in (paths.items() if isinstance(paths, dict) else ())
            if isinstance(places, list)
        ),
        tuple(_inside(folder, str(root)) for root in roots) if isinstance(roots, list) else (),
    )


def _over(upper: Mapped, lower: Mapped) -> Mapped:
    return Mapped(
        lower.base if upper.base is None else upper.base,
        upper.paths or lower.paths,
        upper.roots or lower.roots,
    )


def _references(value: dict[str, Any]) -> Iterator[str]:
    references = value.get("references")
    for reference in references if isinstance(references, list) else []:
        if isinstance(reference, dict) and isinstance(reference.get("path"), str):
            yield reference["path"]


def _inside(folder: str, path: str) -> str:
    """Return a path relative to the repository; what leaves it starts with `..`."""
    place = normpath(join(folder, path.replace("${configDir}", ".")))
    return "" if place == "." else place
