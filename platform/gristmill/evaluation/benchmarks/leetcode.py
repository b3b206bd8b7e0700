"""LeetCode contest problems from July 2023 to January 2024, asked as a chat (paper section 4.1).

deepseek   The problem with its unfinished class, greedy, 1,024 new tokens.
cot        The same after a request for a step-by-step outline, which the paper found to help.

The first fenced block of Python is the answer; without one, what stands before the first of five stop texts;
an answer that goes on inside the method is put below the problem's own code. Every assert calls a method
of `Solution` in the sandbox and compares here. Two problems accept any valid pair where the tests want one:
right answers may fail there (`exceptions`). Easy, medium and hard are also scored alone, and the contest's
date parts tasks. The problems' texts are LeetCode's: the file is the user's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from gristmill.evaluation.benchmark import Benchmark, Prompt, Task, Verdict, cut, records
from gristmill.evaluation.python_tests import check_asserts, with_imports
from gristmill.evaluation.sandbox import Limits, Sandbox

FILE = "20240121-Jul.jsonl"
WHERE = (
    "https://github.com/deepseek-ai/DeepSeek-Coder (Evaluation/LeetCode/data/20240121-Jul.jsonl)"
)
OUTLINE = "\nYou need first write a step-by-step outline and then write the code."
STOPS = ("\ndef", "\nclass", "\nif", "\n#", "\nprint")
LIMITS = Limits(wall_s=60, cpu_s=20)
ANY_PAIR = "any valid pair is right, the tests want one of them"
EXCEPTIONS = {
    "weekly-contest-367-find-indices-with-index-and-value-difference-i": ANY_PAIR,
    "weekly-contest-367-find-indices-with-index-and-value-difference-ii": ANY_PAIR,
}
_BLOCK = re.compile(r"```python\n(.*?)\n```", re.S)


def _load(outline: str) -> Callable[[Path | None], Sequence[Task]]:
    def load(folder: Path | None) -> Sequence[Task]:
        return [
            Task(
                row["task_id"],
                Prompt(row["prompt_sft"] + outline, max_new_tokens=1024, chat=True),
                "",
                "Python",
                str(row["meta"]["difficulty"]),
                datetime.fromtimestamp(row["start_time"], UTC).date().isoformat(),
                data=row,
            )
            for row in records(FILE, folder, WHERE)
        ]

    return load


def program(task: Task, raw: str) -> str:
    """Return the program that an answer means."""
    text = raw.replace("[PYTHON]", "```python").replace("[/PYTHON]", "```")
    if text.startswith("\n        "):
        given = _BLOCK.search(str(task.data["prompt_sft"]))
        return f"{given[1].strip()}\n{text}" if given else text
    found = _BLOCK.search(text)
    if found:
        return found[1]
    return text.partition("```python\n")[2] or cut(text, STOPS)


def _judge(task: Task, answer: str, sandbox: Sandbox | None) -> Verdict:
    assert sandbox is not None
    text = with_imports(f"from functools import *\n{answer}\n")
    return check_asserts(text, [str(task.data["test"])], sandbox, limits=LIMITS)


BENCHMARKS = tuple(
    Benchmark(
        "leetcode", rules, title, "pass@1", "execution",
        f"chat, {words}greedy, 1,024 new tokens, first Python block, all asserts",
        _load(outline), program, _judge, exceptions=EXCEPTIONS,
    )
    for rules, title, words, outline in (
        ("deepseek", "LeetCode contest", "", ""),
        ("cot", "LeetCode contest, outline first", "outline first, ", OUTLINE),
    )
)  # fmt: skip
