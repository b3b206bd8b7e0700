"""Stages through Ray on an S3-compatible store: what a cluster's workers read and write is remote."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs
import pytest
import ray
from moto.server import ThreadedMotoServer

from gristmill import recipe as recipes
from gristmill.artifacts import Store
from gristmill.corpus.sources import resolve_sources
from gristmill.lineage import walk_back
from gristmill.pipeline import steps_of
from gristmill.training.metrics import read_metrics
from jobs import corpus, pretrain, tokenizer, tokens
from jobs.stage import carry_out
from tests.made_repositories import write_repositories

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
RECIPE = """
name: far
corpus:
  sources: [{{kind: folder, path: {folder}}}]
  decontaminate: [humaneval]
  held_out: {{share: 0.1, max_files: 10}}
tokenizer: {{vocab_size: 320}}
tokens: {{sequence_length: 128}}
model: {{size: tiny}}
pretrain:
  batch_sequences: 2
  learning_rate: 3e-3
  steps: 4
  schedule: {{warmup_steps: 1}}
  checkpoint_every: 2
"""
WORK = {
    "corpus": corpus.work,
    "tokenizer": tokenizer.work,
    "tokens": tokens.work,
    "pretrain": pretrain.work,
}


@pytest.fixture(scope="module")
def url(ray_cluster: Any) -> Iterator[str]:
    """A store on an S3-compatible server, reachable and writable from every worker."""
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    moto.start()
    _, port = moto.get_host_and_port()
    keys = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    patch = pytest.MonkeyPatch()
    for name, value in keys.items():
        patch.setenv(name, value)
    if ray.is_initialized():
        ray.shutdown()
    ray.init(runtime_env={"env_vars": keys}, log_to_driver=False)
    query = f"endpoint_override=127.0.0.1%3A{port}&scheme=http&region=us-east-1"
    filesystem, _ = pafs.FileSystem.from_uri(f"s3://far/store?{query}&allow_bucket_creation=true")
    filesystem.create_dir("far")
    yield f"s3://far/store?{query}"
    ray.shutdown()
    patch.undo()
    moto.stop()


def test_a_model_is_made_and_walked_back_with_nothing_on_this_disk(
    url: str, tmp_path: Path
) -> None:
    folder = write_repositories(tmp_path / "folder")
    recipe = recipes.parse(RECIPE.format(folder=folder))
    sources = resolve_sources(recipe.corpus)
    steps = steps_of(recipe, sources)
    store = Store.open(url)
    before = set(os.listdir())
    for key, work in WORK.items():
        carry_out(steps[key], steps, store, sources, work)
    assert set(os.listdir()) == before
    model = store.get("far-pretrain")
    assert {"model/config.json", "model/model.safetensors"} <= set(model.record.files)
    assert [line["step"] for line in read_metrics(model.storage)] == [1, 2, 3, 4]
    assert any(path.startswith("checkpoints/") for path in model.record.files)
    walk = walk_back(store, model)
    assert {source.repository for source in walk.sources} == {f"repo{i}" for i in range(6)}
    assert walk.missing == ()
