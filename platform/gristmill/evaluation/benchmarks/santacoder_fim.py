"""Single-line infilling by exact match: one line of a HumanEval solution in Python, Java or JavaScript.

The paper's infilling table (Ben Allal et al. 2023 made the data). The data drops the line break at both
joints, so a model has to write it first; both rules compare stripped text, so it costs nothing.

deepseek   greedy, the whole generation is compared: what runs on is wrong
line       greedy, the first line that says something is compared (Qwen2.5-Coder's and others' rule)

A third of the Java and JavaScript targets are a bare brace: the score without them stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gristmill.evaluation.benchmark import Benchmark, Prompt, Task, Verdict, records
from gristmill.evaluation.benchmarks.humaneval_infilling import first_line
from gristmill.evaluation.estimates import edit_similarity, exact_match
from gristmill.evaluation.sandbox import Sandbox

WHERE = "https://huggingface.co/datasets/bigcode/santacoder-fim-task, as santacoder_fim.jsonl"
LANGUAGES = {"py": "Python", "java": "Java", "js": "JavaScript", "python": "Python"}


def _load(folder: Path | None) -> Sequence[Task]:
    return [
        Task(
            f"{row['language']}/{row['name']}",
            Prompt(row["prompt"], row["suffix"], max_new_tokens=64),
            row["canonical_solution"],
            LANGUAGES.get(row["language"], row["language"]),
            LANGUAGES.get(row["language"], row["language"]),
        )
        for row in records("santacoder_fim.jsonl", folder, WHERE)
    ]


def _judge(task: Task, answer: str, sandbox: Sandbox | None) -> Verdict:
    same = exact_match(answer, task.reference)
    measures = {"edit_similarity": edit_similarity(answer, task.reference)}
    if len(task.reference.strip()) > 1:
        measures["without_braces"] = float(same)
    return Verdict(same, "" if same else "another text", "" if same else "wrong", measures)


BENCHMARKS = (
    Benchmark(
        "santacoder-fim", "deepseek", "Single-line infilling", "exact match", "match",
        "fill in the middle, greedy, 64 new tokens, the whole generation compared, stripped",
        _load, lambda task, raw: raw.strip(), _judge,
        measures=("edit_similarity", "without_braces"),
    ),
    Benchmark(
        "santacoder-fim", "line", "Single-line infilling, first line", "exact match", "match",
        "fill in the middle, greedy, 64 new tokens, first line compared, stripped",
        _load, lambda task, raw: first_line(raw).strip(), _judge,
        measures=("edit_similarity", "without_braces"),
    ),
)  # fmt: skip
