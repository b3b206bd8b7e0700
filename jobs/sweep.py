"""Stage `sweep`: a grid over recipe keys -> curves, the figure, the best recipe (paper section 3.1.2).

    gristmill run figure3 sweep
    ray job submit --working-dir . -- python -m jobs.sweep --recipe figure3 --store S

Ray Tune over Ray Train. A trial is a driver that fits one TorchTrainer on the train pool, measured on
the same held-out files at the same token counts as all others; ASHA stops the worse ones by the mean of
left-to-right and FIM-middle bits per byte, never by training loss, which a FIM rate changes. All trials
have the same horizon, so learning rates decay alike. Tokens artifacts are inputs, made once and shared.

An interrupted sweep goes on: Tune restores what it had finished, and a trial's training goes on from
its newest checkpoint. Tune cannot place a trial's driver by label, so it asks for next to nothing and
may run on any node; its workers are on the train pool.
"""

import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import ray
from ray import tune
from ray.tune.integration.ray_train import TuneReportCallback
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler

from gristmill.errors import RecipeError, TrainingError
from gristmill.evaluation.heldout import samples
from gristmill.pipeline import Trial, trials_of
from gristmill.progress import LineProgress
from gristmill.recipe import dump, with_values
from gristmill.tokens.tokenizer import Tokenizer
from gristmill.training.metrics import read_metrics
from gristmill.training.request import HeldOutRequest, TrainRequest
from gristmill.training.sweep_figure import draw
from gristmill.training.sweep_report import (
    MEASURES,
    RULE,
    Point,
    TrialRow,
    best_of,
    name_of,
    page,
    score_of,
)
from jobs.pool import Pool
from jobs.stage import Outcome, StageContext, run_stage
from jobs.training import fit, fresh_model, shared_part

log = logging.getLogger(__name__)
TUNE_FOLDER = ".tune"
DRIVER_CPUS = 0.001


@dataclass(frozen=True)
class Order:
    """What a trial's driver is told."""

    request: str
    """A TrainRequest as JSON."""
    workers: int
    selector: Mapping[str, str]
    gpu: bool
    max_failures: int


class ScoreReport(TuneReportCallback):
    """Adds the score that the scheduler compares to what rank 0 measured."""

    def after_report(self, run_context: Any, metrics: Any, checkpoint: Any) -> None:
        """Pass rank 0's figures on to Tune."""
        figures = {**metrics[0], "score": score_of(metrics[0])}
        super().after_report(run_context, [figures, *metrics[1:]], checkpoint)


def run_trial(config: Mapping[str, Any], orders: Mapping[int, Order]) -> None:
    """Train one grid point: Tune runs this in a process of its own."""
    order = orders[config["number"]]
    fit(
        TrainRequest.model_validate_json(order.request),
        workers=order.workers,
        selector=order.selector,
        gpu=order.gpu,
        max_failures=order.max_failures,
        callbacks=[ScoreReport()],  # type: ignore[no-untyped-call]
    )


class _Follow(tune.Callback):
    """Says how far all trials are together. Tune pickles it, so it holds plain values only."""

    def __init__(self, key: str, total: int) -> None:
        self.key = key
        self.total = total
        self.steps: dict[str, int] = {}
        self.progress: LineProgress | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "progress": None}

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: Any, **info: Any
    ) -> None:
        """Count a measured trial's steps."""
        self.steps[trial.trial_id] = int(result.get("step", 0))
        self._update(score=float(result.get("score", math.nan)))

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """Count a trial that ended, early or not, as done."""
        self.steps[trial.trial_id] = self.total // max(len(trials), 1)
        self._update()

    def _update(self, **figures: float) -> None:
        self.progress = self.progress or LineProgress(self.key)
        done = min(sum(self.steps.values()), self.total)
        self.progress.update(done, self.total, "steps", **figures)


