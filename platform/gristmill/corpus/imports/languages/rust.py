"""Rust: `mod`, `use`, paths, macros and `include!`; edges run from file to file.

    mod name;               the file that the module is (kind `module`)
    use a::b::{C, d};       the file that declares each leaf, through re-exports
    use a::b::*;            each file that declares a used name that the glob brings
    a::b::c()               the same as a `use` of the path, where no `use` is needed
    name!()                 the file of the `macro_rules!` in scope
    include!("x.rs")        the file (kind `include`); `include_str!` and `include_bytes!` too

What stands in a module under `#[cfg(test)]` is `local`: the file can be used without it. Paths are
read from the text between comments and strings, so that those in macros count. Crates and what they
know of each other come from `Cargo.toml`; a file that no crate loads is a crate of its own.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator

from tree_sitter import Node

from gristmill.corpus.imports.model import (
    Captures,
    Edge,
    Found,
    Import,
    Kind,
    LanguageRules,
    Parsed,
    Repository,
)
from gristmill.corpus.imports.rust_crates import crates
from gristmill.corpus.imports.rust_modules import ModuleTree, Place, included
from gristmill.corpus.imports.rust_names import RustNames
from gristmill.corpus.imports.rust_text import unwrapped, use_leaves
from gristmill.corpus.imports.scopes import text

LANGUAGE = "Rust"
_QUERY = """
(mod_item) @mod
(use_declaration) @use
(extern_crate_declaration) @extern
(macro_definition name: (identifier) @macro) @definition
(attribute_item) @attribute
(macro_invocation macro: (identifier) @include
  (#match? @include "^include(_str|_bytes)?$")) @including
(source_file [(struct_item name: (_) @item) (enum_item name: (_) @item) (union_item name: (_) @item)
  (trait_item name: (_) @item) (type_item name: (_) @item) (function_item name: (_) @item)
  (const_item name: (_) @item) (static_item name: (_) @item)
  (function_signature_item name: (_) @item)])
(mod_item body: (declaration_list [
  (struct_item name: (_) @item) (enum_item name: (_) @item) (union_item name: (_) @item)
  (trait_item name: (_) @item) (type_item name: (_) @item) (function_item name: (_) @item)
  (const_item name: (_) @item) (static_item name: (_) @item)]))
(foreign_mod_item body: (declaration_list [
  (function_signature_item name: (_) @item) (static_item name: (_) @item) (type_item name: (_) @item)]))
"""
_SKIPPED = (
    rb"//[^\n]*+|/\*.*?\*/|\bb?r(#*)\".*?\"\1|b?\"(?:[^\"\\]++|\\.)*+\""
    rb"|b?'(?:\\.[^'\n]*+|[^\\'\n])'"
)
"""Comments and literals."""
_PATH = re.compile(
    _SKIPPED + rb"|(?<![.'])((?:\$crate|\b\w++)(?=!\s*[({\[]|\s*::\s*\w)(?:\s*+::\s*+\w++)*+"
    rb"|(?<![\w>:])(?:::\w++)++)",
    re.DOTALL,
)
_NAME = re.compile(
    _SKIPPED + rb"|(?<![.'])(?<!::)\b([A-Z_]\w*+|[a-z]\w*+(?=\s*[(!]|::<))(?!\s*::\s*\w)", re.DOTALL
)
_USE = re.compile(r"\buse\b(.*);", re.DOTALL)
_EXTERN = re.compile(r"extern\s+crate\s+(\w+)(?:\s+as\s+(\w+))?")
_INCLUDE = re.compile(
    r"""\(\s*(?:concat!\s*\(\s*env!\s*\(\s*"(CARGO_MANIFEST_DIR)"\s*\)\s*,\s*)?"([^"]+)"\s*\)?\s*,?\s*\)"""
)
_PATH_ATTRIBUTE = re.compile(r"""^#\[\s*path\s*=\s*"([^"]+)\"""")
_CFG_PATH = re.compile(r"""cfg_attr\s*\(.*?\bpath\s*=\s*"([^"]+)\"""", re.DOTALL)
_TEST = re.compile(r"^#\[\s*cfg\s*\(\s*(?:test\b|all\s*\(\s*test\b)")
_SPACE = re.compile(r"\s+")
_FOREIGN = frozenset({"std", "core", "alloc", "Self", "macro_rules"})


def extract(captures: Captures, data: bytes) -> Found:
    """Return what a file says; the form of an import begins with its sort and ends in its module.

    `mod` (`mod!` with `macro_use`): the target is the inline path and the name, the names are its
    `path` attributes (an empty one: under some `cfg` only). `use`: the name is what it is called.
    `path`, `name`: a path or macro used. `macro`: a definition, with a name if exported. A declared
    name that ends in `::` is an inline module.
    """
    file = _File(captures, data)
    imports = [*file.modules(), *file.uses(), *file.macros(), *file.includes()]
    has_globs = any(found.target.endswith("*") for found in imports if found.form[:3] == "use")
    source = file.without_uses()
    imports += file.paths(source)
    used = file.names(source) if has_globs else frozenset()
    return Found(tuple(imports), declared=frozenset(file.declared), used=used)


class _File:
    """One file's captures, and which inline module each place of it is in."""

    def __init__(self, captures: Captures, data: bytes) -> None:
        self._captures = captures
        self._data = data
        self._starts = [0]
        self._prefixes: list[tuple[str, bool]] = [("", False)]
        self._lines = [match.end() for match in re.finditer(rb"\n", data)]
        self.declared: set[str] = set()
        self._attributes: dict[int, Node] = {}
        for node in captures.get("attribute", ()):
            self._attributes[node.end_byte] = node
        self._spans()
        for node in captures.get("item", ()):
            self.declared.add(self._within(node.start_byte, text(node, data)))

    def _spans(self) -> None:
        """Cut the file where an inline module begins or ends."""
        stack: list[tuple[int, str, bool]] = [(len(self._data) + 1, "", False)]
        for node in sorted(self._captures.get("mod", ()), key=lambda node: node.start_byte):
            body = node.child_by_field_name("body")
            name = node.child_by_field_name("name")
            if body is None or name is None:
                continue
            self._close(stack, node.start_byte)
            _end, above, test = stack[-1]
            prefix = "::".join(part for part in (above, text(name, self._data)) if part)
            test = test or any(_TEST.match(one) for one in self._before(node))
            self.declared.add(f"{prefix}::")
            stack.append((body.end_byte, prefix, test))
            self._starts.append(body.start_byte)
            self._prefixes.append((prefix, test))
        self._close(stack, len(self._data))

    def _close(self, stack: list[tuple[int, str, bool]], place: int) -> None:
        while stack[-1][0] <= place:
            end = stack.pop()[0]
            self._starts.append(end)
            self._prefixes.append(stack[-1][1:])

    def _at(self, place: int) -> tuple[str, bool]:
        """Return the inline module at a place, and whether it is there for tests only."""
        return self._prefixes[bisect_right(self._starts, place) - 1]

    def _within(self, place: int, name: str) -> str:
        prefix = self._at(place)[0]
        return f"{prefix}::{name}" if prefix else name

    def _line(self, place: int) -> int:
        return bisect_right(self._lines, place) + 1

    def _before(self, node: Node) -> Iterator[str]:
        """Yield the attributes of an item, last first."""
        sibling = node.prev_named_sibling
        while sibling is not None and sibling.type in ("attribute_item", "line_comment"):
            if sibling.type == "attribute_item":
                yield text(sibling, self._data)
            sibling = sibling.prev_named_sibling

    def modules(self) -> Iterator[Import]:
        """Yield the modules that lie in other files."""
        for node in self._captures.get("mod", ()):
            name = node.child_by_field_name("name")
            if node.child_by_field_name("body") is not None or name is None:
                continue
            names, test, macro_use = [], self._at(node.start_byte)[1], ""
            for attribute in self._before(node):
                names += _PATH_ATTRIBUTE.findall(attribute)
                conditional = _CFG_PATH.findall(attribute)
                names += [*conditional, ""] if conditional else []
                test = test or _TEST.match(attribute) is not None
                macro_use = "!" if "macro_use" in attribute else macro_use
            target = self._within(node.start_byte, text(name, self._data))
            kind: Kind = "local" if test else "module"
            line = self._line(name.start_byte)
            yield Import(target, line, tuple(sorted(set(names))), kind, f"mod{macro_use}")

    def uses(self) -> Iterator[Import]:
        """Yield the leaves of `use` trees, and `extern crate`."""
        for node in self._captures.get("use", ()):
            match = _USE.search(_SPACE.sub(" ", text(node, self._data)))
            for path, name in use_leaves(match[1]) if match else ():
                yield self._import(path, node.start_byte, "use", (name,) if name else ())
        for node in self._captures.get("extern", ()):
            match = _EXTERN.search(text(node, self._data))
            if match is not None and match[1] != "self":
                yield self._import(f"::{match[1]}", node.start_byte, "use", (match[2] or match[1],))

    def macros(self) -> Iterator[Import]:
        """Yield the definitions of macros."""
        pairs = zip(self._nodes("macro"), self._nodes("definition"), strict=True)
        for name, definition in pairs:
            exported = any("macro_export" in one for one in self._before(definition))
            names = ("export",) if exported else ()
            word = text(name, self._data)
            self.declared.add(self._within(name.start_byte, word))
            yield self._import(word, name.start_byte, "macro", names)

    def includes(self) -> Iterator[Import]:
        """Yield the files that are included by a literal name."""
        for node in self._captures.get("including", ()):
            match = _INCLUDE.search(text(node, self._data))
            if match is not None:
                code = text(node, self._data).startswith("include!")
                names = ("manifest",) if match[1] else ()
                form = "include" if code else "include_text"
                found = self._import(match[2], node.start_byte, form, names)
                yield Import(found.target, found.line, names, "include", found.form)

    def without_uses(self) -> bytes:
        """Return the text without `use` declarations, whose paths are read apart."""
        source = bytearray(self._data)
        for name in ("use", "extern"):
            for node in self._captures.get(name, ()):
                start, end = node.start_byte, node.end_byte
                source[start:end] = b" " * (end - start)
        return bytes(source)

    def _pieces(self) -> Iterator[tuple[int, int]]:
        """Yield the parts of the file that are in one module each."""
        yield from zip(self._starts, [*self._starts[1:], len(self._data)], strict=True)

    def paths(self, source: bytes) -> Iterator[Import]:
        """Yield each path and macro that is used, where it first is in its module."""
        known: set[tuple[str, bytes]] = set()
        for start, end in self._pieces():
            first: dict[bytes, int] = {}
            for match in _PATH.finditer(source, start, end):
                if match.lastindex == 2:
                    first.setdefault(match[2], match.start())
            prefix = self._at(start)[0]
            for raw, place in first.items():
                path = _SPACE.sub("", raw.decode("ascii", "replace"))
                if (prefix, raw) not in known and path.partition("::")[0] not in _FOREIGN:
                    known.add((prefix, raw))
                    yield self._import(path, place, "path" if "::" in path else "name")

    def names(self, source: bytes) -> frozenset[str]:
        """Return the plain names that are used, each in its inline module."""
        return frozenset(
            self._within(start, raw.decode("ascii", "replace"))
            for start, end in self._pieces()
            for raw in {groups[1] for groups in _NAME.findall(source, start, end)}
            if raw
        )

    def _import(self, target: str, place: int, sort: str, names: tuple[str, ...] = ()) -> Import:
        prefix, test = self._at(place)
        form = f"{sort} {prefix}" if prefix else sort
        return Import(target, self._line(place), names, "local" if test else "import", form)

    def _nodes(self, name: str) -> list[Node]:
        return sorted(self._captures.get(name, ()), key=lambda node: node.start_byte)


def resolve(repository: Repository) -> Iterator[Edge]:
    """Yield the edges between the Rust files of a repository."""
    files = dict(repository.of([LANGUAGE]))
    if not files:
        return
    tree = ModuleTree(files, crates(files.keys(), repository.configs))
    names = RustNames(tree)
    for importer, parsed in files.items():
        for place in tree.places.get(importer, ()):
            for found in parsed.imports:
                for target in _targets(repository, tree, names, importer, parsed, place, found):
                    yield Edge(importer, target, found.kind, LANGUAGE, found.line)


def _targets(
    repository: Repository,
    tree: ModuleTree,
    names: RustNames,
    importer: str,
    parsed: Parsed,
    place: Place,
    found: Import,
) -> list[str]:
    """Return the files that one thing a file says needs, as part of one crate."""
    form, _, prefix = found.form.partition(" ")
    if form in ("mod", "mod!"):
        return tree.loads.get((importer, found.target), [])
    if form in ("include", "include_text"):
        path = included(importer, found, place.module.crate)
        return [path] if path in repository.parsed else []
    if form == "macro":
        return []
    module = place.module.inner(prefix)
    if form == "use" and found.target.endswith("*"):
        start = f"{prefix}::" if prefix else ""
        used = sorted(
            name.removeprefix(start)
            for name in parsed.used
            if name.startswith(start) and "::" not in name.removeprefix(start)
        )
        return names.globbed(module, found.target.removesuffix("*").removesuffix("::"), used)
    if form == "name":
        if found.target in place.macros:
            return [place.macros[found.target]]
        return names.files(module, found.target)
    return names.files(module, found.target, used=form == "use")


RULES = LanguageRules(
    languages=(LANGUAGE,),
    grammar=lambda _language, _path: ("tree_sitter_rust", "language"),
    query=_QUERY,
    extract=extract,
    resolve=resolve,
    config_names=frozenset({"Cargo.toml"}),
    prepare=lambda data, _path: unwrapped(data),
)
