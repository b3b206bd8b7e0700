import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from ray import cloudpickle

from gristmill import recipe as recipes
from gristmill.errors import RecipeError
from gristmill.pipeline import trials_of
from gristmill.storage import Storage
from gristmill.training.request import TrainRequest
from jobs import sweep, sweep_trials
from jobs.pool import Pool
from jobs.stage import Outcome, StageContext, carry_out
from tests.made_corpus import CODE, document, write_documents
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


def in_context(folder: Path, work: Any, recipe: str = RECIPE) -> Any:
    """Run `work` as the sweep step of a made store."""
    store, _, steps = made_store(folder / "store", recipe)
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
        pool = Pool({"pool": "train"}, 4, False)
        for order in sweep.orders_of(context, trials_of(context.recipe), pool).values():
            assert (order.workers, order.selector, order.trunk) == (1, {"pool": "train"}, None)
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
    assert table["trials"][0]["curve"]["tensorboard"] == "trials/000/tensorboard"
    arms = artifact.storage.read_bytes("arms.csv").decode().splitlines()
    assert len(arms) == 1 + 2 * 3 and arms[1].startswith('"fim.rate 0, learning_rate 0.001",fim')
    line = json.loads(artifact.storage.read_bytes("curves.jsonl").decode().splitlines()[0])
    assert line["fim_bits_per_byte"] == 4.0 and line["score"] == 3.5


SCHEDULES = """
sweep:
  points:
    - {label: three, pretrain.schedule.kind: three_stage}
    - {label: cosine, pretrain.schedule.kind: cosine}
    - {label: wsd, pretrain.schedule.kind: wsd}
    - {label: other warm-up, pretrain.schedule.kind: wsd, pretrain.schedule.warmup_steps: 1}
    - {label: other rate, pretrain.schedule.kind: wsd, pretrain.learning_rate: 1e-3}
  seeds: 2
  steps: 20
  scheduler: none
"""


def test_a_trial_parts_from_the_first_that_had_its_rates_so_far(tmp_path: Path) -> None:
    orders: dict[int, sweep_trials.Order] = {}

    def work(context: StageContext) -> Outcome:
        orders.update(sweep.orders_of(context, trials_of(context.recipe), Pool({}, 4, False)))
        return Outcome()

    in_context(tmp_path, work, RECIPE[: RECIPE.index("sweep:")] + SCHEDULES)
    trunks = {number: order.trunk and order.trunk.trial for number, order in orders.items()}
    assert trunks == {
        0: None, 1: None, 2: 0, 3: None, 4: None, 5: None, 6: None, 7: 5, 8: None, 9: None,
    }  # fmt: skip
    trunk = orders[2].trunk
    assert trunk is not None and trunk.step == 16 and trunk.output.endswith("trials/000")


def test_a_trial_takes_its_trunk_once(tmp_path: Path) -> None:
    source, output = Storage.open(str(tmp_path / "0")), Storage.open(str(tmp_path / "2"))
    trunk = sweep_trials.Trunk(0, 16, source.url)
    assert not sweep_trials.part_from(trunk, output)  # nothing there: the trial trains every step
    source.write_bytes("metrics.jsonl", b'{"step": 1}\n')
    for step in (16, 20):
        source.write_bytes(f"checkpoints/step-{step:08d}/manifest.json", b"{}")
    assert sweep_trials.part_from(trunk, output)
    assert output.folders("checkpoints") == ["step-00000016"]
    assert output.exists("metrics.jsonl") and output.exists(sweep_trials.PARTED)
    output.delete("metrics.jsonl")
    assert not sweep_trials.part_from(trunk, output)  # it has begun
    assert not output.exists("metrics.jsonl")


def test_files_that_are_asked_for_are_in_no_training_split(tmp_path: Path) -> None:
    store, _, steps = made_store(tmp_path, RECIPE)
    corpus = store.find(steps["corpus"].fingerprint)
    assert corpus is not None
    other = store.draft("other", "0" * 64)
    write_documents(other.storage, [document({"a/0.py": "a = 1\n"}, "r0", "train")])
    made = other.commit("corpus", {}, {}, CODE)
    sweep.check_held_out({"corpus": corpus, "tokenizer": made})
    with pytest.raises(
        RecipeError, match=r"1 held-out files .* training split of corpus:x, e\.g\. r0"
    ):
        sweep.check_held_out({"corpus": corpus, "corpus:x": made})


def test_progress_can_be_pickled_and_counts_all_trials(capsys: pytest.CaptureFixture[str]) -> None:
    follow = sweep_trials.Follow("sweep", 20, 2)
    trials = [SimpleNamespace(trial_id="a"), SimpleNamespace(trial_id="b")]
    follow.on_trial_result(1, trials, trials[0], {"step": 10, "score": 3.0})
    assert '"done": 10' in capsys.readouterr().out
    again = cloudpickle.loads(cloudpickle.dumps(follow))
    again.on_trial_complete(2, trials[:1], trials[0])
    assert '"done": 20' in capsys.readouterr().out
    again.progress = None
    again.on_trial_complete(3, trials, trials[1])
    assert '"done": 40' in capsys.readouterr().out


def test_asha_never_stops_a_trial_for_reaching_the_end(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    def work(context: StageContext) -> Outcome:
        seen["max"] = sweep_trials.scheduler_of(context)._max_t
        return Outcome()

    in_context(tmp_path, work)
    assert seen["max"] > 20 * 4 * 128
