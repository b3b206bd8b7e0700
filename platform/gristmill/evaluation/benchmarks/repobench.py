"""RepoBench v1.1: the next line of a file, given pieces of the files that it imports (Liu et al. 2024).

v1.1     A line for the repository, each piece below a comment that names its path, then the file's imports
         and its code so far; greedy, 64 new tokens, left to right (the numbers of DeepSeek-Coder-V2).
in-file  The same without other files' pieces: what the context is worth.

Runs of four and more line breaks become two. What is too long loses whole lines of context from its end. The first line
that is no comment counts: exact match of its words, and edit similarity as fuzzywuzzy computes it. Python and
Java, cross-file-first, cross-file-random and in-file tasks, and the task's date are scored apart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gristmill.errors import RecipeError
from gristmill.evaluation.benchmark import Benchmark, Prompt, Task, Verdict, locate, records
from gristmill.evaluation.estimates import edit_similarity
from gristmill.evaluation.sandbox import Sandbox

WHERE = "https://huggingface.co/datasets/tianyang/repobench_python_v1.1 (and _java), as JSON lines"
LANGUAGES = {"python": ("Python", "#"), "java": ("Java", "//")}
FILES = (
    "repobench_{}_v1.1.jsonl", "repobench_{}.jsonl",
    "code_eval_repobench_p_{}_sampled.jsonl", "code_eval_repobench_c_{}_sampled.jsonl",
)  # fmt: skip
CHARACTERS = 4 * 15_500
"""Of a prompt; the source cuts again, by tokens."""
_BLANK = re.compile(r"\n{4,}")


def _load(pieces: bool) -> Callable[[Path | None], Sequence[Task]]:
    def load(folder: Path | None) -> Sequence[Task]:
        names = [(language, name.format(language)) for language in LANGUAGES for name in FILES]
        tasks = [
            _task(row, language, f"{Path(name).stem}/{number}", pieces)
            for language, name in names
            if locate(name, folder) is not None
            for number, row in enumerate(records(name, folder, WHERE))
        ]
        if not tasks:
            raise RecipeError(
                f"no RepoBench file is here; get it from {WHERE} and name its folder with --data"
            )
        return tasks

    return load


def _task(row: Mapping[str, Any], language: str, name: str, pieces: bool) -> Task:
    shown, mark = LANGUAGES[language]
    return Task(
        name,
        Prompt(prompt(row, mark, pieces), stop=("\n\n\n",), max_new_tokens=64),
        str(row["next_line"]),
        shown,
        shown,
        str(row.get("created_at", ""))[:10],
        data={"mark": mark},
    )


def prompt(row: Mapping[str, Any], mark: str, pieces: bool) -> str:
    """Return what the model reads up to the line that it is to write."""
    own = f"{mark} Path: {row['file_path']}\n{row['import_statement']}\n{row.get('cropped_code') or row['code']}"
    above = f"{mark} Repo Name: {row['repo_name']}\n"
    if pieces:
        above += context(row["context"], mark)
    own = _BLANK.sub("\n\n", own)
    lines = _BLANK.sub("\n\n", above).splitlines(keepends=True)
    while len(lines) > 1 and sum(map(len, lines)) + len(own) > CHARACTERS:
        lines.pop()
    return "".join(lines) + own.rstrip("\n") + "\n"


def context(given: Any, mark: str) -> str:
    """Return the pieces of other files: a list of them, the list as JSON, or text made before."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            return f"{given}\n"
    return "".join(f"{mark} Path: {one['path']}\n{one['snippet']}\n\n" for one in given)


def first_line(task: Task, raw: str) -> str:
    """Return the first line that says something and is no comment."""
    mark = str(task.data["mark"])
    for line in raw.lstrip("\n").split("\n"):
        if line.strip() and not line.strip().startswith((mark, "/*", "*")):
            return line
    return raw.split("\n", 1)[0]


def _judge(task: Task, answer: str, sandbox: Sandbox | None) -> Verdict:
    same = answer.split() == task.reference.split()
    similar = round(100 * edit_similarity(answer, task.reference)) / 100
    kind = "" if same else "wrong"
    return Verdict(same, "" if same else "another line", kind, {"edit_similarity": similar})


BENCHMARKS = tuple(
    Benchmark(
        "repobench", rules, title, "exact match", "match",
        f"{words}, greedy, 64 new tokens, first line that is no comment, words compared",
        _load(pieces), first_line, _judge, measures=("edit_similarity",),
    )
    for rules, title, words, pieces in (
        ("v1.1", "RepoBench", "imported files' pieces, imports, code so far", True),
        ("in-file", "RepoBench, the file alone", "imports and code so far", False),
    )
)  # fmt: skip
