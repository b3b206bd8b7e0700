import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray

from gristmill.model.folder import save_model
from gristmill.model.llama import Llama, LlamaConfig, initialize
from gristmill.tokens.tokenizer import Tokenizer
from jobs import evaluate
from jobs.stage import Outcome, StageContext, carry_out
from tests.made_store import made_store

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module", autouse=True)
def driver(ray_cluster: Any) -> Iterator[None]:
    """Connect to the session's cluster, and let go of it before it ends."""
    ray.init(ignore_reinit_error=True, log_to_driver=False)
    yield
    ray.shutdown()


RECIPE = """
name: tiny
corpus: {sources: [{kind: folder, path: /nowhere}]}
tokenizer: {vocab_size: 320}
tokens: {sequence_length: 256}
model: {size: tiny}
pretrain: {batch_sequences: 4, learning_rate: 1e-3, steps: 2}
evaluate:
  models: [initial, pretrain]
  infilling_tasks: 12
  loss_files: 6
  benchmark_tasks: 3
  benchmark_new_tokens: 16
"""


def _model(context: StageContext) -> Outcome:
    """Leave a model that nobody trained: other weights than the initial one."""
    tokenizer = Tokenizer.load(context.inputs["tokenizer"].storage)
    shape = context.recipe.model.resolved()
    model = Llama(LlamaConfig(shape, tokenizer.vocab_rows, 256, shape.rope_theta))
    initialize(model, 0.02, 7)
    folder = context.draft.storage.local()
    assert folder is not None
    tokenizer_folder = context.inputs["tokenizer"].storage.local()
    save_model(folder / "model", model, tokenizer_folder, eos=tokenizer.special.eos)
    return Outcome()


def test_models_are_scored_on_the_same_items(tmp_path: Path) -> None:
    store, _, steps = made_store(tmp_path / "store", RECIPE)
    carry_out(steps["tokens"], steps, store, (), lambda _: Outcome())
    carry_out(steps["pretrain"], steps, store, (), _model)
    before = {tuple(sorted(group)) for group in _placement_groups()}
    artifact = carry_out(steps["evaluate"], steps, store, (), evaluate.work)
    assert {tuple(sorted(group)) for group in _placement_groups()} == before

    scores = json.loads(artifact.storage.read_bytes("scores.json"))
    rows = artifact.storage.read_bytes("outcomes.jsonl").decode().splitlines()
    outcomes = [json.loads(row) for row in rows]
    for model in ("initial", "pretrain"):
        found = {(s["benchmark"], s["metric"]): s for s in scores if s["model"] == model}
        assert found["infilling", "exact_match"]["num"] == 12
        assert found["loss", "bits_per_byte"]["num"] == 6
        for score in found.values():
            if score["value"] is not None:
                assert score["low"] <= score["value"] <= score["high"]
    asked = {
        model: [(o["benchmark"], o["task"]) for o in outcomes if o["model"] == model]
        for model in ("initial", "pretrain")
    }
    assert sorted(asked["initial"]) == sorted(asked["pretrain"])
    humaneval = [score for score in scores if score["benchmark"] == "humaneval"]
    assert len(humaneval) == 2
    if shutil.which("bwrap") is None:
        assert humaneval[0]["value"] is None and "bubblewrap" in humaneval[0]["reason"]
    else:
        assert humaneval[0]["num"] == 3 and "bubblewrap" in humaneval[0]["sandbox"]
    page = artifact.storage.read_bytes("report.html").decode()
    assert "Single-line infilling" in page and "<script" not in page
    assert artifact.record.metrics["initial_loss_bits_per_byte"] > 1


def _placement_groups() -> list[list[str]]:
    table = ray.util.placement_group_table()
    return [[key] for key, group in table.items() if group["state"] != "REMOVED"]
