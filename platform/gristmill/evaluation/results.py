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


@dataclass(frozen=True)
class Score:
    """One number."""

    metric: str
    part: str
    """"" for all tasks; else a group, `clean`, `before DATE`, `after DATE`."""
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
    hits: tuple[str, ...] = ()
    """Tasks that were found in the training corpus."""
    unanswered: int = 0

    @property
    def main(self) -> Score:
        """The score that the benchmark is known by."""
        return self.scores[0]

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
    hits: Collection[str] = (),
    newest: str = "",
) -> Result:
    """Count samples. `hits` are contaminated tasks; `newest` the corpus's newest revision's date."""
    names = {task.name: task for task in tasks}
    by_task: dict[str, list[Sample]] = {}
    for one in samples:
        by_task.setdefault(one.task, []).append(one)
    scores = _passes(benchmark.metric, "", by_task)
    for name in benchmark.measures:
        values = [one.verdict.measures[name] for one in samples if name in one.verdict.measures]
        if values:
            scores.append(Score(name, "", bootstrap_mean(values)))
    for part, chosen in _parts(names, hits, newest).items():
        some = {task: by_task[task] for task in by_task if task in chosen}
        scores += _passes(benchmark.metric, part, some)[:1] if some else []
    return Result(
        model, benchmark.key, benchmark.title, benchmark.protocol, tuple(scores), tuple(samples),
        sandbox if benchmark.scored_by == "execution" else "", fingerprint(tasks),
        tuple(sorted(set(hits) & set(names))), len(names) - len(by_task),
    )  # fmt: skip


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
    for name, task in tasks.items():
        if task.group:
            parts.setdefault(task.group, set()).add(name)
        if hits:
            parts.setdefault("in the corpus" if name in hits else "not in the corpus", set()).add(
                name
            )
        if task.date and newest:
            when = "before" if task.date <= newest else "after"
            parts.setdefault(f"{when} {newest}", set()).add(name)
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
