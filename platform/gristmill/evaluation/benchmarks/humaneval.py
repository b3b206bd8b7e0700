"""HumanEval: 164 functions from signature and docstring, judged by tests (Chen et al. 2021).

deepseek   The paper's rules (section 4.1): prompt stripped, greedy, the completion ends at the first of five
           stop texts, a block of imports stands before the program and rescues what forgets its own.
plain      OpenAI's: the prompt as it is, nothing added; a completion that repeats the prompt is a program.
evalplus   EvalPlus's base and plus inputs: answers compared with the reference's; the score is plus, and
           `base` stands beside it. Data version 0.1.10.

Other harnesses differ by five points on the same weights. The tests of tasks 32, 38 and 50 call helper
functions of the prompt, so the prompt stands before the tests as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gristmill.evaluation import evalplus
from gristmill.evaluation.benchmark import Benchmark, Prompt, Task, Verdict, cut, records
from gristmill.evaluation.python_tests import check_function, with_imports
from gristmill.evaluation.sandbox import Sandbox

STOPS = ("\ndef", "\nclass", "\nif", "\n#", "\nprint")
PLUS_STOPS = (
    "<|endoftext|>", "<|endofmask|>", "</s>", "\nif __name__", "\ndef main(", "\nprint(",
    "\ndef ", "\nclass ", "\nimport ", "\nfrom ", "\nassert ",
)  # fmt: skip
WHERE = "https://github.com/openai/human-eval (data/HumanEval.jsonl.gz)"


def tasks(folder: Path | None = None, *, strip: bool = True, room: int = 500) -> list[Task]:
    """Return the 164 tasks in their order."""
    stops = STOPS if strip else ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
    return [
        Task(
            row["task_id"],
            Prompt(
                row["prompt"].strip() if strip else row["prompt"],
                stop=stops,
                max_new_tokens=room,
            ),
            row["canonical_solution"],
            "Python",
            data=row,
        )
        for row in records("humaneval.jsonl", folder, WHERE)
    ]


def program(task: Task, answer: str) -> str:
    """Return prompt and completion as one program; an answer that repeats the prompt defines it again."""
    return f"{task.data['prompt']}{answer}\n"


def _answer(task: Task, raw: str) -> str:
    return cut(raw, STOPS)


def _judge(task: Task, answer: str, sandbox: Sandbox | None) -> Verdict:
    assert sandbox is not None
    row = task.data
    text = with_imports(f"{row['prompt']}\n{answer}\n")
    return check_function(text, row["entry_point"], row["test"], sandbox, before=row["prompt"])


def _judge_plain(task: Task, answer: str, sandbox: Sandbox | None) -> Verdict:
    assert sandbox is not None
    row = task.data
    text = program(task, answer)
    return check_function(text, row["entry_point"], row["test"], sandbox, before=row["prompt"])


def _plus(folder: Path | None) -> Sequence[Task]:
    return [
        Task(
            row["task_id"],
            Prompt(row["prompt"].strip() + "\n", stop=PLUS_STOPS, max_new_tokens=768),
            row["canonical_solution"],
            "Python",
            data=row,
        )
        for row in records(
            "HumanEvalPlus.jsonl", folder, "https://github.com/evalplus/humanevalplus_release"
        )
    ]


BENCHMARKS = (
    Benchmark(
        "humaneval", "deepseek", "HumanEval", "pass@1", "execution",
        "prompt stripped, greedy, 500 new tokens, cut at the first of five stop texts, imports added",
        tasks, _answer, _judge,
    ),
    Benchmark(
        "humaneval", "plain", "HumanEval, nothing added", "pass@1", "execution",
        "prompt as it is, cut at OpenAI's stop texts, no imports added",
        lambda folder: tasks(folder, strip=False), lambda task, raw: cut(raw, STOPS), _judge_plain,
    ),
    Benchmark(
        "humaneval", "evalplus", "HumanEval+", "pass@1", "execution",
        "prompt stripped and a newline, EvalPlus 0.1.10 inputs and comparison, base score beside it",
        _plus, lambda task, raw: cut(raw, PLUS_STOPS),
        lambda task, answer, sandbox: evalplus.judge(task, program(task, answer), sandbox),
        measures=("base",),
    ),
)  # fmt: skip
