"""What gcc's preprocessor includes in a real build: direct edges between the files of a tree.

The flags are those of the project's own build: a CMake compile database, or the compiler lines that
`make -n` prints. Each unit of the build is preprocessed alone with `-E -dI`, which prints every
`#include` of an active branch, in headers too, and marks where each included file begins. A header
that its guard keeps out a second time is not marked; there the same directive in the same folder under
the same flags has shown the file elsewhere, or gcc is asked with that one line. A header that is missing (made by
a later step of the build, or of a package that is not installed) is an empty file, as under `-MG`.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SOURCES = (".c", ".cc", ".cpp", ".cxx")
_KEPT = re.compile(r"-(I|isystem|iquote|idirafter|include|imacros|D|U|std|f|m|pthread)")
_APART = ("-I", "-isystem", "-iquote", "-idirafter", "-include", "-imacros", "-D", "-U")
_MARKER = re.compile(r'# (\d+) "((?:[^"\\]|\\.)*)"((?: \d)*)$')
_DIRECTIVE = re.compile(r"#\s*(?:include|import|include_next)\b")
_MISSING = re.compile(r"fatal error: (.+): No such file or directory")
_ENVIRONMENT = {**os.environ, "LC_ALL": "C"}


@dataclass(frozen=True)
class Unit:
    """One compiled source and what the build passes to its preprocessor."""

    compiler: str
    source: Path
    folder: Path
    flags: tuple[str, ...]


@dataclass
class Seen:
    """What the preprocessor saw of a tree; paths are relative to it."""

    entered: set[str] = field(default_factory=set)
    active: set[tuple[str, int]] = field(default_factory=set)
    """Files and lines of the directives in active branches."""
    edges: set[tuple[str, str]] = field(default_factory=set)
    reached: dict[str, set[str]] = field(default_factory=dict)
    """For each compiled source, the files of the tree that `gcc -MM` lists for it."""


def cmake_units(tree: Path, build: Path, *options: str) -> list[Unit]:
    """Return the units of a CMake project, configured outside its tree."""
    command = ["cmake", "-S", str(tree), "-B", str(build), "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON"]
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    database = build / "compile_commands.json"
    if not database.exists():
        raise RuntimeError(f"cmake made no compile database in {build}: {done.stderr[-500:]}")
    return [
        unit
        for entry in json.loads(database.read_text())
        for unit in _units(shlex.split(entry["command"]), Path(entry["directory"]))
    ]


def make_units(folder: Path, prepare: str, *arguments: str) -> list[Unit]:
    """Return the units that `make -n` would compile after the shell command `prepare`."""
    if prepare:
        subprocess.run(prepare, shell=True, cwd=folder, capture_output=True, check=True)
    command = ["make", "-n", "-k", "-w", "-B", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=_ENVIRONMENT)
    units: list[Unit] = []
    folders = [folder]
    for line in done.stdout.replace("\\\n", " ").splitlines():
        if match := re.search(r"Entering directory '(.+)'", line):
            folders.append(Path(match[1]))
        elif "Leaving directory" in line and len(folders) > 1:
            folders.pop()
        here = folders[-1]
        for part in re.split(r"&&|;|\|\|", re.sub(r"`test -f.*?`", "", line)):
            try:
                words = shlex.split(part.strip(" ()"))
            except ValueError:
                continue
            if words[:1] == ["cd"] and len(words) == 2:
                here = here / words[1]
            units += _units(words, here)
    return units


def _units(words: list[str], folder: Path) -> Iterator[Unit]:
    compiler = next((w for w in words if re.search(r"(^|/)(gcc|g\+\+|cc|c\+\+)$", w)), None)
    if compiler is None:
        return
    words = words[words.index(compiler) + 1 :]
    flags: list[str] = []
    sources: list[str] = []
    index = 0
    while index < len(words):
        word = words[index]
        if word in _APART and index + 1 < len(words):
            flags += [word, words[index + 1]]
            index += 1
        elif _KEPT.match(word):
            flags.append(word)
        elif word.endswith(SOURCES) and words[index - 1] != "-o":
            sources.append(word)
        index += 1
    for source in sources:
        path = Path(os.path.normpath(folder / source))
        if path.exists():
            language = "g++" if "++" in compiler or path.suffix != ".c" else "gcc"
            yield Unit(language, path, folder, tuple(flags))


def seen(tree: Path, units: list[Unit], scratch: Path, limit: int) -> Seen:
    """Return what the preprocessor sees over the sources, each as the build first compiles it.

    Of more than `limit` sources as many are taken, evenly spread over their paths.
    """
    stubs = scratch / "a/b/c/d/e/f"  # deep, so that a missing "../x.h" stays inside
    stubs.mkdir(parents=True, exist_ok=True)
    reader = _Reader(tree.resolve(), stubs)
    first = {unit.source: unit for unit in reversed(units)}
    sources = sorted(source for source in first if source.is_relative_to(tree))
    step = max(1.0, len(sources) / limit)
    for index in range(min(limit, len(sources))):
        reader.read(first[sources[int(index * step)]])
    return reader.seen


class _Reader:
    def __init__(self, tree: Path, stubs: Path) -> None:
        self.seen = Seen()
        self._tree, self._stubs = tree, stubs
        self._known: dict[tuple[Path, str, tuple[str, ...]], Path | None] = {}
        self._copies: dict[Path, str | None] = {}

    def read(self, unit: Unit) -> None:
        """Add one unit's includes."""
        output = self._preprocessed(unit)
        skipped: list[tuple[Path, int, str]] = []
        current, line = unit.source, 0
        pending: tuple[Path, int, str] | None = None
        self._enter(unit, unit.source)
        for text in output.splitlines():
            marker = _MARKER.match(text)
            if marker is None:
                if _DIRECTIVE.match(text):
                    if pending is not None:
                        skipped.append(pending)
                    pending = (current, line, text)
                elif text.strip() and pending is not None:
                    skipped.append(pending)
                    pending = None
                line += 1
                continue
            file = Path(marker[2].replace('\\"', '"').replace("\\\\", "\\"))
            if "1" in marker[3].split():
                if pending is not None:
                    self._learn(unit, pending, self._path(unit, file))
                    pending = None
                self._enter(unit, file)
            current, line = file, int(marker[1])
        if pending is not None:
            skipped.append(pending)
        for directive in skipped:
            self._ask(unit, directive)

    def _preprocessed(self, unit: Unit) -> str:
        command = [unit.compiler, "-E", "-dI", *unit.flags, "-idirafter", str(self._stubs)]
        for _ in range(300):
            done = subprocess.run(
                [*command, str(unit.source)], cwd=unit.folder, capture_output=True, env=_ENVIRONMENT
            )
            missing = _MISSING.search(done.stderr.decode("utf-8", "replace"))
            if missing is None or not self._stub(unit, missing[1]):
                break
        return done.stdout.decode("utf-8", "replace")

    def _stub(self, unit: Unit, name: str) -> bool:
        place = Path(os.path.normpath(self._stubs / name))
        if place.exists() or name.startswith("/"):
            return False
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
        return True

    def _enter(self, unit: Unit, file: Path) -> None:
        inside = self._name(self._path(unit, file))
        source = self._name(unit.source)
        if inside is not None:
            self.seen.entered.add(inside)
            if source is not None and source != inside:
                self.seen.reached.setdefault(source, set()).add(inside)

    def _path(self, unit: Unit, file: Path) -> Path:
        return Path(os.path.normpath(unit.folder / file))

    def _name(self, path: Path) -> str | None:
        return path.relative_to(self._tree).as_posix() if path.is_relative_to(self._tree) else None

    def _original(self, path: Path) -> str | None:
        """Return the file of the tree that was included, itself or as a copy that the build made."""
        name = self._name(path)
        if name is not None or not path.is_relative_to(self._tree.parent):
            return name
        if path not in self._copies:
            same = [one for one in self._tree.rglob(path.name) if one.is_file()]
            same = [one for one in same if one.read_bytes() == path.read_bytes()]
            whole = len(same) == 1 and path.stat().st_size > 0
            self._copies[path] = self._name(same[0]) if whole else None
        return self._copies[path]

    def _learn(self, unit: Unit, directive: tuple[Path, int, str], target: Path | None) -> None:
        file, line, text = directive
        includer = self._path(unit, file)
        self._known[includer.parent, text, unit.flags] = target
        name = self._name(includer)
        if name is None:
            return
        self.seen.active.add((name, line))
        inside = self._original(target) if target is not None else None
        if inside is not None and inside != name:
            self.seen.edges.add((name, inside))

    def _ask(self, unit: Unit, directive: tuple[Path, int, str]) -> None:
        """Add an include whose file a guard kept out."""
        includer = self._path(unit, directive[0])
        if self._name(includer) is None:
            return
        key = (includer.parent, directive[2], unit.flags)
        if key not in self._known:
            self._known[key] = self._found(unit, includer.parent, directive[2])
        self._learn(unit, directive, self._known[key])

    def _found(self, unit: Unit, folder: Path, directive: str) -> Path | None:
        if not re.search(r'["<]', directive):
            return None
        language = "c" if unit.compiler == "gcc" else "c++"
        command = [unit.compiler, "-E", "-iquote", str(folder), *unit.flags]
        command += ["-idirafter", str(self._stubs), "-x", language, "-"]
        done = subprocess.run(
            command, cwd=unit.folder, input=directive.encode() + b"\n", capture_output=True,
            env=_ENVIRONMENT,
        )  # fmt: skip
        for text in done.stdout.decode("utf-8", "replace").splitlines():
            marker = _MARKER.match(text)
            if marker and "1" in marker[3].split() and "stdc-predef" not in marker[2]:
                return self._path(unit, Path(marker[2]))
        return None


def copied(tree: Path, place: Path) -> Path:
    """Return a copy of a tree that a build may write to."""
    if not place.exists():
        shutil.copytree(tree, place, symlinks=True)
    return place
