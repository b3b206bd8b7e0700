"""Stage `sweep`: points over recipe keys, each with its seeds -> curves, the figure, the best recipe.

    gristmill run figure3
    ray job submit --working-dir . -- python -m jobs.sweep --recipe figure3 --store S

Trials (`sweep_trials.py`) are measured on the same held-out files at the same token counts; holes are
asked in the layout that a trial was trained on. All have the same horizon, so learning rates decay
alike. Corpus and tokens artifacts are inputs, made once and shared; with a corpus that varies, held-out
files and tokenizer are those of the recipe's own.

It leaves `arms.csv` and `arms.json` (means with intervals over seeds, differences to the first arm),
`trials.json` (how each trial ended, and where its TensorBoard folder lies), `curves.jsonl`,
`figure.png`, `report.html`, `best.yaml` and, over three sizes or more, `scaling.json`. An interrupted sweep goes on where it was.

A trial's driver asks for next to nothing and may run on any node; its workers are on the train pool.
"""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import ray

from gristmill.artifacts import Artifact
from gristmill.corpus.documents import read_documents
from gristmill.errors import RecipeError, TrainingError
from gristmill.evaluation.heldout import samples
from gristmill.pipeline import Trial, trials_of
from gristmill.recipe import dump, with_values
from gristmill.storage import Storage
from gristmill.tokens.tokenizer import Tokenizer
from gristmill.training import sweep_arms
from gristmill.training.metrics import FILE, TENSORBOARD, read_metrics
from gristmill.training.request import HeldOutRequest, TrainRequest
from gristmill.training.scaling import scaling_of
from gristmill.training.schedule import Plan
from gristmill.training.sweep_figure import draw
from gristmill.training.sweep_report import Point, TrialRow, best_of, page, rule_of
from jobs.pool import Pool
from jobs.stage import Outcome, StageContext, run_stage
from jobs.sweep_trials import PARTED, TUNE_FOLDER, Order, Trunk, fit_trials
from jobs.training import fresh_model, shared_part

FINDS_CLUSTER = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")
"""Without these in its environment, Ray Train's cleaner of placement groups gives up where several
clusters run on one machine."""


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
    check_held_out(context.inputs)
    if not ray.is_initialized():
        known = {name: os.environ[name] for name in FINDS_CLUSTER if name in os.environ}
        ray.init(runtime_env={"env_vars": known} if known else None)
    pool = Pool.of(context.label_selector)
    trials = trials_of(recipe)
    orders = orders_of(context, trials, pool)
    concurrent = section.concurrent or max(1, pool.slots // section.workers_per_trial)
    context.progress.update(0, section.steps * len(trials), "steps")
    results = fit_trials(context, orders, concurrent)
    rows, points = _collect(context, trials, results)
    if not points:
        reasons = "; ".join(f"trial {row.trial}: {row.reason}" for row in rows)
        raise TrainingError(f"no trial of step {context.step.key} was measured: {reasons}")
    return _write(context, rows, points, len(held_out.files))


def check_held_out(inputs: Mapping[str, Artifact]) -> None:
    """Raise RecipeError when a file that trials are asked about is in some trial's training split."""
    asked = _files(inputs["corpus"].storage, "held_out")
    for key, artifact in inputs.items():
        if not key.startswith("corpus:"):
            continue
        known = asked & _files(artifact.storage, "train")
        if known:
            raise RecipeError(
                f"{len(known)} held-out files of the recipe's corpus are in the training split of "
                f"{key}, e.g. {'/'.join(min(known))}; hold out by repository, or vary what keeps "
                "the split (order does; a dedup level does where it leaves near copies together)"
            )


def _files(corpus: Storage, split: str) -> set[tuple[str, str]]:
    return {
        (document.repository, file.path)
        for document in read_documents(corpus, split)
        for file in document.files
    }


def orders_of(context: StageContext, trials: Sequence[Trial], pool: Pool) -> dict[int, Order]:
    """Return each trial's order; those that can part from an earlier trial's trunk are told so."""
    sweep = context.recipe.sweep
    assert sweep is not None
    requests = {trial.number: _request(context, trial) for trial in trials}
    return {
        trial.number: Order(
            requests[trial.number].model_dump_json(),
            sweep.workers_per_trial,
            pool.selector,
            pool.gpu,
            0 if trial.recipe.pretrain is None else trial.recipe.pretrain.max_failures,
            sweep.measures,
            trunk_of(trial.number, requests, context.recipe.tokens.sequence_length),
            sweep.direct,
        )
        for trial in trials
    }


def trunk_of(number: int, requests: Mapping[int, TrainRequest], length: int) -> Trunk | None:
    """Return the earliest trial that trains as this one does until its own rate first falls."""
    mine = requests[number]
    for other, request in requests.items():
        if other >= number:
            return None
        plan, own = _plan(request, length), _plan(mine, length)
        step = plan.trunk_steps()
        if step is not None and _alike(request, mine) and plan.same_past(own, step):
            return Trunk(other, step, request.output)
    return None


def _plan(request: TrainRequest, length: int) -> Plan:
    training = request.training
    each = training.batch_sequences * length
    return Plan(training.schedule, training.learning_rate, request.steps, each)


def _alike(one: TrainRequest, other: TrainRequest) -> bool:
    """Say whether two trials differ in their schedules at most."""
    apart: Any = {"stage": True, "output": True, "training": {"schedule"}}
    return one.model_dump(exclude=apart) == other.model_dump(exclude=apart)


def _request(context: StageContext, trial: Trial) -> TrainRequest:
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
    return TrainRequest(
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
            mode=trial.recipe.tokens.fim.prompt,
            cross_file=any(name.startswith("cross_file") for name in sweep.measures),
        ),
    )


