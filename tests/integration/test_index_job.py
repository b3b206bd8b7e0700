"""The index job on a real cluster: the same bytes with any number of workers, and what serving finds."""

from pathlib import Path
from typing import Any

import pytest

from gristmill import recipe as recipes
from gristmill.artifacts import Artifact, Store
from gristmill.corpus.documents import read_documents
from gristmill.pipeline import steps_of
from gristmill.serving.exchange import Generation
from gristmill.serving.following import Follower
from gristmill.serving.lookups import Repeats, lookups
from jobs import index
from jobs.stage import carry_out
from tests.made_corpus import commit_corpus, package_documents

pytestmark = pytest.mark.ray

RECIPE = """
name: t
corpus: {sources: [{kind: folder, path: /nowhere}]}
index: {}
"""


def _make(folder: Path) -> tuple[Store, Artifact, Artifact]:
    recipe = recipes.parse(RECIPE)
    store = Store.open(str(folder))
    steps = steps_of(recipe, ())
    corpus = commit_corpus(store, steps["corpus"], package_documents("networkx", limit=120))
    return store, corpus, carry_out(steps["index"], steps, store, (), index.work)


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, ray_cluster: Any
) -> tuple[Store, Artifact, Artifact]:
    return _make(tmp_path_factory.mktemp("index"))


def test_the_same_corpus_leaves_the_same_bytes(
    made: tuple[Store, Artifact, Artifact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "UNIT_BYTES", 100_000)  # many units where there was one
    _, _, again = _make(tmp_path)
    assert again.record.fingerprint == made[2].record.fingerprint
    assert set(again.record.files) == set(made[2].record.files)
    for path in made[2].record.files:
        assert again.storage.read_bytes(path) == made[2].storage.read_bytes(path), path


def test_a_copy_of_a_training_file_is_found_and_a_held_out_one_is_not(
    made: tuple[Store, Artifact, Artifact],
) -> None:
    folder = made[2].storage.local()
    watcher, repositories = lookups(folder, Repeats())
    assert watcher is not None and repositories is not None
    document = next(iter(read_documents(made[1].storage)))
    file = max(document.files, key=lambda one: len(one.text))
    found = watcher.index.find(file.text[200:3000], 64)
    assert found[0].repository == document.repository
    extra = repositories.extra(
        Generation(prompts=(file.text[:2000],), repository=document.repository, file_path=file.path)
    )
    assert extra and file.path not in [path for path, _ in extra]


def test_an_endpoint_finds_the_index_of_the_corpus_that_its_model_is_of(
    made: tuple[Store, Artifact, Artifact], tmp_path: Path
) -> None:
    store, corpus, artifact = made
    follower = Follower(store.storage.url, corpus.label, tmp_path)
    assert follower.fetch_index(corpus.label) == artifact.storage.local()
