"""ARC-Challenge: questions of school science, by likelihood per byte of each answer (Clark et al. 2018).

No shots: `Question: ...`, a line break, `Answer:`. Read from the authors' `ARC-Challenge-Test.jsonl`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gristmill.evaluation.benchmark import Task, records
from gristmill.evaluation.choices import choice_benchmarks, question

WHERE = "https://allenai.org/data/arc (ARC-Challenge/ARC-Challenge-Test.jsonl)"


def _load(folder: Path | None) -> Sequence[Task]:
    return tasks(list(records("ARC-Challenge-Test.jsonl", folder, WHERE)))


def tasks(rows: Sequence[Mapping[str, Any]]) -> list[Task]:
    """Return one question a row."""
    found = []
    for number, row in enumerate(rows):
        asked = row["question"]
        given = f"Question: {str(asked['stem']).strip()}\nAnswer:"
        pairs = [(given, f" {one['text']}") for one in asked["choices"]]
        labels = [one["label"] for one in asked["choices"]]
        right = labels.index(row["answerKey"])
        found.append(question(f"arc/{number}", pairs, right, kind="byte"))
    return found


BENCHMARKS = choice_benchmarks(
    "arc", "ARC-Challenge", "no shots, likelihood of each answer by byte", _load, tasks
)
