"""Questions with given answers, of which a model says which it finds most probable.

A task holds pairs of (what is given, what follows); a source answers with the logarithm of what follows, given
the rest, for each pair, as a JSON list. Two verdicts on the same numbers: the most probable, and the most
probable by byte, which does not favour short answers. A question whose answers are letters has no use for the second.

Only a model in this process can be asked: endpoints do not tell what a given text costs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gristmill.evaluation.benchmark import Benchmark, Prompt, Task, Verdict, records
from gristmill.evaluation.sandbox import Sandbox

Rows = Callable[[Sequence[Mapping[str, Any]]], Sequence[Task]]


def question(
    name: str, pairs: Sequence[tuple[str, str]], right: int, group: str = "", kind: str = "plain"
) -> Task:
    """Return a task with pairs of what is given and what follows; `right` is the right one's place."""
    prompt = Prompt(pairs[right][0], choices=tuple(pairs), max_new_tokens=1)
    return Task(name, prompt, pairs[right][1], "English", group, data={"right": right, "by": kind})


def judge(task: Task, answer: str, sandbox: Sandbox | None) -> Verdict:
    """Return whether the right answer is the most probable; the other way of choosing stands beside it."""
    try:
        found = [float(value) for value in json.loads(answer)]
    except (ValueError, TypeError):
        return Verdict(False, "no list of likelihoods", "missing")
    if len(found) != len(task.prompt.choices):
        return Verdict(False, f"{len(found)} likelihoods where {len(task.prompt.choices)} are wanted", "missing")  # fmt: skip
    sizes = [max(1, len(text.encode())) for _, text in task.prompt.choices]
    plain = _most(found)
    by_byte = _most([value / size for value, size in zip(found, sizes, strict=True)])
    right = task.data["right"]
    passed = right == (by_byte if task.data["by"] == "byte" else plain)
    measures = {"most_probable": float(plain == right), "by_byte": float(by_byte == right)}
    chosen = task.prompt.choices[by_byte if task.data["by"] == "byte" else plain][1]
    return Verdict(passed, "" if passed else f"chose {chosen.strip()[:60]}", "" if passed else "wrong", measures)  # fmt: skip


def _most(values: Sequence[float]) -> int:
    return max(range(len(values)), key=values.__getitem__)


def choice_benchmarks(
    name: str, title: str, protocol: str, load: Callable[[Path | None], Sequence[Task]], small: Rows
) -> tuple[Benchmark, ...]:
    """Return the benchmark that reads the user's files, and the bundled handful in the same form."""
    file = f"{name}-small.jsonl"

    def few(folder: Path | None) -> Sequence[Task]:
        return small(list(records(file, None, "the package")))

    return tuple(
        Benchmark(
            name, rules, shown, "accuracy", "likelihood", f"{protocol}{more}",
            tasks, lambda task, raw: raw, judge, measures=("most_probable", "by_byte"),
        )
        for rules, shown, more, tasks in (
            ("deepseek", title, "", load),
            ("small", f"{title}, a handful", "; a few made-up questions that try the machinery", few),
        )
    )  # fmt: skip
