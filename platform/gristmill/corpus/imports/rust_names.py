"""What a Rust path names: through modules, `use` aliases, re-exports, globs and other crates.

The answer to a path is the modules and files that declare what it ends in; a name can mean several
things at once (a module and a function, or what `cfg` chooses between). What follows the name of a
type is the type's (`Kind::Variant`). Where a module is reached but not the name in it (a macro makes
it) the module's own file is the answer.
"""

from collections.abc import Iterable

from gristmill.corpus.imports.rust_modules import Module, ModuleTree

Meaning = Module | str
"""A module, or the file that declares a thing."""


class RustNames:
    """Looks names up in the module trees of a repository."""

    def __init__(self, tree: ModuleTree) -> None:
        self._tree = tree
        self._known: dict[tuple[Module, str], list[Meaning]] = {}

    def files(self, module: Module, path: str, used: bool = False) -> list[str]:
        """Return the files that declare what a path in a module means.

        `used`: the path stands in a `use`, where the edition of 2015 starts at the crate's root.
        """
        return _files(self._path(module, path, used, frozenset()))

    def globbed(self, module: Module, path: str, names: Iterable[str]) -> list[str]:
        """Return the files that declare what a glob import brings of these names.

        Names that the module has otherwise are not the glob's. Where none is found the glob is of
        the module's own file: its traits may be all that is wanted.
        """
        found: list[str] = []
        targets = self._path(module, path, True, frozenset()) if path else [module.root]
        for target in targets:
            if isinstance(target, str):
                found.append(target)
                continue
            before = len(found)
            for name in names:
                if name not in module.items and name not in module.uses:
                    found += _files(self._lookup(target, name, frozenset()))
            if len(found) == before:
                found += target.files
        return sorted(set(found))

    def _path(
        self, module: Module, path: str, used: bool, seen: frozenset[tuple[Module, str]]
    ) -> list[Meaning]:
        first, *rest = path.split("::")
        now = self._first(module, first, rest, used, seen)
        if first == "":
            rest = rest[1:]
        for name in rest:
            following: list[Meaning] = []
            for meaning in now:
                following += self._inside(meaning, name, seen)
            if not following:
                return [meaning for meaning in now if isinstance(meaning, Module)]
            now = following
        return now

    def _first(
        self,
        module: Module,
        first: str,
        rest: list[str],
        used: bool,
        seen: frozenset[tuple[Module, str]],
    ) -> list[Meaning]:
        """Return what the first part of a path means."""
        root = module.root
        old = module.crate.edition == "2015"
        if first in ("crate", "$crate"):
            return [root]
        if first == "self":
            return [module]
        if first == "super":
            return [] if module.parent is None else [module.parent]
        if first == "":
            found: list[Meaning] = self._lookup(root, rest[0], seen) if old and rest else []
            return found or (self._extern(module, rest[0]) if rest else [])
        found = self._lookup(root if old and used else module, first, seen)
        return found or self._extern(module, first)

    def _extern(self, module: Module, name: str) -> list[Meaning]:
        path = module.crate.known.get(name.removeprefix("r#"))
        return [self._tree.roots[path]] if path in self._tree.roots else []

    def _inside(
        self, meaning: Meaning, name: str, seen: frozenset[tuple[Module, str]]
    ) -> list[Meaning]:
        if isinstance(meaning, str):
            return [meaning]
        if name == "self":
            return [meaning]
        if name == "super":
            return [] if meaning.parent is None else [meaning.parent]
        return self._lookup(meaning, name, seen)

    def _lookup(
        self, module: Module, name: str, seen: frozenset[tuple[Module, str]]
    ) -> list[Meaning]:
        """Return what a name means in a module."""
        key = (module, name)
        if key in self._known:
            return self._known[key]
        if key in seen:
            return []
        inner = seen | {key}
        found: list[Meaning] = []
        if name in module.children:
            found.append(module.children[name])
        found += module.items.get(name, ())
        for path in module.uses.get(name, ()):
            found += self._path(module, path, True, inner)
        if not found:
            for path in module.globs:
                for target in self._path(module, path, True, inner) if path else [module.root]:
                    if isinstance(target, Module):
                        found += self._lookup(target, name, inner)
        found = list(dict.fromkeys(found))
        if not seen:
            self._known[key] = found
        return found


def _files(meanings: Iterable[Meaning]) -> list[str]:
    found: set[str] = set()
    for meaning in meanings:
        found.update([meaning] if isinstance(meaning, str) else meaning.files)
    return sorted(found)
