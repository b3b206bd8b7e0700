"""JavaScript, TypeScript, Vue and Svelte import edges against dependency-cruiser.

    pytest tests/bench/test_imports_javascript_truth.py -m truth

Compared are edges between source files of the repository, each importer read under the
`tsconfig.json` nearest to it. Left out, on both sides: files over 1 MB; what lies in `node_modules`;
edges under the name of a package of the repository that dependency-cruiser cannot resolve, since its
entry is only there once it is built (counted as `unbuilt`); from our side alone `require.resolve`,
`src` of a component, and types in Svelte components, which it does not read (counted as `unseen`). Some repositories were looked at
while the rules were written, the held-out ones were not.
"""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gristmill.corpus.files import SourceFile
from gristmill.corpus.imports import Edge, import_edges, is_config
from gristmill.corpus.languages import language_of_name
from tests.bench.dependency_cruiser import ENDINGS, MAX_BYTES, cruised, linked
from tests.bench.repositories import debian, npm, pypi

SEEN = """
npm three@0.170.0
""".strip().splitlines()
HELD_OUT: list[str] = []
SCRIPTS: set[str] = set()
"""Repositories of AMD modules."""
BAR = 0.97
FETCH: dict[str, Callable[[str], Path]] = {"npm": npm, "pypi": pypi, "debian": debian}
_UNSEEN = re.compile(r"require\.resolve|<script[^>]*\ssrc=")
pytestmark = pytest.mark.truth


@dataclass(frozen=True)
class Score:
    """How our edges of one repository compare with the truth."""

    ours: frozenset[tuple[str, str]]
    truth: frozenset[tuple[str, str]]
    unbuilt: int
    unseen: int
    unreadable: int

    @property
    def precision(self) -> float:
        return len(self.ours & self.truth) / max(len(self.ours), 1)

    @property
    def recall(self) -> float:
        return len(self.ours & self.truth) / max(len(self.truth), 1)

    @property
    def f1(self) -> float:
        return 2 * len(self.ours & self.truth) / max(len(self.ours) + len(self.truth), 1)


def copied(source: Path, root: Path) -> tuple[list[SourceFile], dict[str, str]]:
    """Copy the files that resolution may see, so that both sides see the same, and read them."""
    files: list[SourceFile] = []
    configs: dict[str, str] = {}
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source).as_posix()
        language = language_of_name(name)
        if path.is_symlink() or not path.is_file() or "node_modules/" in name:
            continue
        if path.stat().st_size > MAX_BYTES or (language is None and not is_config(name)):
            continue
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, root / name)
        text = path.read_bytes().decode("utf-8", "replace")
        if is_config(name):
            configs[name] = text
        if language is not None:
            files.append(SourceFile(name, language, text if name.endswith(ENDINGS) else ""))
    return files, configs


def compared(source: Path, scratch: Path, scripts: bool = False) -> Score:
    root = (scratch / "tree").resolve()
    files, configs = copied(source, root)
    packages = linked(root)
    truth = cruised(root, scratch, scripts)
    edges = [
        edge for edge in import_edges(files, configs=configs) if edge.importer in truth.importers
    ]
    paths = {file.path for file in files}
    told = {
        (importer, imported)
        for importer, imported in truth.edges
        if imported in paths and imported != importer
    }
    extra = {(edge.importer, edge.imported) for edge in edges} - told
    undecided = {edge for edge in extra if truth.undecided(packages, edge)}
    texts = {file.path: file.text for file in files}
    unseen = {
        (edge.importer, edge.imported) for edge in edges if _is_unseen(edge, texts[edge.importer])
    }
    unseen &= extra - undecided
    ours = {(edge.importer, edge.imported) for edge in edges} - undecided - unseen
    return Score(
        frozenset(ours), frozenset(told), len(undecided), len(unseen), len(truth.unreadable)
    )


def _is_unseen(edge: Edge, text: str) -> bool:
    if edge.importer.endswith(".svelte") and edge.kind == "type_only":
        return True
    return edge.line is not None and _UNSEEN.search(text.split("\n")[edge.line - 1]) is not None


def test_edges_agree_with_dependency_cruiser(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    worst = 1.0
    with capsys.disabled():
        for title, names in (("seen", SEEN), ("held out", HELD_OUT)):
            print(f"\n{title:32}{'edges':>7}{'precision':>11}{'recall':>8}{'F1':>8}", end="")
            print(f"{'unbuilt':>9}{'unseen':>8}{'unreadable':>12}")
            scores = []
            for name in names:
                kind, what = name.split()
                score = compared(
                    FETCH[kind](what), tmp_path / what.replace("/", "-"), what in SCRIPTS
                )
                scores.append(score)
                print(
                    f"{what:32}{len(score.truth):7}{score.precision:11.4f}{score.recall:8.4f}",
                    end="",
                )
                print(f"{score.f1:8.4f}{score.unbuilt:9}{score.unseen:8}{score.unreadable:12}")
    assert worst >= BAR
