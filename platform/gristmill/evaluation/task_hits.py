"""Which tasks a training corpus holds: the corpus's own decontamination index, turned the other way.

The question and the reference of each task become texts that must not occur; every training file is looked up
(`corpus.contamination`: a shared 10-gram, or a short text as a whole; an n-gram that eight tasks share says
nothing, so a benchmark's few shots are no hit). A task that is hit says in which file. The corpus's newest
revision parts dated tasks: what was published after it cannot have been read.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from gristmill.corpus.contamination import Benchmarks
from gristmill.corpus.documents import read_documents
from gristmill.errors import RecipeError
from gristmill.evaluation.benchmark import Task
from gristmill.storage import Storage

BATCH_BYTES = 4 << 20


@dataclass(frozen=True)
class Known:
    """What a corpus has to do with tasks."""

    hits: Mapping[str, str]
    """By task: the first file that holds it, with the words they share."""
    newest: str
    """Date of the newest revision, where one is known."""


def search(corpus: Storage, tasks: Sequence[Task]) -> Known:
    """Look for tasks in a corpus artifact. Raises RecipeError when it is none."""
    if not corpus.exists("artifact.json"):
        raise RecipeError(
            f"{corpus.url} is no corpus artifact; give one of your store (gristmill store ls)"
        )
    index = _index(tasks)
    found: dict[str, str] = {}
    texts: list[str] = []
    places: list[str] = []
    size = 0
    for document in read_documents(corpus, "train"):
        for file in document.files:
            texts.append(file.text)
            places.append(f"{document.repository}/{file.path}")
            size += len(file.text)
            if size > BATCH_BYTES:
                _look(index, texts, places, found)
                texts, places, size = [], [], 0
    _look(index, texts, places, found)
    return Known(dict(sorted(found.items())), newest(corpus))


def newest(corpus: Storage) -> str:
    """Return the newest date among a corpus's repositories, or ""."""
    if not corpus.exists("repositories.parquet"):
        return ""
    return max(dates(corpus).values(), default="")


def dates(corpus: Storage) -> dict[str, str]:
    """Return each repository's date (YYYY-MM-DD) where the corpus knows it."""
    if not corpus.exists("repositories.parquet"):
        return {}
    with corpus.open_input("repositories.parquet") as stream:
        table = pq.read_table(stream)
    if "date" not in table.column_names:
        return {}
    rows = zip(table["repository"].to_pylist(), table["date"].to_pylist(), strict=True)
    return {str(name): str(date)[:10] for name, date in rows if date}


def _index(tasks: Sequence[Task]) -> Benchmarks:
    rows = [
        {"task": task.name, "question": task.prompt.prefix, "answer": task.reference}
        for task in tasks
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tasks.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return Benchmarks.load([str(path)])


def _look(
    index: Benchmarks, texts: Sequence[str], places: Sequence[str], found: dict[str, str]
) -> None:
    for hit in index.hits(texts):
        words = " ".join(hit.ngram.split())[:80]
        found.setdefault(hit.passage.task, f"{places[hit.text]}: {words}")
