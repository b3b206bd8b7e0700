"""The texts of benchmarks that must not be in a corpus: bundled ones by name, others from a file.

A bundled benchmark's records lie with the evaluation, or in `benchmarks` beside this module. A file is
JSON lines, gzipped or not; every string in a record counts, but those named `task`, `task_id`, `name`
and the like, which say which task it is.
"""

import ast
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from gristmill.errors import RecipeError

PAPER = ("humaneval", "mbpp", "gsm8k", "math")
"""The four that the paper removes."""

BUNDLED = {
    "humaneval": ("prompt", "canonical_solution"),
    "mbpp": ("text", "code"),
    "gsm8k": ("question", "answer"),
    "math": ("problem", "solution"),
    "humanevalpack": ("docstring", "canonical_solution"),
    "multipl-e": ("prompt",),
    "evalplus": ("prompt", "canonical_solution"),
    "mbpp-sanitized": ("prompt", "code"),
    "svamp": ("question",),
    "gsm-hard": ("question",),
}
"""Bundled benchmarks and the fields of a record that must not be in a corpus."""

_TASK = ("task_id", "task", "name", "id", "unique_id")
_CALCULATION = re.compile(r"<<[^>]*>>")  # GSM8K's annotations, which no copy elsewhere has
_DOCSTRING = re.compile(r'("""|\'\'\')(.*?)\1', re.S)
_DOCSTRINGS_ONLY = ("humaneval", "evalplus")
"""Their prompts are code; the paper speaks of docstrings."""


@dataclass(frozen=True)
class Passage:
    """One text of a task."""

    benchmark: str
    task: str
    field: str
    text: str


def passages(name: str) -> Iterator[Passage]:
    """Yield the texts of a bundled benchmark, or of a file. Raises RecipeError."""
    label = Path(name).name
    for number, record in enumerate(_records(name)):
        task = next((str(record[key]) for key in _TASK if key in record), str(number))
        fields = BUNDLED.get(name) or tuple(
            key for key, value in record.items() if isinstance(value, str) and key not in _TASK
        )
        for field in fields:
            text = _CALCULATION.sub("", str(record.get(field, "")))
            if name in _DOCSTRINGS_ONLY and field == "prompt":
                text = _docstring(text)
            yield Passage(label, task, field, text)


def _docstring(prompt: str) -> str:
    try:
        body = ast.parse(prompt).body
    except (SyntaxError, ValueError):
        found = _DOCSTRING.findall(prompt)
        return found[-1][1] if found else ""
    functions = [node for node in body if isinstance(node, ast.FunctionDef)]
    if functions:
        return ast.get_docstring(functions[-1]) or ""
    texts = [node.value.value for node in body if _is_text(node)]  # type: ignore[attr-defined]
    return str(texts[-1]) if texts else ""


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _bytes(name: str) -> bytes:
    if name in BUNDLED:
        for place, folder in (("gristmill.corpus", "benchmarks"), ("gristmill.evaluation", "data")):
            file = resources.files(place).joinpath(f"{folder}/{name}.jsonl.gz")
            if file.is_file():
                return file.read_bytes()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        known = ", ".join(BUNDLED)
        raise RecipeError(
            f"corpus.decontaminate: '{name}' is no bundled benchmark ({known}) "
            f"and no readable file: {error.strerror}"
        ) from error


def _records(name: str) -> Iterator[dict[str, Any]]:
    data = _bytes(name)
    number = 0
    try:
        text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        for line in text.decode("utf-8-sig").split("\n"):
            number += 1
            if line.strip():
                record = json.loads(line)
                if not isinstance(record, dict):
                    raise ValueError(f"{type(record).__name__} where an object is wanted")
                yield record
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise RecipeError(
            f"corpus.decontaminate: {name} is no JSON-lines file, see line {number}: {error}"
        ) from error
