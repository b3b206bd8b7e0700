"""C and C++ include edges of real repositories against gcc's preprocessor.

    pytest tests/bench/test_imports_c_truth.py -m truth

The flags are the project's own (see gcc_truth.py): CMake's compile database, or what `make -n` would
run after `configure`. Our side sees the tree as it was released: no build, no flags, no made files.
Compared are direct edges between files of the tree, pairs (includer, included). An includer counts
when a compiled source reached it. Recall is over all pairs that the preprocessor saw; precision is
over these and our edges whose directive was in an active branch: an edge in a branch that this build
does not take is not judged, but counted (`inactive`). Includes of files in no language of the corpus
(`.def`, `.in`) are counted apart (`unlisted`). `-MM` is the share of what `gcc -MM` lists for the compiled
sources that our edges reach from them. Of a project with more than 150 sources 150 are taken, spread evenly.

Some repositories were looked at while the rules were written, the held-out ones were not.
"""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from gristmill.corpus.files import SourceFile
from gristmill.corpus.imports import Edge, import_edges, is_config
from gristmill.corpus.languages import language_of
from tests.bench.gcc_truth import Seen, Unit, cmake_units, make_units, seen
from tests.bench.repositories import debian

BAR = 0.97
MOST_SOURCES = 150
FAMILY = ("C", "C++", "CUDA")
pytestmark = [pytest.mark.truth, pytest.mark.toolchain, pytest.mark.timeout(1800)]


@dataclass(frozen=True)
class Build:
    """How the units of a project are found: by CMake, or by make after a shell command."""

    folder: str = ""
    options: tuple[str, ...] = ()
    make: bool = False
    prepare: str = ""

    def units(self, tree: Path, scratch: Path) -> list[Unit]:
        if self.make:
            return make_units(tree / self.folder, self.prepare, *self.options)
        return cmake_units(tree / self.folder, scratch / "build", *self.options)


def cmake(*options: str, folder: str = "") -> Build:
    return Build(folder, options)


def make(*options: str, prepare: str = "", folder: str = "") -> Build:
    return Build(folder, options, make=True, prepare=prepare)


SEEN = {
    "brotli": cmake(),
    "c-ares": cmake(),
    "curl": cmake("-DENABLE_MANUAL=OFF"),
    "expat": cmake(folder="expat"),
    "git": make("NO_CURL=1", "NO_GETTEXT=1", "NO_TCLTK=1", "NO_PERL=1", "NO_PYTHON=1", "all"),
    "jansson": cmake(),
    "leveldb": cmake("-DLEVELDB_BUILD_TESTS=OFF", "-DLEVELDB_BUILD_BENCHMARKS=OFF"),
    "libpng1.6": cmake(),
    "libuv1": cmake(),
    "lua5.4": make("linux", folder="src"),
    "nghttp2": cmake(),
    "re2": make("all", "obj/test/re2_test"),
    "redis": make("MALLOC=libc", folder="src"),
    "spdlog": cmake("-DSPDLOG_BUILD_TESTS=ON"),
    "zlib": make("all", "test", prepare="./configure"),
}
HELD_OUT = {
    "abseil": cmake(),
    "cjson": cmake(),
    "flac": cmake("-DWITH_OGG=OFF"),
    "flatbuffers": cmake(),
    "googletest": cmake("-Dgtest_build_tests=ON", "-Dgmock_build_tests=ON"),
    "harfbuzz": cmake(),
    "libevent": cmake(),
    "libssh2": cmake(),
    "libzstd": cmake(folder="build/cmake"),
    "mbedtls": cmake(),
    "openjpeg2": cmake(),
    "yaml-cpp": cmake("-DYAML_CPP_BUILD_TESTS=OFF"),
}


@dataclass(frozen=True)
class Score:
    """Pairs of files, and what they say of our edges."""

    num_both: int
    num_wrong: int
    num_missed: int
    num_inactive: int
    num_unlisted: int
    reach: float

    @property
    def precision(self) -> float:
        return self.num_both / max(1, self.num_both + self.num_wrong)

    @property
    def recall(self) -> float:
        return self.num_both / max(1, self.num_both + self.num_missed)

    @property
    def f1(self) -> float:
        return 2 * self.num_both / max(1, 2 * self.num_both + self.num_wrong + self.num_missed)


def read(tree: Path) -> tuple[list[SourceFile], dict[str, str]]:
    """Return the source files of a tree, with their text where it matters, and the configurations."""
    files: list[SourceFile] = []
    configs: dict[str, str] = {}
    for path in sorted(tree.rglob("*")):
        if not path.is_file() or path.is_symlink():
            continue
        name, text = path.relative_to(tree).as_posix(), path.read_bytes().decode("utf-8", "replace")
        if is_config(name):
            configs[name] = text
        language = language_of(name, text)
        if language is not None:
            files.append(SourceFile(name, language, text if language in FAMILY else ""))
    return files, configs


def score(files: Iterable[SourceFile], ours: Iterable[Edge], truth: Seen) -> Score:
    language = {file.path: file.language for file in files}
    judged = {path for path in truth.entered if language.get(path) in FAMILY}
    lines = {(e.importer, e.imported): e.line or 0 for e in ours if e.language in FAMILY}
    known = {pair for pair in truth.edges if pair[0] in judged}
    wanted = {pair for pair in known if pair[1] in language}
    mine = {pair for pair in lines if pair[0] in judged}
    extra = mine - wanted
    wrong = {pair for pair in extra if (pair[0], lines[pair]) in truth.active}
    return Score(
        len(mine & wanted),
        len(wrong),
        len(wanted - mine),
        len(extra - wrong),
        len(known - wanted),
        _reach(lines, truth, language),
    )


def _reach(pairs: Iterable[tuple[str, str]], truth: Seen, language: Mapping[str, str]) -> float:
    targets: dict[str, list[str]] = {}
    for importer, imported in pairs:
        targets.setdefault(importer, []).append(imported)
    num_listed = num_reached = 0
    for source, listed in truth.reached.items():
        reached, new = {source}, [source]
        while new:
            more = {target for path in new for target in targets.get(path, ())} - reached
            reached |= more
            new = list(more)
        wanted = {path for path in listed if path in language}
        num_listed += len(wanted)
        num_reached += len(wanted & reached)
    return num_reached / max(1, num_listed)


@pytest.mark.parametrize("name", [*SEEN, *HELD_OUT])
def test_include_edges_agree_with_gcc(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build = SEEN.get(name) or HELD_OUT[name]
    if not build.make and shutil.which("cmake") is None:
        pytest.skip("no cmake here; Debian: apt install cmake")
    tree = debian(name)
    copy = tmp_path / "tree"
    shutil.copytree(tree, copy, symlinks=True)
    units = build.units(copy, tmp_path)
    truth = seen(copy, units, tmp_path / "stubs", MOST_SOURCES)
    files, configs = read(tree)
    found = score(files, import_edges(files, configs=configs), truth)
    with capsys.disabled():
        print(
            f"\n{name:12}{'held out' if name in HELD_OUT else 'seen':9}{len(files):5} files "
            f"{len(truth.reached):4} compiled {found.num_both + found.num_missed:5} edges  "
            f"precision {found.precision:.4f} recall {found.recall:.4f} F1 {found.f1:.4f}  "
            f"-MM {found.reach:.4f}  inactive {found.num_inactive} unlisted {found.num_unlisted}"
        )
    assert found.num_both > 0, f"{name}: gcc saw no edge; the build gave {len(units)} units"
    assert found.f1 >= BAR
