"""HumanEval-Infilling: a hole in a HumanEval solution, judged by running the whole (Bavarian et al. 2022).

single   one line, 1,033 holes     multi   several lines, 5,815     random   a random span, 1,640

The data's joints need nothing between prompt, completion and suffix. A single line ends at its first
line break; the rest ends where the model says so. EM against the original text stands beside the score.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from gristmill.evaluation.benchmark import Benchmark, Prompt, Task, Verdict, records
from gristmill.evaluation.estimates import exact_match
from gristmill.evaluation.python_tests import check_function
from gristmill.evaluation.sandbox import Sandbox

WHERE = "https://github.com/openai/human-eval-infilling (data/)"
KINDS = {
    "single": ("SingleLine", "single line", 96),
    "multi": ("MultiLine", "several lines", 256),
    "random": ("RandomSpan", "random span", 256),
}


def _load(kind: str) -> Callable[[Path | None], Sequence[Task]]:
    name, _, room = KINDS[kind]

    def load(folder: Path | None) -> Sequence[Task]:
        file = f"HumanEval-{name}Infilling.jsonl"
        return [
            Task(
                row["task_id"],
                Prompt(row["prompt"], row["suffix"], max_new_tokens=room),
                row["canonical_solution"],
                "Python",
                data=row,
            )
            for row in records(file, folder, WHERE)
        ]

    return load


def first_line(raw: str) -> str:
    """Return the first line that says something, with its line break."""
    lines = raw.splitlines(keepends=True)
    number = next((at for at, line in enumerate(lines) if line.strip()), len(lines) - 1)
    return "".join(lines[: number + 1])


def _judge(task: Task, answer: str, sandbox: Sandbox | None) -> Verdict:
    assert sandbox is not None
    row = task.data
    program = f"{row['prompt']}{answer}{row['suffix']}"
    # the tests may call helpers that stand above the function: the original text has them
    whole = f"{row['prompt']}{task.reference}{row['suffix']}"
    verdict = check_function(program, row["entry_point"], row["test"], sandbox, before=whole)
    same = float(exact_match(answer, task.reference))
    return Verdict(verdict.passed, verdict.reason, verdict.kind, {"exact_match": same})


BENCHMARKS = tuple(
    Benchmark(
        "humaneval-infilling", kind, f"HumanEval infilling, {words}", "pass@1", "execution",
        f"{words} by fill in the middle, greedy, prompt + answer + suffix run against the tests",
        _load(kind), (lambda task, raw: first_line(raw)) if kind == "single" else lambda task, raw: raw,
        _judge, measures=("exact_match",),
    )
    for kind, (_, words, _) in KINDS.items()
)  # fmt: skip
