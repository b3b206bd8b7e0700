"""MMLU: four answers to questions of 57 subjects, by likelihood of the letter (Hendrycks et al. 2021).

Five shots of the same subject (its dev split), then the question, its answers as A to D, and `Answer:`. Subjects are
scored apart. Read from the authors' folder (`dev/*_dev.csv`, `test/*_test.csv`).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gristmill.errors import RecipeError
from gristmill.evaluation.benchmark import Task, given_folder
from gristmill.evaluation.choices import choice_benchmarks, question

WHERE = "https://people.eecs.berkeley.edu/~hendrycks/data.tar"
LETTERS = "ABCD"
SHOTS = 5


def _load(folder: Path | None) -> Sequence[Task]:
    place = given_folder(folder)
    files = sorted(place.rglob("*_test.csv")) if place else []
    if not files:
        raise RecipeError(f"no MMLU file (test/*_test.csv) is here; get them from {WHERE} and name their folder with --data")  # fmt: skip
    rows: list[Mapping[str, Any]] = []
    for path in files:
        subject = path.name.removesuffix("_test.csv")
        dev = path.parent.parent / "dev" / f"{subject}_dev.csv"
        for split, source in (("dev", dev), ("test", path)):
            with source.open(encoding="utf-8", newline="") as stream:
                for asked, *choices, letter in csv.reader(stream):
                    rows.append({"subject": subject, "split": split, "question": asked,
                                 "choices": choices, "answer": LETTERS.index(letter)})  # fmt: skip
    return tasks(rows)


def tasks(rows: Sequence[Mapping[str, Any]]) -> list[Task]:
    """Return the test questions behind the first dev questions of their subject."""
    shots: dict[str, list[str]] = {}
    for row in rows:
        if row["split"] == "dev":
            shots.setdefault(row["subject"], []).append(
                f"{_asked(row)} {LETTERS[row['answer']]}\n\n"
            )
    found: list[Task] = []
    for row in rows:
        if row["split"] == "test":
            subject = str(row["subject"]).replace("_", " ")
            head = (
                f"The following are multiple choice questions (with answers) about {subject}.\n\n"
            )
            given = head + "".join(shots.get(row["subject"], [])[:SHOTS]) + _asked(row)
            pairs = [(given, f" {letter}") for letter in LETTERS[: len(row["choices"])]]
            found.append(question(f"mmlu/{len(found)}", pairs, row["answer"], subject))
    return found


def _asked(row: Mapping[str, Any]) -> str:
    choices = zip(LETTERS, row["choices"], strict=False)
    listed = "".join(f"\n{letter}. {text}" for letter, text in choices)
    return f"{str(row['question']).strip()}{listed}\nAnswer:"


BENCHMARKS = choice_benchmarks(
    "mmlu", "MMLU", "five shots of the subject, likelihood of the letter", _load, tasks
)
