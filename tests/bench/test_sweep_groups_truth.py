"""A sweep leaves no placement group behind, whoever of its trials is stopped, and none of its files.

pytest tests/bench/test_sweep_groups_truth.py -m truth
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray

from gristmill.training.metrics import read_metrics
from jobs import sweep, tokens
from jobs.stage import carry_out
from tests.made_store import made_store

pytestmark = [pytest.mark.ray, pytest.mark.truth, pytest.mark.timeout(900)]
RECIPE = """
name: groups
corpus: {sources: [{kind: folder, path: /nowhere}]}
tokenizer: {vocab_size: 320}
tokens: {sequence_length: 128}
model: {size: tiny}
pretrain: {batch_sequences: 4, learning_rate: 3e-3, steps: 4, micro_batch: 4, schedule: {warmup_steps: 1}}
"""
STOPPED = (
    RECIPE
    + """\
sweep:
  space: {pretrain.learning_rate: [3e-3, 1e-9, 1e-8, 1e-7]}
  steps: 12
  evals: 3
  eval_files: 4
  concurrent: 2
"""
)
BRANCHED = (
    RECIPE
    + """\
sweep:
  direct: true
  points:
    - {label: three, pretrain.schedule.kind: three_stage}
    - {label: wsd, pretrain.schedule.kind: wsd}
  seeds: 2
  steps: 10
  evals: 1
  eval_files: 4
  scheduler: none
  concurrent: 1
"""
)


@pytest.fixture(scope="module", autouse=True)
def driver(ray_cluster: Any) -> Iterator[None]:
    """Connect to the session's cluster, and let go of it before it ends."""
    ray.init(ignore_reinit_error=True, log_to_driver=False)
    yield
    ray.shutdown()


def swept(folder: Path, recipe: str) -> Any:
    """Return the sweep's artifact; no placement group is there that was not before."""
    store, _, steps = made_store(folder / "store", recipe)
    for key in [key for key, step in steps.items() if step.stage == "tokens"]:
        carry_out(steps[key], steps, store, (), tokens.work)
    before = open_groups()
    artifact = carry_out(steps["sweep"], steps, store, (), sweep.work)
    assert open_groups() == before
    return artifact


def open_groups() -> set[str]:
    table = ray.util.placement_group_table()
    return {key for key, group in table.items() if group["state"] != "REMOVED"}


def test_trials_that_asha_stops_leave_no_group(tmp_path: Path) -> None:
    artifact = swept(tmp_path, STOPPED)
    trials = json.loads(artifact.storage.read_bytes("trials.json"))["trials"]
    assert {row["status"] for row in trials} == {"finished", "stopped"}
    assert all(row["reason"] for row in trials)
    assert all(artifact.storage.list(row["curve"]["tensorboard"]) for row in trials)


def test_a_branch_in_a_reused_process_is_the_run_that_was_never_cut(tmp_path: Path) -> None:
    artifact = swept(tmp_path, BRANCHED)
    trials = json.loads(artifact.storage.read_bytes("trials.json"))["trials"]
    assert [row["began_at"] for row in trials] == [0, 8, 0, 8]
    lines = [read_metrics(artifact.storage.child(f"trials/{n:03d}")) for n in range(4)]
    assert [[line["step"] for line in each] for each in lines] == [list(range(1, 11))] * 4
    for trunk, branch in ((0, 1), (2, 3)):
        losses = [[line["loss"] for line in lines[n]] for n in (trunk, branch)]
        assert losses[0][:9] == losses[1][:9]  # rates part at step 9, its update shows at 10
    assert lines[0][0]["loss"] != lines[2][0]["loss"]
