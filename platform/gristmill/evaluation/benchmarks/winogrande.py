"""WinoGrande: who is meant, by the likelihood of what follows either name (Sakaguchi et al. 2020).

No shots. The blank is filled with each of two names; what is compared is the rest of the sentence, given each,
since the names themselves differ in likelihood. Read from the authors' `dev.jsonl`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gristmill.evaluation.benchmark import Task, locate, records
from gristmill.evaluation.choices import choice_benchmarks, question

WHERE = "https://winogrande.allenai.org (winogrande_1.1/dev.jsonl)"


def _load(folder: Path | None) -> Sequence[Task]:
    own = "winogrande_dev.jsonl"
    name = own if locate(own, folder) is not None else "dev.jsonl"
    return tasks(list(records(name, folder, WHERE)))


def tasks(rows: Sequence[Mapping[str, Any]]) -> list[Task]:
    """Return one question a row."""
    found = []
    for number, row in enumerate(rows):
        before, _, after = str(row["sentence"]).partition("_")
        pairs = [(before + row[name], after) for name in ("option1", "option2")]
        found.append(question(f"winogrande/{number}", pairs, int(row["answer"]) - 1))
    return found


BENCHMARKS = choice_benchmarks(
    "winogrande", "WinoGrande", "no shots, likelihood of the rest after either name", _load, tasks
)
