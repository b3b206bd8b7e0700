"""File-level dependencies of compiled Java, as jdeps tells them of what javac makes.

javac is given all files of a source tree at once, without annotation processors. Files that need a
library that is not there are left out of the comparison, on both ends of an edge.
"""

import re
import shutil
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.bench.class_files import ClassFile, read_classes

_ARROW = re.compile(r"^\s+(\S+)\s+->\s+(\S+)")
_ERROR = re.compile(r"(/.*?\.java):\d+: error:")
_MAX_ROUNDS = 12
_PACKAGE = re.compile(r"^\s*package\s+([\w.]+)\s*;", re.MULTILINE)


@dataclass(frozen=True)
class Compiled:
    """The classes of one source tree, and the uses between them."""

    classes: dict[str, ClassFile]
    uses: frozenset[tuple[str, str]]
    """(class, class that it uses), by name, both of this tree."""
    paths: dict[tuple[str, str], str]
    """(package, file name) -> the file's path, relative to the tree."""

    def path(self, name: str) -> str | None:
        """Return the file that declares a class."""
        found = self.classes.get(name)
        return None if found is None else self.paths.get((name.rpartition(".")[0], found.source))

    @cached_property
    def edges(self) -> set[tuple[str, str]]:
        """Return (importer, imported) by path; a file's use of itself is no edge."""
        found = {(self.path(user), self.path(used)) for user, used in self.uses}
        return {(a, b) for a, b in found if a is not None and b is not None and a != b}

    @cached_property
    def files(self) -> set[str]:
        """Return the files that classes were made of."""
        return {path for name in self.classes if (path := self.path(name)) is not None}

    @cached_property
    def erased(self) -> set[str]:
        """Return the files of annotations whose uses leave nothing that jdeps looks at."""
        found = {self.path(name) for name, one in self.classes.items() if one.erased}
        return {path for path in found if path is not None}

    @cached_property
    def constants(self) -> dict[str, frozenset[str]]:
        """Return by file the constants whose users carry the value and no trace of the class."""
        by_file: dict[str, frozenset[str]] = defaultdict(frozenset)
        for name, one in self.classes.items():
            path = self.path(name)
            if path is not None:
                by_file[path] |= one.constants
        return by_file


def compile_tree(tree: Path, files: list[str], out: Path) -> Compiled:
    """Compile the files of a source tree and read what uses what.

    Files that javac reports errors in are left away, and the rest is tried again.
    """
    left = files
    for _ in range(_MAX_ROUNDS):
        wrong = _javac(tree, left, out)
        if not wrong:
            break
        left = [path for path in left if path not in wrong]
    classes = read_classes(out)
    paths = {}
    for path in left:
        package = _PACKAGE.search((tree / path).read_text("utf-8", "replace"))
        paths[package[1] if package else "", path.rpartition("/")[2]] = path
    command = ["jdeps", "-verbose:class", "-filter:none", "--ignore-missing-deps", str(out)]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    arrows = filter(None, map(_ARROW.match, listed.stdout.splitlines()))
    uses = ((arrow[1], arrow[2]) for arrow in arrows)
    known = frozenset((user, used) for user, used in uses if user in classes and used in classes)
    return Compiled(classes, known, paths)


def _javac(tree: Path, files: list[str], out: Path) -> set[str]:
    """Compile into an empty folder; return the files with errors."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    listing = out.with_suffix(".files")
    listing.write_text("".join(f'"{tree / path}"\n' for path in files))
    command = ["javac", "-d", str(out), "-cp", str(out), "-proc:none", "-nowarn"]
    command += ["-encoding", "UTF-8", "-Xmaxerrs", "100000", "--release", "11", f"@{listing}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=out)
    found = (_ERROR.match(line) for line in done.stderr.splitlines())
    wrong = {Path(match[1]).relative_to(tree).as_posix() for match in found if match}
    assert wrong or done.returncode == 0, done.stderr[-2000:]
    return wrong
