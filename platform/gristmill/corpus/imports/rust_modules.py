"""The module tree of each Rust crate: which file each `mod` loads, and what is in scope as a macro.

A crate's root file, a `mod.rs` and a file that a `path` attribute names look for their modules beside
themselves, every other file in the folder of its own name. A module is a file or a part of one
(`mod a { }`), or several files where `cfg` chooses between them. Files are walked in the order of
their text, since a `macro_rules!` is in scope below its definition, in the modules loaded below it,
and, by `macro_use`, after the module that holds it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from posixpath import dirname, join, normpath

from gristmill.corpus.imports.model import Import, Parsed
from gristmill.corpus.imports.rust_crates import Crate

Macros = dict[str, str]
"""Files that define macros, by the macro's name."""


@dataclass(eq=False)
class Module:
    """One module of one crate."""

    crate: Crate
    parent: "Module | None" = None
    files: list[str] = field(default_factory=list)
    children: dict[str, "Module"] = field(default_factory=dict)
    items: dict[str, list[str]] = field(default_factory=dict)
    """Files that declare a name in this module."""
    uses: dict[str, list[str]] = field(default_factory=dict)
    """Paths that `use` gives a name to."""
    globs: list[str] = field(default_factory=list)

    @property
    def root(self) -> "Module":
        """Return the crate's root module."""
        module = self
        while module.parent is not None:
            module = module.parent
        return module

    def child(self, name: str) -> "Module":
        """Return the module of this name below, made if it was not there."""
        if name not in self.children:
            self.children[name] = Module(self.crate, self)
        return self.children[name]

    def inner(self, prefix: str) -> "Module":
        """Return the module at a path of inline modules below."""
        module = self
        for name in prefix.split("::") if prefix else ():
            module = module.child(name)
        return module


@dataclass(frozen=True, eq=False)
class Place:
    """A file as part of a crate: the module it makes, and the macros in scope at its end."""

    module: Module
    macros: Macros


class ModuleTree:
    """All crates' modules, and where each file has its place in them."""

    def __init__(self, files: Mapping[str, Parsed], crates: Iterable[Crate]) -> None:
        self._files = files
        self.places: dict[str, list[Place]] = {}
        self.loads: dict[tuple[str, str], list[str]] = {}
        """Files that a `mod` loads, by the file it stands in and its inline path."""
        self.roots: dict[str, Module] = {}
        for crate in crates:
            self._crate(crate)
        for path in sorted(files, key=lambda path: (path.count("/"), path)):
            if path not in self.places:
                self._crate(Crate(path, "2018", folder=dirname(path)))

    def _crate(self, crate: Crate) -> None:
        if crate.root not in self.roots and crate.root in self._files:
            root = self.roots[crate.root] = Module(crate)
            self._load(crate.root, root, True, {}, ())

    def _load(
        self, path: str, module: Module, beside: bool, macros: Macros, above: tuple[str, ...]
    ) -> Macros:
        """Read a file into a module; return the macros in scope at its end."""
        parsed = self._files[path]
        module.files.append(path)
        scope = dict(macros)
        for name in parsed.declared:
            prefix, _, item = name.rpartition("::")
            target = module.inner(prefix)
            if item:
                target.items.setdefault(item, []).append(path)
            elif path not in target.files:
                target.files.append(path)
        self.places.setdefault(path, []).append(Place(module, scope))
        for found in sorted(parsed.imports, key=lambda found: found.line):
            form, _, prefix = found.form.partition(" ")
            if form == "use":
                _bring(module.inner(prefix), found)
            elif form == "macro":
                scope[found.target] = path
                if found.names:
                    module.root.items.setdefault(found.target, []).append(path)
            elif form in ("mod", "mod!"):
                made = self._load_children(path, module, beside, found, scope, (*above, path))
                if form == "mod!":
                    scope.update(made)
            elif form == "include":
                place = included(path, found, module.crate)
                if place in self._files and place not in (*above, path):
                    inner = module.inner(prefix)
                    scope.update(self._load(place, inner, True, scope, (*above, path)))
        return scope

    def _load_children(
        self,
        path: str,
        module: Module,
        beside: bool,
        found: Import,
        macros: Macros,
        above: tuple[str, ...],
    ) -> Macros:
        prefix, _, name = found.target.rpartition("::")
        folder = dirname(path) if beside else path.removesuffix(".rs")
        inner = join(folder, *prefix.split("::")) if prefix else folder
        given = join(inner if prefix else dirname(path), "")
        candidates = [(normpath(given + place), True) for place in found.names if place]
        if not candidates or "" in found.names:
            candidates += _default(inner, name)
        loaded = self.loads.setdefault((path, found.target), [])
        made: Macros = {}
        for place, inside in candidates:
            if place in self._files and place not in above:
                if place not in loaded:
                    loaded.append(place)
                child = module.inner(prefix).child(name)
                made.update(self._load(place, child, inside, macros, above))
        return made


def _default(folder: str, name: str) -> list[tuple[str, bool]]:
    name = name.removeprefix("r#")
    return [(join(folder, f"{name}.rs"), False), (join(folder, name, "mod.rs"), True)]


def _bring(module: Module, found: Import) -> None:
    if found.target.endswith("*"):
        module.globs.append(found.target.removesuffix("*").removesuffix("::"))
    for name in found.names:
        module.uses.setdefault(name, []).append(found.target)


def included(path: str, found: Import, crate: Crate) -> str:
    """Return the path that an `include!` names."""
    base = crate.folder if "manifest" in found.names else dirname(path)
    return normpath(join(base, found.target.lstrip("/")))
