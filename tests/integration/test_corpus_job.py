"""The corpus job through Ray: the same bytes from 1 worker and from 3, bad input and all."""

import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from gristmill import recipe as recipes
from gristmill.artifacts import Artifact, Store
from gristmill.corpus.documents import read_documents
from gristmill.corpus.sources import resolve_sources
from gristmill.errors import SourceError
from gristmill.pipeline import steps_of
from jobs import corpus
from jobs.stage import carry_out
from tests.made_repositories import write_repositories

pytestmark = [
    pytest.mark.ray,
    # Ray Data 2.60 sets its own deprecated options when its context is made
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

RECIPE = """
name: t
corpus:
  sources:
    - {{kind: folder, path: {folder}}}
    - {{kind: installed, names: [click, h11]}}
    - {{kind: archive, paths: [{archive}]}}
  decontaminate: [humaneval]
  dedup: {{level: both}}
  held_out: {{share: 0.1, max_files: 10}}
"""


def truncated_archive(path: Path) -> Path:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as archive:
        for number in range(30):
            data = f"# {os.urandom(800).hex(' ')}\n".replace(" ", "\n# ").encode()
            info = tarfile.TarInfo(f"cut-1.0/module{number}.py")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    path.write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, ray_cluster: Any) -> tuple[Artifact, Artifact]:
    root = tmp_path_factory.mktemp("corpus")
    folder = write_repositories(root / "folder")
    archive = truncated_archive(root / "cut-1.0.tar.gz")

    def make(workers: int) -> Artifact:
        text = RECIPE.format(folder=folder, archive=archive)
        recipe = recipes.parse(text, [f"corpus.workers={workers}"])
        sources = resolve_sources(recipe.corpus)
        steps = steps_of(recipe, sources)
        store = Store.open(str(root / f"store{workers}"))
        return carry_out(steps["corpus"], steps, store, sources, corpus.work)

    return make(1), make(3)


def test_one_worker_and_three_leave_the_same_bytes(made: tuple[Artifact, Artifact]) -> None:
    one, three = made
    assert one.record.fingerprint == three.record.fingerprint
    files = one.record.files
    assert files == three.record.files
    assert {
        "parts.parquet",
        "repositories.parquet",
        "report.html",
        "documents/part-00000.parquet",
    } <= set(files)
    assert not [path for path in files if path.startswith(".")]
    for path in files:
        assert one.storage.read_bytes(path) == three.storage.read_bytes(path), path


def test_bad_input_costs_that_input_only(made: tuple[Artifact, Artifact]) -> None:
    rejects = pq.read_table(f"{made[0].storage.root}/rejects/part-00000.parquet").to_pylist()
    cut = [row for row in rejects if row["repository"] == "cut"]
    assert "truncated" in [row["reason"] for row in cut]
    counts = made[0].record.counts
    assert counts["rejects_binary"] == 6 and counts["rejects_truncated"] == 1
    assert counts["repositories"] == 9


def test_the_record_names_every_repository(made: tuple[Artifact, Artifact]) -> None:
    names = {source.repository for source in made[0].record.sources}
    assert {"click", "h11", "cut", "repo0"} <= names
    documents = list(read_documents(made[0].storage))
    assert {document.repository for document in documents} <= names
    assert made[0].record.counts["documents"] > len(documents) > 5


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ("corpus.sources=[{kind: installed, names: [no-such-thing]}]", 1, "pip install"),
        ("corpus.decontaminate=[no-such-benchmark]", 2, "no bundled benchmark"),
        ("corpus.held_out={by: date, share: 0.1}", 2, "revision's date"),
        ("corpus.rules={max_file_bytes: 1, max_line: 3}", 2, "unknown key"),
    ],
)
def test_what_cannot_work_is_said_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: str, code: int, said: str
) -> None:
    arguments = ["--recipe", "smoke", "--store", str(tmp_path), "--set", changes]
    assert corpus.main(arguments) == code
    assert said in capsys.readouterr().err


def test_a_corpus_without_a_file_left_says_why(tmp_path: Path, ray_cluster: Any) -> None:
    (tmp_path / "in" / "one").mkdir(parents=True)
    (tmp_path / "in" / "one" / "a.py").write_bytes(b"a\0b")
    recipe = recipes.parse(
        f"{{name: t, corpus: {{sources: [{{kind: folder, path: {tmp_path}/in}}]}}}}"
    )
    sources = resolve_sources(recipe.corpus)
    steps = steps_of(recipe, sources)
    with pytest.raises(SourceError, match="1 binary"):
        carry_out(steps["corpus"], steps, Store.open(str(tmp_path / "store")), sources, corpus.work)
