"""Java import edges of real repositories against jdeps, on what javac makes of them.

    pytest tests/bench/test_imports_java_truth.py -m truth

Compared are pairs of files between the repository's own non-test files that javac compiles. `type use`
leaves out, of our edges and of jdeps' alike, pairs whose use cannot be told from a class file or from
the importer's text: unused imports, constants that the compiler copies or an annotation is given,
annotations that are not kept until run time, and types that the importer never names (they stand in
descriptors of what it calls); `java_uses.py` finds these by words, without the resolver. `all`, which is
printed and not gated, compares with every pair of jdeps. Some repositories were looked at while the rules
were written, the held-out ones were not.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest

from gristmill.corpus.files import SourceFile
from gristmill.corpus.imports import import_edges
from tests.bench.java_uses import Uses
from tests.bench.jdeps import compile_tree
from tests.bench.repositories import debian

SEEN = {
    "commons-io": "src/main/java",
    "joda-convert": "src/main/java",
    "libcommons-lang3-java": "src/main/java",
    "libcommons-collections4-java": "src/main/java",
    "libcommons-compress-java": "src/main/java",
    "httpcomponents-core": "httpcore/src/main",
}
HELD_OUT = {
    "libcommons-codec-java": "src/main/java",
    "libcommons-net-java": "src/main/java",
    "zxing": "core/src/main/java",
    "commons-pool2": "src/main/java",
    "jline3": "terminal/src/main/java",
    "jackson-core": "src/main/java",
    "tomcat10": "java",
    "antlr4": "runtime/Java/src",
    "libhamcrest-java": "hamcrest/src/main/java",
    "hsqldb": "hsqldb/src",
}
BAR = 0.97
pytestmark = [pytest.mark.truth, pytest.mark.jdk, pytest.mark.timeout(3600)]

Pairs = set[tuple[str, str]]


@dataclass(frozen=True)
class Scores:
    """How two sets of pairs agree."""

    ours: Pairs
    truth: Pairs

    @property
    def precision(self) -> float:
        return len(self.ours & self.truth) / max(len(self.ours), 1)

    @property
    def recall(self) -> float:
        return len(self.ours & self.truth) / max(len(self.truth), 1)

    @property
    def f1(self) -> float:
        return 2 * len(self.ours & self.truth) / max(len(self.ours) + len(self.truth), 1)

    def __str__(self) -> str:
        return f"{self.precision:11.4f}{self.recall:8.4f}{self.f1:8.4f}"


def test_java_edges_agree_with_jdeps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    worst = 1.0
    with capsys.disabled():
        print(f"\n{'':40}{'type use: precision recall F1':>36}{'all: precision recall F1':>28}")
        for label, repositories in (("seen", SEEN), ("held out", HELD_OUT)):
            for name, folder in repositories.items():
                num_files, use, everything = compared(name, folder, tmp_path / name)
                worst = min(worst, use.f1)
                row = f"{name:29}{label:9}{num_files:5} files{len(use.truth):6}"
                print(f"{row}{use}{len(everything.truth):6}{everything}")
    assert worst >= BAR


def compared(name: str, folder: str, out: Path) -> tuple[int, Scores, Scores]:
    """Return the number of files compared, the scores on type use, and those on all pairs."""
    tree = debian(name)
    paths = sorted((tree / folder).rglob("*.java"))
    files = [
        SourceFile(path.relative_to(tree).as_posix(), "Java", path.read_text("utf-8", "replace"))
        for path in paths
        if path.name != "module-info.java"
    ]
    compiled = compile_tree(tree, [file.path for file in files], out)
    assert len(compiled.files) >= len(files) // 2, f"javac made little of {name}"
    uses = Uses({file.path: file.text for file in files}, compiled)
    ours = {
        (edge.importer, edge.imported)
        for edge in import_edges(files)
        if edge.importer in compiled.files and edge.imported in compiled.files
    }
    traced = [{pair for pair in pairs if uses.traced(*pair)} for pairs in (ours, compiled.edges)]
    return len(compiled.files), Scores(*traced), Scores(ours, compiled.edges)
