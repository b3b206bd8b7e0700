"""The plan: what a run would do, on what, how long and at what price. Nothing is started.

Sizes come from the store where the upstream artifact is there, else from the sources. Speed is what an
earlier artifact of the same stage measured in this store, when the run is local and there is one; else
the pool's peak times a plain utilisation. Prices are the cluster definition's. An unknown stays a dash:
a plan shows no invented number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from cluster.definition import ClusterDefinition
from cluster.local import cores
from gristmill import estimate
from gristmill.artifacts import Artifact, SourceIdentity, Store
from gristmill.pipeline import POOLS, Step, closure, steps_of, trials_of
from gristmill.recipe import Recipe
from gristmill.training.config import SweepSection, Training
from jobs.console import duration, short

GPU_UTILISATION = 0.4
CPU_UTILISATION = 0.25
LAPTOP_CORE_FLOPS = 3.0e10
"""fp32 of one laptop core in practice, when no earlier run measured it."""
CORE_BYTES_S = {"corpus": 400_000.0, "tokenizer": 1_000_000.0, "tokens": 1_500_000.0}
"""Bytes of source one core turns over in a second, when no earlier run measured it."""
COUNTED = {"corpus": "bytes_read", "tokenizer": "sample_bytes", "tokens": "bytes"}
"""The count of a data stage's record that its wall time goes with."""
START_S = 15.0
"""From submission to the first work of a job."""


@dataclass(frozen=True)
class PlanRow:
    """One step of the plan; None where nothing can be said before it has run."""

    step: str
    stage: str
    pool: str
    workers: int | None
    cached: str
    """Label of the artifact in the store; empty when the step will run."""
    tokens: float | None = None
    flops: float | None = None
    memory_bytes: int | None = None
    """Of one worker."""
    zero_stage: int | None = None
    time_s: float | None = None
    cost: float | None = None
    measured: bool = False
    """The time comes from an earlier run in this store."""


@dataclass(frozen=True)
class Plan:
    """A recipe's rows and their sums."""

    recipe: str
    store: str
    num_repositories: int
    source_bytes: int | None
    """None when a source is not here."""
    num_parameters: int
    memory_by_zero: dict[int, int]
    """Bytes of one pretrain (or first training) worker, for each ZeRO stage."""
    rows: tuple[PlanRow, ...]
    hourly: float
    """Price of keeping the endpoint up, an hour."""
    missing: str = ""
    """Why the sources cannot be read; a run would end with it."""

    @property
    def time_s(self) -> float:
        """Seconds of all rows that run, where they are known."""
        return sum(row.time_s or 0.0 for row in self.rows)

    @property
    def cost(self) -> float:
        """Price of all rows that run, where it is known."""
        return sum(row.cost or 0.0 for row in self.rows)


@dataclass(frozen=True)
class _Ground:
    """What every row is worked out from."""

    recipe: Recipe
    steps: Mapping[str, Step]
    made: Mapping[str, Artifact]
    earlier: Mapping[str, Artifact]
    """The newest artifact of each stage in the store."""
    definition: ClusterDefinition
    local: bool
    source_bytes: int | None
    """None when a source is not here: then what depends on the data stays unknown."""

    @property
    def rows(self) -> int:
        """Embedding rows of the model."""
        return estimate.vocab_rows(self.recipe.tokenizer.vocab_size)

    @property
    def document_bytes(self) -> float | None:
        """Bytes of text in the train split, or None when that is not known."""
        corpus = self.made.get("corpus")
        known = corpus and (
            corpus.record.counts.get("num_bytes") or corpus.record.counts.get("bytes")
        )
        if known:
            return float(known)
        return None if self.source_bytes is None else self.source_bytes * estimate.KEPT_SHARE


def make(
    recipe: Recipe,
    sources: tuple[SourceIdentity, ...],
    store: Store,
    definition: ClusterDefinition,
    stages: Sequence[str] = (),
    local: bool = True,
    missing: str = "",
) -> Plan:
    """Work out the plan of a recipe; `missing` says why there are no sources, if so.

    Raises RecipeError, StoreError.
    """
    steps = steps_of(recipe, sources)
    chosen = closure(steps, stages)
    everything = sorted(store.list(), key=lambda artifact: artifact.record.created)
    earlier = {artifact.record.stage: artifact for artifact in everything}
    by_mark = {artifact.record.fingerprint: artifact for artifact in everything}
    made = {
        key: by_mark[step.fingerprint] for key, step in steps.items() if step.fingerprint in by_mark
    }
    size = None if missing else estimate.source_bytes(recipe.corpus)
    ground = _Ground(recipe, steps, made, earlier, definition, local, size)
    training = next((_section(step) for step in chosen if _section(step) is not None), None)
    memory = {} if training is None else _memory_by_zero(ground, training)
    serve = definition.pools["serve"]
    up = recipe.serve is not None and not local
    return Plan(
        recipe=recipe.name,
        store=store.storage.url,
        num_repositories=len(sources),
        source_bytes=size,
        num_parameters=recipe.model.resolved().num_parameters(ground.rows),
        memory_by_zero=memory,
        rows=tuple(_row(step, ground) for step in chosen),
        hourly=serve.price_per_hour * max(1, recipe.serve.min_replicas)
        if up and recipe.serve
        else 0.0,
        missing=missing,
    )


