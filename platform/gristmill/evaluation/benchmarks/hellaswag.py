"""HellaSwag: which of four endings goes on with a scene, by likelihood per byte (Zellers et al. 2019).

No shots. What is given is the activity, a colon and the scene; marks of the data's source such as `[title]` are
taken out. Read from the authors' `hellaswag_val.jsonl`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gristmill.evaluation.benchmark import Task, records
from gristmill.evaluation.choices import choice_benchmarks, question

WHERE = "https://github.com/rowanz/hellaswag (data/hellaswag_val.jsonl)"
_MARK = re.compile(r"\[.*?\]")


def _load(folder: Path | None) -> Sequence[Task]:
    return tasks(list(records("hellaswag_val.jsonl", folder, WHERE)))


def tasks(rows: Sequence[Mapping[str, Any]]) -> list[Task]:
    """Return one question a row."""
    found = []
    for number, row in enumerate(rows):
        scene = f"{row['ctx_a']} {str(row['ctx_b']).capitalize()}".strip()
        given = _tidy(f"{row['activity_label']}: {scene}")
        pairs = [(given, f" {_tidy(ending)}") for ending in row["endings"]]
        found.append(question(f"hellaswag/{number}", pairs, int(row["label"]), kind="byte"))
    return found


def _tidy(text: str) -> str:
    plain = _MARK.sub("", text.strip().replace(" [title]", ". "))
    return re.sub(r" {2,}", " ", plain)


BENCHMARKS = choice_benchmarks(
    "hellaswag", "HellaSwag", "no shots, likelihood of each ending by byte", _load, tasks
)
