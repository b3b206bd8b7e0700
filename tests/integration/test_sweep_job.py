import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray

from gristmill import recipe as recipes
from jobs import sweep, tokens
from jobs.stage import carry_out
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
tokens: {sequence_length: 128}
model: {size: tiny}
pretrain: {batch_sequences: 4, learning_rate: 3e-3, steps: 4, micro_batch: 4, schedule: {warmup_steps: 1}}
sweep: {space: {tokens.fim.rate: [0.0, 0.5]}, steps: 6, evals: 2, eval_files: 4, concurrent: 2}
"""


def test_a_sweep_leaves_curves_a_figure_and_a_recipe_and_frees_the_pool(tmp_path: Path) -> None:
    store, recipe, steps = made_store(tmp_path / "store", RECIPE)
    for key in [key for key, step in steps.items() if step.stage == "tokens"]:
        carry_out(steps[key], steps, store, (), tokens.work)
    before = _open_groups()
    artifact = carry_out(steps["sweep"], steps, store, (), sweep.work)
    assert _open_groups() == before

    trials = json.loads(artifact.storage.read_bytes("trials.json"))
    assert [row["values"]["tokens.fim.rate"] for row in trials["trials"]] == [0.0, 0.5]
    assert all(row["reason"] for row in trials["trials"])
    finished = [row for row in trials["trials"] if row["status"] == "finished"]
    assert finished and all(row["steps"] == 6 for row in finished)
    assert trials["best"] in [row["trial"] for row in finished]
    lines = artifact.storage.read_bytes("curves.jsonl").decode().splitlines()
    curves = [json.loads(line) for line in lines]
    for row in trials["trials"]:
        curve = [point["step"] for point in curves if point["trial"] == row["trial"]]
        assert curve == [3, 6][: len(curve)]
    assert artifact.storage.read_bytes("figure.png").startswith(b"\x89PNG")
    assert not [path for path in artifact.record.files if path.endswith(".safetensors")]

    local = artifact.storage.local()
    assert local is not None
    best = recipes.load(local / "best.yaml")
    assert best.sweep is None
    assert best.tokens.fim.rate == trials["trials"][trials["best"]]["values"]["tokens.fim.rate"]
    assert best.corpus == recipe.corpus


def _open_groups() -> set[str]:
    table = ray.util.placement_group_table()
    return {key for key, group in table.items() if group["state"] != "REMOVED"}