def _collect(
    context: StageContext, trials: Sequence[Trial], results: Sequence[Any]
) -> tuple[list[TrialRow], list[Point]]:
    """Return how each trial went and its curve, from Tune's record and the trials' own metrics."""
    section = context.recipe.sweep
    assert section is not None
    vocab_rows = Tokenizer.load(context.inputs["tokenizer"].storage).vocab_rows
    by_number = {result.config["number"]: result for result in results}
    rows: list[TrialRow] = []
    points: list[Point] = []
    for trial in trials:
        result = by_number[trial.number]
        folder = context.draft.storage.child(_folder(trial.number))
        lines = read_metrics(folder)
        frame = result.metrics_dataframe
        lines += [] if frame is None else frame.to_dict("records")
        curve = {
            int(line["step"]): Point(
                trial.number,
                int(line["step"]),
                int(line["tokens"]),
                float(line["loss"]),
                {name: float(line[name]) for name in section.measures},
            )
            for line in lines
            if all(name in line for name in section.measures)
        }
        found = [curve[step] for step in sorted(curve)]
        points += found
        row = _row(trial, found, result.error, section.steps)
        row = replace(row, parameters=trial.recipe.model.resolved().num_parameters(vocab_rows))
        if row.status == "finished" and folder.exists(PARTED):
            parted = json.loads(folder.read_bytes(PARTED))
            reason = f"{row.reason}, the first {parted['step']} as trial {parted['trial']}'s"
            row = replace(row, reason=reason, began_at=parted["step"])
        rows.append(row)
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
    folder = _folder(trial.number)
    return TrialRow(
        trial.number,
        dict(trial.values),
        status,
        reason,
        last.step if last else 0,
        last.tokens if last else 0,
        last.score if last else None,
        trial.label,
        curve={"metrics": f"{folder}/{FILE}", "tensorboard": f"{folder}/{TENSORBOARD}"},
    )


def _write(
    context: StageContext, rows: Sequence[TrialRow], points: Sequence[Point], num_files: int
) -> Outcome:
    storage, recipe = context.draft.storage, context.recipe
    assert recipe.sweep is not None
    measures = recipe.sweep.measures
    best = best_of(rows)
    table = {
        "rule": rule_of(measures),
        "best": None if best is None else best.trial,
        "trials": [asdict(row) for row in rows],
    }
    storage.write_bytes("trials.json", json.dumps(table, indent=1).encode())
    curves = "".join(json.dumps(_flat(point)) + "\n" for point in points)
    storage.write_bytes("curves.jsonl", curves.encode())
    arms = sweep_arms.arms_of(rows, points, measures)
    storage.write_bytes("arms.json", json.dumps(sweep_arms.as_json(arms), indent=1).encode())
    storage.write_bytes("arms.csv", sweep_arms.as_csv(arms).encode())
    laws = scaling_of(rows, arms, measures)
    if laws:
        storage.write_bytes("scaling.json", json.dumps(laws, indent=1).encode())
    picture = draw(rows, points, measures, arms)
    storage.write_bytes("figure.png", picture)
    report = page(recipe.name, rows, points, best, picture, num_files, measures)
    storage.write_bytes("report.html", report.encode())
    if best is not None:
        changes = {key: value for key, value in best.values.items() if key != "seed"}
        chosen = with_values(recipe, {**changes, "name": f"{recipe.name}-best", "sweep": None})
        words = f"# {best.name}: the {rule_of(measures)} of {context.step.name}\n"
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


def _flat(point: Point) -> dict[str, Any]:
    values = asdict(point)
    figures = values.pop("figures")
    return {**values, **figures, "score": point.score}


def _folder(number: int) -> str:
    return f"trials/{number:03d}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stage; return the exit code."""
    return run_stage("sweep", work, argv)


if __name__ == "__main__":
    # By its own name: Ray's workers can import `jobs.sweep`, but nothing of `__main__`.
    from jobs.sweep import main as main_by_name

    raise SystemExit(main_by_name())