def _row(step: Step, ground: _Ground) -> PlanRow:
    pool = POOLS[step.stage]
    section = _section(step)
    workers = section.workers if section is not None else None
    if step.key in ground.made and step.stage != "serve":
        return PlanRow(step.key, step.stage, pool, workers, ground.made[step.key].label)
    if step.stage in CORE_BYTES_S:
        return _data_row(step, ground)
    if section is not None:
        return _training_row(step, section, ground)
    if step.stage == "sweep":
        return _sweep_row(step, ground)
    return PlanRow(
        step.key, step.stage, pool, None, "", time_s=START_S if step.stage == "serve" else None
    )


def _data_row(step: Step, ground: _Ground) -> PlanRow:
    pool = ground.definition.pools["data"]
    text = ground.source_bytes if step.stage == "corpus" else ground.document_bytes
    if text is None:
        return PlanRow(step.key, step.stage, "data", None, "")
    if step.stage == "tokenizer":
        text = min(text, ground.recipe.tokenizer.sample_bytes)
    if step.stage == "tokens":
        text *= step.recipe.tokens.epochs
    machines = 1 if ground.local else max(1, pool.max_workers)
    num_cores = cores() if ground.local else pool.cpus * machines
    before = ground.earlier.get(step.stage)
    known = before.record.counts.get(COUNTED[step.stage]) if before and ground.local else None
    speed = CORE_BYTES_S[step.stage] * num_cores
    if before is not None and known:
        speed = known / max(before.record.wall_time_s, 0.1)
    seconds = START_S + text / speed
    tokens = text / estimate.bytes_per_token(ground.recipe.tokenizer.vocab_size)
    return PlanRow(
        step.key, step.stage, "data", None, "",
        tokens=tokens if step.stage == "tokens" else None,
        time_s=seconds,
        cost=_price(seconds, pool.price_per_hour * machines, ground),
        measured=bool(known),
    )  # fmt: skip


def _training_row(step: Step, section: Training, ground: _Ground) -> PlanRow:
    length, tokens = _training_size(step, section, ground)
    memory = estimate.training_memory(
        ground.recipe.model.resolved(), ground.rows, length, section, gpu=_on_gpus(ground)
    ).total
    row = PlanRow(
        step.key, step.stage, "train", section.workers, "",
        memory_bytes=memory, zero_stage=section.zero_stage,
    )  # fmt: skip
    return row if tokens is None else _timed(row, tokens, length, section.workers, ground)


def _sweep_row(step: Step, ground: _Ground) -> PlanRow:
    recipe = ground.recipe
    assert recipe.sweep is not None
    length = recipe.tokens.sequence_length
    base = recipe.pretrain
    batch = base.batch_sequences if base is not None else 1
    tokens = float(len(trials_of(recipe)) * recipe.sweep.steps * batch * length)
    workers = _sweep_workers(recipe.sweep)
    return _timed(PlanRow(step.key, "sweep", "train", workers, ""), tokens, length, workers, ground)


def _sweep_workers(section: SweepSection) -> int:
    return section.workers_per_trial * (section.concurrent or 1)


def _timed(row: PlanRow, tokens: float, length: int, workers: int, ground: _Ground) -> PlanRow:
    """Return the row with tokens, FLOPs, time and cost."""
    shape = ground.recipe.model.resolved()
    flops = estimate.training_flops(shape, ground.rows, length, tokens)
    before = ground.earlier.get(row.stage)
    rate = before.record.metrics.get("tokens_per_s") if before is not None else None
    same = before is not None and before.record.config.get("model") in (
        None,
        ground.recipe.model.identity(),
    )
    measured = bool(ground.local and rate and same)
    pool = ground.definition.pools["train"]
    if measured and rate:
        seconds = START_S + tokens / rate
    elif ground.local:
        seconds = START_S + flops / (cores() * LAPTOP_CORE_FLOPS)
    elif pool.gpus:
        seconds = START_S + flops / (workers * pool.peak_flops * GPU_UTILISATION)
    else:
        seconds = START_S + flops / (workers * pool.peak_flops * CPU_UTILISATION)
    machines = math.ceil(workers / pool.gpus) if pool.gpus else workers
    cost = _price(seconds, pool.price_per_hour * machines, ground)
    values = {**asdict(row), "tokens": tokens, "flops": flops, "time_s": seconds, "cost": cost}
    return PlanRow(**{**values, "measured": measured})


