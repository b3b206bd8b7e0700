"""Names by package: what simple and dotted names mean in languages with packages or namespaces.

Java, Kotlin and Scala files of a repository see each other's types; C# has the same rules with other
words. `Parsed.declared` holds a file's
names relative to its package: `Outer`, for nested types `Outer.Inner`, and `~name` for a function that
extends a type, which is used as `value.name`. An `Import` of the form `extends` says that the type in
`names` derives from `target`; member types are inherited through it. What a Kotlin file declares
outside types, Java calls a member of `FileKt`, or of the name that an import of form `facade` gives.
What a Scala file puts into a package below its own is declared as `below/Name`; an import of form
`package` names a further package whose names are in sight.
A test file is a target for tests only. Where several source trees declare the same name (modules of
one repository), the nearest ones are meant.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from posixpath import basename, dirname

from gristmill.corpus.imports.model import Edge, Import, Parsed
from gristmill.corpus.imports.nearness import nearest

JVM = ("Java", "Kotlin", "Scala")
EXTENDS = "extends"
FACADE = "facade"
PACKAGE = "package"
WILDCARDS = frozenset({"*", "static *"})
EXTENSION = "~"
NOT_IMPORTS = frozenset({EXTENDS, FACADE, PACKAGE})
"""Forms of `Import` that tell something else and need no edge."""

_TEST_FOLDER = re.compile(r"(^|/)(\w*[tT]ests?|it|testFixtures)(/|$)")
_TEST_NAME = re.compile(r"(^Test\w*|(Test|Tests|TestCase|IT|Spec|Suite))\.\w+$")
_TEST_LIBRARIES = ("org.junit", "junit.", "org.testng", "kotlin.test", "org.scalatest", "munit")
_MAX_ANCESTORS = 200

Place = tuple[str, str]
"""A file, and the dotted name of a type in it."""


class Types:
    """Finds the files that declare a name."""

    def __init__(
        self,
        files: Mapping[str, Parsed],
        tree: Callable[[str], str] | None = None,
        tested: Callable[[str, Parsed], bool] | None = None,
    ) -> None:
        """`tree` gives the source tree of a file, `tested` whether it belongs to tests."""
        self._files = files
        self._tree = tree or self._source_folder
        tested = tested or is_test
        self._tests = {path for path, parsed in files.items() if tested(path, parsed)}
        self._declaring: dict[tuple[str, str], list[str]] = {}
        self._inner: dict[Place, list[str]] = {}
        self.packages: set[str] = set()
        for path, parsed in files.items():
            self.packages.add(parsed.package)
            for whole in {*parsed.declared, *_facades(path, parsed)}:
                below, _, name = whole.rpartition("/")
                package = joined(parsed.package, below)
                self.packages.add(package)
                outer, _, inner = name.rpartition(".")
                self._inner.setdefault((path, outer), []).append(inner)
                if not outer:
                    self._declaring.setdefault((package, name), []).append(path)
        self._prefixes = {
            ".".join(parts[:end])
            for parts in (package.split(".") for package in self.packages)
            for end in range(1, len(parts) + 1)
        }

    def of(self, importer: str, package: str, name: str) -> list[str]:
        """Return the files that a package's name comes from, as the importer sees them."""
        known = self._declaring.get((package, name), [])
        if importer not in self._tests:
            known = [path for path in known if path not in self._tests]
        if len(known) > 1:
            return nearest(known, self._tree(importer), self._tree)
        return known

    def has(self, importer: str, whole: str) -> bool:
        """Return whether a dotted name is a package, or a name of one."""
        package, _, name = whole.rpartition(".")
        return whole in self._prefixes or bool(self.of(importer, package, name))

    def in_namespace(self, target: str, bases: Iterable[str]) -> bool:
        """Return whether a dotted name starts with a package or namespace, seen from some bases."""
        head = target.partition(".")[0]
        return any(joined(base, head) in self._prefixes for base in (*bases, ""))

    def through(self, importer: str, target: str) -> list[str]:
        """Return the files of the name that a dotted name goes through, longest package first."""
        return [path for path, _name in self.places(importer, target)]

    def places(self, importer: str, target: str) -> list[Place]:
        """Return what a dotted name means: files, and the part of the name below the package."""
        parts = target.split(".")
        for cut in range(len(parts) - 1, -1, -1):
            package, name = ".".join(parts[:cut]), parts[cut]
            known = self.of(importer, package, name)
            known = known + self.of(importer, package, EXTENSION + name)
            if known:
                return [(path, self._declared(path, parts[cut:])) for path in known]
        return []

    def imported(self, importer: str, found: Import, used: Iterable[str]) -> list[str]:
        """Return the files that one import statement or qualified name means.

        A wildcard over a package means the files that declare one of the names in `used`; one over a
        type means that type's file.
        """
        if found.form not in WILDCARDS or (
            found.target not in self.packages and self.through(importer, found.target)
        ):
            return self.through(importer, found.target)
        return [path for name in used for path in self.of(importer, found.target, name)]

    def members(self, place: Place) -> list[str]:
        """Return the names of the types directly inside a type."""
        return self._inner.get(place, [])

    def of_test(self, path: str) -> bool:
        """Return whether a file belongs to tests."""
        return path in self._tests

    def _declared(self, path: str, parts: list[str]) -> str:
        """Return the longest start of a dotted name that the file declares."""
        declared = self._files[path].declared
        ends = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
        return next((name for name in ends if name in declared), parts[0])

    def _source_folder(self, path: str) -> str:
        """Return the source folder of a file: its folder without the package's part."""
        folder = dirname(path)
        inner = self._files[path].package.replace(".", "/")
        return folder.removesuffix(inner).rstrip("/") if inner else folder