def work(context: StageContext) -> Outcome:
    """Run the trials, then write the table, the curves, the figure, the report and the best recipe."""
    recipe, section = context.recipe, context.recipe.sweep
    assert section is not None
    if recipe.pretrain is None:
        raise RecipeError("a sweep varies pretraining; add a pretrain section to the recipe")
    held_out = samples(context.inputs["corpus"].storage, section.eval_files, recipe.seed)
    if not held_out.files:
        raise RecipeError(
            "the corpus has no held-out files to compare trials on; raise corpus.held_out.share"
        )
    if not ray.is_initialized():
        ray.init()
    pool = Pool.of(context.label_selector)
    trials = trials_of(recipe)
    orders = {trial.number: _order(context, trial, pool) for trial in trials}
    concurrent = section.concurrent or max(1, pool.slots // section.workers_per_trial)
    context.progress.update(0, section.steps * len(trials), "steps")
    results = _fit(context, trials, orders, concurrent)
    rows, points = _collect(context, trials, results)
    if not points:
        reasons = "; ".join(f"trial {row.trial}: {row.reason}" for row in rows)
        raise TrainingError(f"no trial of step {context.step.key} was measured: {reasons}")
    return _write(context, rows, points, len(held_out.files))


def _order(context: StageContext, trial: Trial, pool: Pool) -> Order:
    sweep, section = context.recipe.sweep, trial.recipe.pretrain
    assert sweep is not None and section is not None
    warmup = min(section.schedule.warmup_steps, max(1, sweep.steps // 10))
    training = shared_part(section).model_copy(
        update={
            "steps": sweep.steps,
            "schedule": section.schedule.model_copy(update={"warmup_steps": warmup}),
            "zero_stage": min(section.zero_stage, 2),
            "checkpoint_every": max(1, math.ceil(sweep.steps / 2)),
            "keep_checkpoints": 1,
        }
    )
    tokenizer = context.inputs["tokenizer"].storage
    request = TrainRequest(
        stage=f"{context.step.key}[{trial.number}]",
        seed=trial.recipe.seed,
        steps=sweep.steps,
        training=training,
        model=fresh_model(trial.recipe, Tokenizer.load(tokenizer)),
        rows=context.inputs[trial.tokens_key].storage.url,
        tokenizer=tokenizer.url,
        output=context.draft.storage.child(_folder(trial.number)).url,
        threads=section.threads,
        held_out=HeldOutRequest(
            corpus=context.inputs["corpus"].storage.url,
            times=sweep.evals,
            files=sweep.eval_files,
            seed=context.recipe.seed,
        ),
    )
    return Order(
        request.model_dump_json(),
        sweep.workers_per_trial,
        pool.selector,
        pool.gpu,
        section.max_failures,
    )


def _fit(
    context: StageContext, trials: Sequence[Trial], orders: Mapping[int, Order], concurrent: int
) -> Sequence[Any]:
    section, storage = context.recipe.sweep, context.draft.storage
    assert section is not None
    trainable = tune.with_resources(
        tune.with_parameters(run_trial, orders=dict(orders)), {"cpu": DRIVER_CPUS}
    )
    filesystem = None if storage.local() else storage.filesystem
    where = storage.where(TUNE_FOLDER)
    tuner = None
    if tune.Tuner.can_restore(where, storage_filesystem=filesystem):
        try:
            tuner = tune.Tuner.restore(
                where, trainable, restart_errored=True, storage_filesystem=filesystem
            )
        except Exception as error:  # Tune's saved state may be cut short by what interrupted it
            log.warning("step %s: its trials begin anew: %s", context.step.key, error)
            storage.delete(TUNE_FOLDER)
    grid = (tuner or _new_tuner(context, trainable, trials, concurrent, filesystem)).fit()
    return [grid[at] for at in range(len(grid))]


def _new_tuner(
    context: StageContext, trainable: Any, trials: Sequence[Trial], concurrent: int, filesystem: Any
) -> tune.Tuner:
    section = context.recipe.sweep
    assert section is not None
    return tune.Tuner(
        trainable,
        param_space={"number": tune.grid_search([trial.number for trial in trials])},
        tune_config=tune.TuneConfig(
            metric="score",
            mode="min",
            scheduler=_scheduler(context),
            max_concurrent_trials=min(concurrent, len(trials)),
        ),
        run_config=tune.RunConfig(
            name=TUNE_FOLDER,
            storage_path=context.draft.storage.root,
            storage_filesystem=filesystem,
            callbacks=[_Follow(context.step.key, section.steps * len(trials))],
            verbose=0,
        ),
    )


def _scheduler(context: StageContext) -> TrialScheduler:
    """Return ASHA on tokens seen; its rungs lie below the horizon, so that the best always end."""
    section, pretrain = context.recipe.sweep, context.recipe.pretrain
    assert section is not None and pretrain is not None
    if section.scheduler == "none":
        return FIFOScheduler()  # type: ignore[no-untyped-call]
    horizon = section.steps * pretrain.batch_sequences * context.recipe.tokens.sequence_length
    return ASHAScheduler(
        time_attr="tokens",
        max_t=horizon + 1,
        # packed rows are a few per cent short of full: a rung just below the measure it is meant for
        grace_period=max(1, int(0.9 * section.grace_share * horizon)),
        reduction_factor=section.reduction_factor,
    )


def _collect(
    context: StageContext, trials: Sequence[Trial], results: Sequence[Any]
) -> tuple[list[TrialRow], list[Point]]:
    """Return how each trial went and its curve, from Tune's record and the trials' own metrics."""
    section = context.recipe.sweep
    assert section is not None
    by_number = {result.config["number"]: result for result in results}
    rows: list[TrialRow] = []
    points: list[Point] = []
    for trial in trials:
        result = by_number[trial.number]
        lines = read_metrics(context.draft.storage.child(_folder(trial.number)))
        frame = result.metrics_dataframe
        lines += [] if frame is None else frame.to_dict("records")
        curve = {
            int(line["step"]): Point(
                trial.number,
                int(line["step"]),
                int(line["tokens"]),
                float(line["loss"]),
                *(float(line[name]) for name in MEASURES),
            )
            for line in lines
            if all(name in line for name in MEASURES)
        }
        found = [curve[step] for step in sorted(curve)]
        points += found
        rows.append(_row(trial, found, result.error, section.steps))
    return rows, points


def _row(trial: Trial, curve: Sequence[Point], error: object, steps: int) -> TrialRow:
    last = curve[-1] if curve else None
    if last is not None and last.step >= steps:
        status, reason = "finished", f"ran its {steps} steps"
    elif error is not None:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        status, reason = "failed", lines[-1][:300] if lines else type(error).__name__
    elif last is not None:
        status = "stopped"
        reason = f"among the worse at {last.tokens:,} tokens (score {last.score:.3f})"
    else:
        status, reason = "failed", "ended before its first measure"
    return TrialRow(
        trial.number,
        dict(trial.values),
        status,
        reason,
        last.step if last else 0,
        last.tokens if last else 0,
        last.score if last else None,
    )


def _write(
    context: StageContext, rows: Sequence[TrialRow], points: Sequence[Point], num_files: int
) -> Outcome:
    storage, recipe = context.draft.storage, context.recipe
    best = best_of(rows)
    table = {
        "rule": RULE,
        "best": None if best is None else best.trial,
        "trials": [asdict(row) for row in rows],
    }
    storage.write_bytes("trials.json", json.dumps(table, indent=1).encode())
    curves = "".join(json.dumps({**asdict(point), "score": point.score}) + "\n" for point in points)
    storage.write_bytes("curves.jsonl", curves.encode())
    picture = draw(rows, points)
    storage.write_bytes("figure.png", picture)
    storage.write_bytes(
        "report.html", page(recipe.name, rows, points, best, picture, num_files).encode()
    )
    if best is not None:
        changes = {key: value for key, value in best.values.items() if key != "seed"}
        chosen = with_values(recipe, {**changes, "name": f"{recipe.name}-best", "sweep": None})
        words = f"# {name_of(best.values, seeds=False)}: the {RULE} of {context.step.name}\n"
        storage.write_bytes("best.yaml", (words + dump(chosen)).encode())
    storage.delete(TUNE_FOLDER)
    for row in rows:  # curves stay, weights do not: best.yaml trains them in full
        for part in ("model", "checkpoints", ".ray"):
            storage.delete(f"{_folder(row.trial)}/{part}")
    counts = {"trials": len(rows)} | {
        status: sum(row.status == status for row in rows)
        for status in ("finished", "stopped", "failed")
    }
    metrics = {} if best is None or best.score is None else {"best_score": best.score}
    return Outcome(counts, metrics)


def _folder(number: int) -> str:
    return f"trials/{number:03d}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stage; return the exit code."""
    return run_stage("sweep", work, argv)


if __name__ == "__main__":
    # By its own name: Ray's workers can import `jobs.sweep`, but nothing of `__main__`.
    from jobs.sweep import main as main_by_name

    raise SystemExit(main_by_name())