def _training_size(step: Step, section: Training, ground: _Ground) -> tuple[int, float | None]:
    """Return (sequence length, tokens trained on, None when only the data can tell)."""
    recipe = ground.recipe
    if step.stage == "finetune":
        assert recipe.finetune is not None
        length = recipe.finetune.sequence_length
    elif step.stage == "extend":
        assert recipe.extend is not None
        length = recipe.extend.tokens.sequence_length
    else:
        length = recipe.tokens.sequence_length
    if section.steps is not None:
        return length, float(section.steps * section.batch_sequences * length)
    if step.stage == "finetune":
        return length, None
    key = next(key for key in step.inputs if ground.steps[key].stage == "tokens")
    made = ground.made.get(key)
    known = made and made.record.counts.get("tokens")
    per_token = estimate.bytes_per_token(recipe.tokenizer.vocab_size)
    epochs = ground.steps[key].recipe.tokens.epochs
    if known:
        return length, float(known)
    text = ground.document_bytes
    return length, None if text is None else text * epochs / per_token


def _memory_by_zero(ground: _Ground, section: Training) -> dict[int, int]:
    length = ground.recipe.tokens.sequence_length
    shape = ground.recipe.model.resolved()
    return {
        stage: estimate.training_memory(
            shape,
            ground.rows,
            length,
            section.model_copy(update={"zero_stage": stage}),
            gpu=_on_gpus(ground),
        ).total
        for stage in range(4)
    }


def _on_gpus(ground: _Ground) -> bool:
    return bool(ground.definition.pools["train"].gpus) and not ground.local


def _section(step: Step) -> Training | None:
    section = getattr(step.recipe, step.stage)
    return section if isinstance(section, Training) else None


def _price(seconds: float, per_hour: float, ground: _Ground) -> float:
    return 0.0 if ground.local else seconds / 3600 * per_hour


def as_json(plan: Plan) -> dict[str, Any]:
    """Return the plan as plain values, sums included."""
    return {**asdict(plan), "time_s": plan.time_s, "cost": plan.cost}


def show(plan: Plan, console: Console) -> None:
    """Draw the plan on a terminal."""
    sources = "sources that are not here"
    if plan.source_bytes is not None:
        sources = f"{plan.num_repositories} repositories, {short(plan.source_bytes)}B of source"
    console.print(
        f"recipe {plan.recipe}: {sources}; a model of {short(plan.num_parameters)} weights; "
        f"store {plan.store}",
        highlight=False,
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False)
    for heading in ("step", "artifact", "pool", "workers"):
        table.add_column(heading)
    for heading in ("tokens", "FLOPs", "memory/worker", "ZeRO", "time", "cost"):
        table.add_column(heading, justify="right")
    for row in plan.rows:
        table.add_row(
            row.step,
            row.cached or "to make",
            row.pool,
            _cell(row.workers),
            "-" if row.tokens is None else short(row.tokens),
            "-" if row.flops is None else short(row.flops),
            "-" if row.memory_bytes is None else f"{row.memory_bytes / 2**30:.1f} GiB",
            _cell(row.zero_stage),
            "" if row.cached else "-" if row.time_s is None else _time(row),
            "" if row.cached else "-" if row.cost is None else f"{row.cost:,.2f}",
        )
    console.print(table)
    if plan.memory_by_zero:
        sizes = ", ".join(
            f"ZeRO-{stage} {size / 2**30:.1f}" for stage, size in plan.memory_by_zero.items()
        )
        console.print(f"memory of one training worker, GiB: {sizes}", highlight=False)
    hits = sum(bool(row.cached) for row in plan.rows)
    console.print(
        f"{hits} of {len(plan.rows)} steps are in the store; the others take about "
        f"{duration(plan.time_s)} and cost about {plan.cost:,.2f}"
        + (f", the endpoint {plan.hourly:,.2f} an hour" if plan.hourly else ""),
        highlight=False,
    )
    console.print(
        "~ estimated from peak speed; without it, measured by an earlier run", highlight=False
    )
    start = f"nothing was started; to start: gristmill run {plan.recipe}"
    if plan.missing:
        start = f"nothing was started, and a run would end at once: {plan.missing}"
    console.print(start, highlight=False, markup=False, soft_wrap=True)


def _cell(value: int | None) -> str:
    return "-" if value is None else str(value)


def _time(row: PlanRow) -> str:
    assert row.time_s is not None
    return ("" if row.measured else "~") + duration(row.time_s)
