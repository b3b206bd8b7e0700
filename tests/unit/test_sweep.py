import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from ray import cloudpickle

from gristmill import recipe as recipes
from gristmill.pipeline import trials_of
from gristmill.training.request import TrainRequest
from jobs import sweep
from jobs.pool import Pool
from jobs.stage import Outcome, StageContext, carry_out
from tests.made_store import made_store

RECIPE = """
name: tiny
corpus: {sources: [{kind: folder, path: /nowhere}]}
tokenizer: {vocab_size: 320}
tokens: {sequence_length: 128}
model: {size: tiny}
pretrain: {batch_sequences: 4, learning_rate: 3e-3, steps: 4, schedule: {warmup_steps: 50}}
sweep:
  space: {tokens.fim.rate: [0.0, 0.5], pretrain.learning_rate: [1e-3, 2e-3]}
  steps: 20
  evals: 2
  eval_files: 4
"""


def in_context(folder: Path, work: Any) -> Any:
    """Run `work` as the sweep step of a made store."""
    store, _, steps = made_store(folder / "store", RECIPE)
    for step in steps.values():
        if step.stage == "tokens":
            carry_out(step, steps, store, (), lambda _: Outcome())
    return carry_out(steps["sweep"], steps, store, (), work)


def ended(number: int, steps: tuple[int, ...], error: str = "") -> Any:
    """Return what Tune says of a trial that was measured at `steps`."""
    lines = [
        {"step": step, "tokens": step * 500, "loss": 3.0, "fim_bits_per_byte": 4.0 - number,
         "l2r_bits_per_byte": 3.0, "infilling_exact_match": 0.1}
        for step in steps
    ]  # fmt: skip
    frame = pd.DataFrame(lines) if lines else None
    return SimpleNamespace(
        config={"number": number},
        metrics_dataframe=frame,
        error=RuntimeError(error) if error else None,
    )


def test_trials_differ_in_their_values_and_in_nothing_else(tmp_path: Path) -> None:
    requests: list[TrainRequest] = []

    def work(context: StageContext) -> Outcome:
        for trial in trials_of(context.recipe):
            order = sweep._order(context, trial, Pool({"pool": "train"}, 4, False))
            assert (order.workers, order.selector) == (1, {"pool": "train"})
            requests.append(TrainRequest.model_validate_json(order.request))
        return Outcome()

    in_context(tmp_path, work)
    assert [request.training.learning_rate for request in requests] == [1e-3, 2e-3, 1e-3, 2e-3]
    assert requests[0].rows == requests[1].rows != requests[2].rows == requests[3].rows
    assert len({request.output for request in requests}) == 4
    assert (
        len({request.model_dump_json(include={"held_out", "model"}) for request in requests}) == 1
    )
    assert {request.training.schedule.warmup_steps for request in requests} == {2}
    assert {request.measure_steps() for request in requests} == {frozenset({10, 20})}


def test_how_trials_ended_is_told_and_the_best_becomes_a_recipe(tmp_path: Path) -> None:
    def work(context: StageContext) -> Outcome:
        found = [ended(0, (10, 20)), ended(1, (10,)), ended(2, (), "a\nboom"), ended(3, (10, 20))]
        rows, points = sweep._collect(context, trials_of(context.recipe), found)
        return sweep._write(context, rows, points, 4)

    artifact = in_context(tmp_path, work)
    table = json.loads(artifact.storage.read_bytes("trials.json"))
    assert [row["status"] for row in table["trials"]] == [
        "finished",
        "stopped",
        "failed",
        "finished",
    ]
    assert table["trials"][2]["reason"] == "boom"
    assert table["best"] == 3
    assert artifact.record.counts == {"trials": 4, "finished": 2, "stopped": 1, "failed": 1}
    best = recipes.load(Path(artifact.storage.root) / "best.yaml")
    assert best.pretrain is not None
    assert (best.tokens.fim.rate, best.pretrain.learning_rate) == (0.5, 2e-3)
    assert best.sweep is None


def test_progress_can_be_pickled_and_counts_all_trials(capsys: pytest.CaptureFixture[str]) -> None:
    follow = sweep._Follow("sweep", 40)
    trials = [SimpleNamespace(trial_id="a"), SimpleNamespace(trial_id="b")]
    follow.on_trial_result(1, trials, trials[0], {"step": 10, "score": 3.0})
    assert '"done": 10' in capsys.readouterr().out
    again = cloudpickle.loads(cloudpickle.dumps(follow))
    again.on_trial_complete(2, trials, trials[0])
    again.progress = None
    again.on_trial_complete(3, trials, trials[1])
    assert '"done": 40' in capsys.readouterr().out


def test_asha_never_stops_a_trial_for_reaching_the_end(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    def work(context: StageContext) -> Outcome:
        seen["max"] = sweep._scheduler(context)._max_t
        return Outcome()

    in_context(tmp_path, work)
    assert seen["max"] > 20 * 4 * 128