class Names:
    """What simple names mean in each file of one language; `simple` knows that language's order."""

    def __init__(self, files: Mapping[str, Parsed], types: Types) -> None:
        self._files = files
        self.types = types
        self._inherited: dict[str, dict[str, list[str]]] = {}

    def simple(self, path: str, name: str) -> list[str]:
        """Return the dotted names that a simple name may stand for in a file, best first."""
        parsed = self._files[path]
        explicit = [
            found.target
            for found in parsed.imports
            if found.form in {"", "static"} and (found.names or (last(found.target),))[0] == name
        ]
        if explicit:
            return explicit
        own = [joined(package, name) for package in in_sight(parsed)]
        return own + [
            f"{found.target}.{name}" for found in parsed.imports if found.form in WILDCARDS
        ]

    def supertypes(self, path: str, name: str | None = None) -> Iterator[Place]:
        """Yield the supertypes, direct and not, of a type of a file (None: of all its types)."""
        waiting: list[tuple[str, str | None]] = [(path, name)]
        seen: set[tuple[str, str | None]] = set(waiting)
        while waiting and len(seen) < _MAX_ANCESTORS:
            at, sub = waiting.pop()
            for found in self._files[at].imports:
                if found.form != EXTENDS or (sub is not None and sub not in found.names):
                    continue
                for place in self._meant(at, found.target):
                    if place not in seen:
                        seen.add(place)
                        waiting.append(place)
                        yield place

    def inherited(self, path: str) -> dict[str, list[str]]:
        """Return by name the files of the member types that the file's types inherit."""
        if path not in self._inherited:
            found: dict[str, list[str]] = {}
            for place in self.supertypes(path):
                for name in self.types.members(place):
                    found.setdefault(name, [])
                    if place[0] not in found[name]:
                        found[name].append(place[0])
            self._inherited[path] = found
        return self._inherited[path]

    def _meant(self, path: str, target: str) -> list[Place]:
        head, _, rest = target.partition(".")
        if self._own(path, head):
            return [(path, name) for name in self._own(path, head)]
        for whole in self.simple(path, head):
            places = self.types.places(path, f"{whole}.{rest}" if rest else whole)
            if places:
                return places
        return self.types.places(path, target) if rest else []

    def _own(self, path: str, name: str) -> list[str]:
        declared = self._files[path].declared
        if name in declared:
            return [name]
        return sorted(whole for whole in declared if whole.endswith(f".{name}"))


def edges(files: Mapping[str, Parsed], language: str, types: Types) -> Iterator[Edge]:
    """Yield the edges from the files of one language to those of all, by the rules that they share.

    A name is an explicit import's, else an inherited member type's, else the package's, else a
    wildcard's.
    """
    names = Names(files, types)
    for importer, parsed in files.items():
        if parsed.language != language:
            continue
        explicit = {
            (found.names or (last(found.target),))[0]
            for found in parsed.imports
            if found.form in {"", "static"}
        }
        inherited = names.inherited(importer)
        left = parsed.used - explicit - {EXTENSION + name for name in explicit}
        sight = in_sight(parsed)
        for name in sorted(left):
            targets = inherited.get(name) or next(
                (known for package in sight if (known := types.of(importer, package, name))), []
            )
            for target in targets:
                yield Edge(importer, target, "same_package", language, None)
            if targets:
                left -= {name}
        for found in parsed.imports:
            if found.form in NOT_IMPORTS:
                continue
            for target in types.imported(importer, found, sorted(left)):
                yield Edge(importer, target, "import", language, found.line)


def absolute(path: str, parsed: Parsed, types: Types) -> Parsed:
    """Return a file whose imports start from the root, whatever in sight they started from."""
    bases = in_sight(parsed)
    known: dict[str, str] = {}
    changed = []
    for found in parsed.imports:
        if found.form in {"", "*", "qualified"}:
            head, _, rest = found.target.partition(".")
            start = known.get(head) or next(
                (
                    joined(base, head)
                    for base in bases
                    if base and types.has(path, joined(base, head))
                ),
                head,
            )
            found = replace(found, target=joined(start, rest))
            if found.form == "":
                known.setdefault((found.names or (last(found.target),))[0], found.target)
            elif found.form == "*":
                bases = [*bases, found.target]
        changed.append(found)
    return replace(parsed, imports=tuple(changed))


def in_sight(parsed: Parsed) -> list[str]:
    """Return the packages whose names a file sees without an import, the nearest first."""
    others = [found.target for found in parsed.imports if found.form == PACKAGE]
    return list(dict.fromkeys([*others, parsed.package]))


def joined(package: str, name: str) -> str:
    """Return a name inside a package."""
    return f"{package}.{name}" if package and name else package or name


def _facades(path: str, parsed: Parsed) -> set[str]:
    """Return the names of a file's own class: a Kotlin file's, or any file's that declares nothing."""
    stem = basename(path).partition(".")[0]
    if parsed.language == "Kotlin":
        named = {found.target for found in parsed.imports if found.form == FACADE}
        return named or {f"{stem[:1].upper()}{stem[1:]}Kt"}
    return set() if parsed.declared else {stem}


def last(target: str) -> str:
    """Return the last part of a dotted name."""
    return target.rpartition(".")[2]


def is_test(path: str, parsed: Parsed) -> bool:
    """Return whether a file belongs to tests: by its source folder, or by its name and imports."""
    folder = dirname(path).removesuffix(parsed.package.replace(".", "/"))
    if "src/main" in folder:
        return False
    return _TEST_FOLDER.search(folder) is not None or (
        _TEST_NAME.search(basename(path)) is not None
        and any(found.target.startswith(_TEST_LIBRARIES) for found in parsed.imports)
    )
