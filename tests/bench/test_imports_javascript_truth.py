"""JavaScript, TypeScript, Vue and Svelte import edges against dependency-cruiser.

    pytest tests/bench/test_imports_javascript_truth.py -m truth

Compared are edges between source files of the repository, each importer read under the
`tsconfig.json` nearest to it. Left out, on both sides: files over 1 MB; what lies in `node_modules`;
edges under the name of a package of the repository that dependency-cruiser cannot resolve, since the
name's meaning is only there once something is built or bundled (counted as `unbuilt`); from our side alone `require.resolve`,
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
npm preact@10.24.3
npm svelte@5.1.0
npm carbon-components-svelte@0.85.4
npm element-ui@2.15.14
pypi jupyterlab-git==0.50.1
pypi jupyter-ai==2.24.0
pypi gradio==4.44.1
pypi apache-airflow-core==3.0.2
debian cockpit
npm chart.js@4.4.4
npm ol@10.2.1
""".strip().splitlines()
HELD_OUT = """
npm @sveltejs/kit@2.7.0
npm bootstrap-vue@2.23.1
npm buefy@0.9.29
npm discord.js@14.16.3
npm eslint@9.12.0
npm jquery@3.7.1
npm rxjs@7.8.1
npm webpack@5.95.0
npm zod@3.25.76
pypi open-webui==0.3.32
npm mocha@10.7.3
npm sequelize@6.37.3
npm vuetify@3.7.2
npm flowbite-svelte@0.46.23
npm fabric@6.4.3
npm leaflet@1.9.4
npm video.js@8.18.1
npm typeorm@0.3.20
npm @angular/material@18.2.8
""".strip().splitlines()
SCRIPTS = {"jquery@3.7.1"}
"""Repositories of AMD modules."""
BAR = 0.97
FETCH: dict[str, Callable[[str], Path]] = {"npm": npm, "pypi": pypi, "debian": debian}
_UNSEEN = re.compile(r"require\.resolve|<script[^>]*\ssrc=")
pytestmark = [pytest.mark.truth, pytest.mark.timeout(7200)]


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
    scores: list[Score] = []
    with capsys.disabled():
        for title, names in (("seen", SEEN), ("held out", HELD_OUT)):
            print(f"\n{title:34}{'edges':>7}{'precision':>11}{'recall':>8}{'F1':>8}", end="")
            print(f"{'unbuilt':>9}{'unseen':>8}{'unreadable':>12}")
            group = []
            for name in names:
                kind, what = name.split()
                scratch = tmp_path / what.replace("/", "-")
                group.append(compared(FETCH[kind](what), scratch, what in SCRIPTS))
                print_row(what, group[-1])
            print_row("together", together(group))
            scores += group
    assert together(scores).f1 >= BAR
    assert min(score.f1 for score in scores) >= BAR


def together(scores: list[Score]) -> Score:
    """Return the score over the edges of all repositories."""

    def joined(sets: list[frozenset[tuple[str, str]]]) -> frozenset[tuple[str, str]]:
        return frozenset(
            (f"{number}:{one}", f"{number}:{other}")
            for number, edges in enumerate(sets)
            for one, other in edges
        )

    return Score(
        joined([score.ours for score in scores]),
        joined([score.truth for score in scores]),
        sum(score.unbuilt for score in scores),
        sum(score.unseen for score in scores),
        sum(score.unreadable for score in scores),
    )


def print_row(name: str, score: Score) -> None:
    print(f"{name:34}{len(score.truth):7}{score.precision:11.4f}{score.recall:8.4f}", end="")
    print(f"{score.f1:8.4f}{score.unbuilt:9}{score.unseen:8}{score.unreadable:12}")
