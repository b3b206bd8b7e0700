"""The values of import extraction: what one file says, and the edges one repository has.

A file is parsed once, alone; `Parsed` is all that is kept of the tree, so that files can be parsed in
any worker and resolved later. Resolution sees one repository at a time and only values: the paths,
what each file said, and the texts of configuration files such as `tsconfig.json`. It reads no disk
and no environment, hence the same repository has the same edges on every machine.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from posixpath import dirname
from typing import Literal

from tree_sitter import Node

Kind = Literal["import", "include", "module", "same_package", "type_only", "local"]
WEAK_KINDS: frozenset[str] = frozenset({"type_only", "local"})
"""Kinds that do not run when the importer is loaded; the first to be broken in a cycle."""


Signals = tuple[float | None, ...]
"""Figures of one file, in the order of `quality.SIGNALS`; None where there is nothing to measure."""
Measure = Callable[[Node, bytes, int], Signals]
"""(root, the bytes it was parsed from, number of imports) -> figures."""


@dataclass(frozen=True, slots=True)
class Import:
    """One import statement as written: the target before resolution, the names it takes from it."""

    target: str
    line: int
    """1-based."""
    names: tuple[str, ...] = ()
    kind: Kind = "import"
    form: str = ""
    """What the language's resolver must know besides, in its own words (e.g. `from`, `quote`)."""

    def __reduce__(self) -> tuple[type["Import"], tuple[object, ...]]:
        """Pickle by position: what a dataclass with slots does by itself takes five times as long."""
        return Import, (self.target, self.line, self.names, self.kind, self.form)


@dataclass(frozen=True, slots=True)
class Parsed:
    """What is kept of one file's syntax tree."""

    language: str
    imports: tuple[Import, ...] = ()
    syntax_error_share: float = 0.0
    """Share of the file's bytes under ERROR or MISSING nodes; 0 where there is no grammar."""
    package: str = ""
    """The package the file says it belongs to (Java, Go)."""
    declared: frozenset[str] = frozenset()
    """Names the file gives to its package (Java: top-level types; Go: package-level names)."""
    used: frozenset[str] = frozenset()
    """Names used and not bound in the file itself; `qualifier.Name` for a member of a package."""
    failure: str | None = None
    """Why there is no tree: `parse_timeout`, `parse_failed`; None when all went well."""
    signals: Signals = ()
    """What the caller's `measure` found in the tree; empty without one."""


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """`importer` needs `imported`; both are paths relative to the repository."""

    importer: str
    imported: str
    kind: Kind
    language: str
    """The importer's."""
    line: int | None
    """1-based; None where no statement names the target (`same_package`)."""

    @property
    def weak(self) -> bool:
        """Return whether the importer can be loaded without the imported file."""
        return self.kind in WEAK_KINDS


@dataclass(frozen=True)
class Repository:
    """What resolution sees of one repository: files by path, and configuration files' texts."""

    parsed: Mapping[str, Parsed]
    """Every source file with its language, whether the language has a resolver or not."""
    configs: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def directories(self) -> Mapping[str, tuple[str, ...]]:
        """Return the source files of each directory that holds any, by path."""
        files: dict[str, list[str]] = {}
        for path in sorted(self.parsed):
            files.setdefault(dirname(path), []).append(path)
        return {directory: tuple(paths) for directory, paths in files.items()}

    @cached_property
    def ancestors(self) -> frozenset[str]:
        """Return every directory that holds a source file at any depth; the root is ``""``."""
        found: set[str] = set()
        for directory in self.directories:
            while directory not in found:
                found.add(directory)
                directory = dirname(directory)
        return frozenset(found)

    def of(self, languages: Iterable[str]) -> Iterator[tuple[str, Parsed]]:
        """Yield the files of these languages by path."""
        wanted = frozenset(languages)
        for path in sorted(self.parsed):
            parsed = self.parsed[path]
            if parsed.language in wanted:
                yield path, parsed


Captures = Mapping[str, list[Node]]
"""Nodes of one tree by the name that the query gave them; `file` is its root."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a language's extraction finds in one tree; the fields are those of `Parsed`."""

    imports: tuple[Import, ...] = ()
    package: str = ""
    declared: frozenset[str] = frozenset()
    used: frozenset[str] = frozenset()


@dataclass(frozen=True)
class LanguageRules:
    """One language (or a family that resolves as one): its grammars, query, extraction, resolver."""

    languages: tuple[str, ...]
    """Names as in `corpus.languages`."""
    grammar: Callable[[str, str], tuple[str, str]] | None
    """(language, path) -> module and function that hold the tree-sitter grammar; None where there is
    none: then `extract` gets no captures and reads the bytes itself."""
    query: str
    extract: Callable[[Captures, bytes], Found]
    resolve: Callable[[Repository], Iterator[Edge]]
    config_names: frozenset[str] = frozenset()
    """Names of configuration files whose texts the resolver wants, whatever the corpus does with
    them; `*` stands for any characters (`tsconfig*.json`)."""
    prepare: Callable[[bytes, str], bytes] | None = None
    """(data, path) -> what of the file the grammar reads, of the same length with the same line
    ends: the script of a Vue component, say, with blanks around it."""
    near: re.Pattern[bytes] | None = None
    """Where set, every node that the query captures holds a match of this, and the query is run around
    such matches alone: for a query of few nodes in a large tree (Python's imports: 3 times as fast).
    What is broken in the tree is captured beside, as `error`."""
    unordered: frozenset[str] = frozenset()
    """Captures whose order `extract` does not look at: sorting nodes by place costs as much as having them."""
    near_within: frozenset[str] = frozenset()
    """Kinds of node that the query's patterns begin at: it is run over such a node around a match, and
    not at all where a match is in none (in a comment, say)."""
