"""BIG-Bench Hard by likelihood: the tasks whose answers are few and known (Suzgun et al. 2023).

Three shots, the first three examples of a task's file, which are then not asked; no chain of thought.
Answers to choose from are all that occur in the file. Tasks with more than twenty (sorting words, arithmetic,
counting brackets) ask for free text and are left out: 3 of the authors' 27 as a rule. Read from the authors'
folder (`bbh/*.json`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gristmill.errors import RecipeError
from gristmill.evaluation.benchmark import Task, given_folder
from gristmill.evaluation.choices import choice_benchmarks, question

WHERE = "https://github.com/suzgunmirac/BIG-Bench-Hard (bbh/)"
SHOTS = 3
MOST_ANSWERS = 20


def _load(folder: Path | None) -> Sequence[Task]:
    place = given_folder(folder)
    files = sorted(place.rglob("bbh/*.json")) if place else []
    if not files:
        raise RecipeError(f"no BIG-Bench Hard file (bbh/*.json) is here; get them from {WHERE} and name the folder above with --data")  # fmt: skip
    return tasks(
        [
            {"task": path.stem, **example}
            for path in files
            for example in json.loads(path.read_text(encoding="utf-8"))["examples"]
        ]
    )


def tasks(rows: Sequence[Mapping[str, Any]]) -> list[Task]:
    """Return the examples of each task but its shots."""
    by_task: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_task.setdefault(row["task"], []).append(row)
    found = []
    for task, examples in by_task.items():
        answers = sorted({str(one["target"]) for one in examples})
        if len(answers) > MOST_ANSWERS:
            continue
        shots = "".join(f"Q: {one['input']}\nA: {one['target']}\n\n" for one in examples[:SHOTS])
        for number, one in enumerate(examples[SHOTS:]):
            pairs = [(f"{shots}Q: {one['input']}\nA:", f" {answer}") for answer in answers]
            right = answers.index(str(one["target"]))
            found.append(question(f"{task}/{number}", pairs, right, task.replace("_", " ")))
    return found


BENCHMARKS = choice_benchmarks(
    "bbh", "BIG-Bench Hard", "three shots, likelihood of each answer of the task", _load, tasks
)
