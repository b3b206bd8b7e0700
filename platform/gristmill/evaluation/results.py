"""What samples come to: pass@k with intervals, measures, groups, clean and dated parts, pairs of models."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gristmill.evaluation.benchmark import Benchmark, Task
from gristmill.evaluation.estimates import (
    Estimate,
    bootstrap_mean,
    mcnemar,
    paired_difference,
    pass_at_k,
    wilson,
)
from gristmill.evaluation.exam import Sample

KS = (1, 10, 100)
MOST_SOURCES = 40
"""Repositories that are listed one by one; more make a table that nobody reads."""


@dataclass(frozen=True)
class Score:
    """One number."""

    metric: str
    part: str
    """"" for all tasks; else a group, `not in the corpus`, `before DATE`, `after DATE`, a repository."""
    estimate: Estimate


@dataclass(frozen=True)
class Result:
    """One model on one benchmark: the scores and all that they rest on."""

    model: str
    benchmark: str
    title: str
    protocol: str
    scores: tuple[Score, ...]
    samples: tuple[Sample, ...] = field(repr=False)
    sandbox: str = ""
    data: str = ""
    """Fingerprint of the tasks."""
    hits: Mapping[str, str] = field(default_factory=dict)
    """Tasks that were found in the training corpus, and where."""
    unanswered: int = 0
    not_run: str = ""
    """Why there is no score."""
    exceptions: Mapping[str, str] = field(default_factory=dict)
    """Tasks whose references are known not to pass, and why."""

    @property
    def main(self) -> Score | None:
        """The score that the benchmark is known by; None where it was not run."""
        return self.scores[0] if self.scores else None

    def kinds(self) -> dict[str, int]:
        """Return how many samples failed in which way, the most frequent first."""
        counts: dict[str, int] = {}
        for one in self.samples:
            if not one.verdict.passed:
                counts[one.verdict.kind] = counts.get(one.verdict.kind, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: -item[1]))

    def summary(self) -> dict[str, Any]:
        """Return all but the samples as plain values."""
        values = {key: value for key, value in self.__dict__.items() if key != "samples"}
        return {
            **values,
            "scores": [asdict(score) for score in self.scores],
            "failures": self.kinds(),
            "num_samples": len(self.samples),
        }


def result(
    benchmark: Benchmark,
    tasks: Sequence[Task],
    model: str,
    samples: Sequence[Sample],
    *,
    sandbox: str = "",
    hits: Mapping[str, str] | None = None,
    newest: str = "",
) -> Result:
    """Count samples. `hits` are contaminated tasks; `newest` the corpus's newest revision's date."""
    names = {task.name: task for task in tasks}
    hit = {task: where for task, where in (hits or {}).items() if task in names}
    by_task: dict[str, list[Sample]] = {}
    for one in samples:
        by_task.setdefault(one.task, []).append(one)
    scores = _passes(benchmark.metric, "", by_task)
    for name in benchmark.measures:
        values = [one.verdict.measures[name] for one in samples if name in one.verdict.measures]
        if values and all(value in (0.0, 1.0) for value in values):
            scores.append(Score(name, "", wilson(round(sum(values)), len(values))))
        elif values:
            scores.append(Score(name, "", bootstrap_mean(values)))
    for part, chosen in _parts(names, hit, newest).items():
        some = {task: by_task[task] for task in by_task if task in chosen}
        scores += _passes(benchmark.metric, part, some)[:1] if some else []
    return Result(
        model, benchmark.key, benchmark.title, benchmark.protocol, tuple(scores), tuple(samples),
        sandbox if benchmark.scored_by == "execution" else "", fingerprint(tasks),
        hit, len(names) - len(by_task), "", benchmark.exceptions,
    )  # fmt: skip


def not_run(benchmark: Benchmark, model: str, reason: str) -> Result:
    """Return the result of a benchmark that this machine cannot judge."""
    return Result(model, benchmark.key, benchmark.title, benchmark.protocol, (), (), not_run=reason)


def _passes(metric: str, part: str, by_task: Mapping[str, Sequence[Sample]]) -> list[Score]:
    """Return pass@k for every k that every task has samples for; one sample a task is a share."""
    counts = [(len(some), sum(one.verdict.passed for one in some)) for some in by_task.values()]
    fewest = min((num for num, _ in counts), default=0)
    if fewest == 1 and all(num == 1 for num, _ in counts):
        return [Score(metric, part, wilson(sum(right for _, right in counts), len(counts)))]
    found = []
    for k in KS:
        if k <= fewest:
            values = [pass_at_k(num, right, k) for num, right in counts]
            found.append(Score(f"pass@{k}", part, bootstrap_mean(values)))
    return found or [Score(metric, part, wilson(0, 0))]


def _parts(tasks: Mapping[str, Task], hits: Collection[str], newest: str) -> dict[str, set[str]]:
    parts: dict[str, set[str]] = {}
    sources: dict[str, set[str]] = {}
    for name, task in tasks.items():
        if task.group:
            parts.setdefault(task.group, set()).add(name)
        if task.source:
            sources.setdefault(task.source, set()).add(name)
        if hits:
            parts.setdefault("in the corpus" if name in hits else "not in the corpus", set()).add(
                name
            )
        if task.date and newest:
            when = "before" if task.date <= newest else "after"
            parts.setdefault(f"{when} {newest}", set()).add(name)
    if 1 < len(sources) <= MOST_SOURCES:
        parts |= sources
    return dict(sorted(parts.items()))


@dataclass(frozen=True)
class Pair:
    """Two models on the same tasks."""

    benchmark: str
    first: str
    second: str
    difference: Estimate
    p_value: float | None
    """McNemar's, exact; None when there are several samples a task."""
    gained: tuple[str, ...]
    lost: tuple[str, ...]


def pair(first: Result, second: Result) -> Pair | None:
    """Compare two models on the tasks that both answered; None when there is none."""
    before, after = _shares(first), _shares(second)
    shared = [task for task in before if task in after]
    if not shared:
        return None
    a, b = [before[task] for task in shared], [after[task] for task in shared]
    verdicts = all(value in (0.0, 1.0) for value in (*a, *b))
    p_value = mcnemar([x == 1.0 for x in a], [x == 1.0 for x in b]) if verdicts else None
    gained = tuple(task for task in shared if after[task] > before[task])
    lost = tuple(task for task in shared if after[task] < before[task])
    found = paired_difference(a, b)
    return Pair(first.benchmark, first.model, second.model, found, p_value, gained, lost)


def _shares(found: Result) -> dict[str, float]:
    counts: dict[str, list[bool]] = {}
    for one in found.samples:
        counts.setdefault(one.task, []).append(one.verdict.passed)
    return {task: sum(passed) / len(passed) for task, passed in counts.items()}


def fingerprint(tasks: Sequence[Task]) -> str:
    """Return a fingerprint of tasks and prompts, so that a score can be tied to its data."""
    total = hashlib.sha256()
    for task in tasks:
        total.update(f"{task.name}\0{task.prompt.prefix}\0{task.prompt.suffix}\0".encode())
    return total.hexdigest()[:16]


def write(folder: Path, found: Sequence[Result], pairs: Sequence[Pair]) -> None:
    """Write `scores.json` beside the files of answers and verdicts."""
    values = {
        "results": [one.summary() for one in found],
        "pairs": [asdict(one) for one in pairs],
    }
    (folder / "scores.json").write_text(json.dumps(values, indent=1), encoding="utf-8")
