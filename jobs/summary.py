"""The page at the end of a run: what was made, how good it is, where it lies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gristmill.artifacts import Artifact, Store
from gristmill.recipe import Recipe
from jobs.console import duration, short
from jobs.endpoint import endpoint_of
from jobs.runs import RunState

TRAINED = ("pretrain", "extend", "finetune")


@dataclass(frozen=True)
class Summary:
    """What there is to say about a run; figures that no stage made are None."""

    run: str
    store: str
    status: str
    message: str
    wall_s: float
    steps: tuple[tuple[str, str, str, float], ...]
    """(step, status, label, seconds)."""
    repositories: int | None
    documents: int | None
    tokens: int | None
    losses: dict[str, tuple[float, float]]
    """Training stage -> (first, last) loss."""
    tokens_per_s: dict[str, float]
    exact_match: dict[str, float]
    """Model -> FIM exact match on held-out lines, the untrained one first."""
    artifacts: dict[str, str]
    """Step -> folder."""
    report: str | None
    endpoint: str | None
    completion: str


def gather(recipe: Recipe, state: RunState, completion: str = "") -> Summary:
    """Collect a run's figures from its state and the records of its artifacts. Raises StoreError."""
    store = Store.open(state.store)
    found = {
        step.key: artifact
        for step in state.steps
        if step.label and (artifact := store.find(step.fingerprint)) is not None
    }
    by_stage = {artifact.record.stage: artifact for artifact in reversed(found.values())}
    trained = {stage: by_stage[stage] for stage in TRAINED if stage in by_stage}
    serving = any(step.stage == "serve" and step.status == "done" for step in state.steps)
    corpus = by_stage.get("corpus")
    return Summary(
        run=state.run,
        store=state.store,
        status=state.status,
        message=state.message,
        wall_s=state.updated_s - state.created_s,
        steps=tuple(
            (step.key, step.status, step.label, (step.ended_s or 0.0) - (step.started_s or 0.0))
            for step in state.steps
        ),
        repositories=None if corpus is None else len(corpus.record.sources),
        documents=_count(corpus, "documents", "num_documents"),
        tokens=_count(found.get("tokens") or by_stage.get("tokens"), "tokens", "num_tokens"),
        losses=_losses(trained),
        tokens_per_s={
            stage: artifact.record.metrics["tokens_per_s"]
            for stage, artifact in trained.items()
            if "tokens_per_s" in artifact.record.metrics
        },
        exact_match=_exact_match(by_stage.get("evaluate")),
        artifacts={key: artifact.storage.url for key, artifact in found.items()},
        report=_report(by_stage),
        endpoint=endpoint_of(recipe) if serving else None,
        completion=completion,
    )


def _count(artifact: Artifact | None, *names: str) -> int | None:
    if artifact is None:
        return None
    counts = artifact.record.counts
    return next((counts[name] for name in names if name in counts), None)


def _losses(trained: Mapping[str, Artifact]) -> dict[str, tuple[float, float]]:
    pairs = {}
    for stage, artifact in trained.items():
        metrics = artifact.record.metrics
        if "loss_first" in metrics and "loss_last" in metrics:
            pairs[stage] = (metrics["loss_first"], metrics["loss_last"])
    return pairs


def _exact_match(evaluated: Artifact | None) -> dict[str, float]:
    """Return exact match on held-out lines by model, in the order the scores list them."""
    if evaluated is None or not evaluated.storage.exists("scores.json"):
        return {}
    scores = json.loads(evaluated.storage.read_bytes("scores.json"))
    return {
        str(score["model"]): float(score["value"])
        for score in scores
        if score["benchmark"] == "infilling" and score["metric"] == "exact_match"
    }


def _report(by_stage: Mapping[str, Artifact]) -> str | None:
    for stage in ("evaluate", "sweep", "corpus"):
        artifact = by_stage.get(stage)
        if artifact is not None and artifact.storage.exists("report.html"):
            return artifact.storage.child("report.html").url
    return None


def as_json(summary: Summary) -> dict[str, Any]:
    """Return the summary as plain values."""
    return asdict(summary)


def show(summary: Summary, console: Console) -> None:
    """Draw the page."""
    console.rule(f"run {summary.run}: {summary.status} in {duration(summary.wall_s)}")
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(overflow="fold")
    for name, text in _lines(summary):
        table.add_row(name, Text(text))
    console.print(table)
    for step, status, label, seconds in summary.steps:
        spent = "" if seconds <= 0 else f"in {duration(seconds)}"
        words = "  ".join(part for part in (f"{step}: {status}", label, spent) if part)
        console.print(f"  {words}", highlight=False, markup=False, soft_wrap=True)


def _lines(summary: Summary) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    if summary.message:
        lines.append(("message", summary.message))
    if summary.documents is not None:
        lines.append(
            ("documents", f"{summary.documents:,} from {summary.repositories} repositories")
        )
    if summary.tokens is not None:
        lines.append(("tokens", f"{short(summary.tokens)} in an epoch's sequences"))
    for stage, (first, last) in summary.losses.items():
        speed = summary.tokens_per_s.get(stage)
        pace = "" if speed is None else f", {short(speed)} tokens/s"
        lines.append((f"loss, {stage}", f"{first:.3f} -> {last:.3f}{pace}"))
    if summary.exact_match:
        (before, start), *after = summary.exact_match.items()
        text = ", ".join(f"{model} {value:.1%}" for model, value in after)
        lines.append(("FIM exact match", f"{before} {start:.1%} -> {text or 'no trained model'}"))
    if summary.completion:
        lines.append(("completion", summary.completion))
    if summary.artifacts:
        lines.append(("artifacts", summary.store))
    if summary.report:
        lines.append(("report", summary.report))
    if summary.endpoint:
        lines.append(("endpoint", summary.endpoint))
    return lines
