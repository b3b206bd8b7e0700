"""HumanEval by DeepSeek-Coder's rules (paper section 4.1), greedy, one sample a task.

The prompt is stripped of its trailing newline, the completion ends at the first stop string, and a
block of imports stands before the program, which rescues completions that forget theirs. Other
harnesses do none of this and differ by 5 points on the same weights, so the protocol is named with the
score: `humaneval@deepseek`. The tests run outside the sandbox and call the program in it with plain
data (`sandbox.py`); helper functions that a task's tests use (tasks 32, 38, 50) come from the prompt.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gristmill.evaluation.sandbox import Limits, ProgramError, Sandbox, Session

PROTOCOL = "humaneval@deepseek"
STOPS = ("\ndef", "\nclass", "\nif", "\n#", "\nprint")
IMPORTS = """\
import math
import re
import sys
import copy
import datetime
import itertools
import collections
import heapq
import functools
import hashlib
import string
from typing import *
from collections import *
"""
NUMPY = "try:\n    import numpy, numpy as np\nexcept ImportError:\n    pass\n"
"""Part of the paper's block; only programs that name it pay for it, where the interpreter has it."""
LIMITS = Limits()
DATA = Path(__file__).parent / "data" / "humaneval.jsonl.gz"


@dataclass(frozen=True)
class Task:
    """One function to complete."""

    task: str
    prompt: str
    entry_point: str
    canonical_solution: str
    test: str

    @property
    def asked(self) -> str:
        """What the model is given."""
        return self.prompt.strip()


@dataclass(frozen=True)
class Verdict:
    """Whether a completion passed, and how it failed."""

    passed: bool
    reason: str = ""


def tasks(num: int | None = None) -> list[Task]:
    """Return the first `num` of the 164 tasks, in their order."""
    with gzip.open(DATA, "rt", encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream if line.strip()]
    return [
        Task(
            row["task_id"],
            row["prompt"],
            row["entry_point"],
            row["canonical_solution"],
            row["test"],
        )
        for row in rows[:num]
    ]


def truncate(completion: str) -> str:
    """Cut a completion at the first stop string."""
    ends = [at for stop in STOPS if (at := completion.find(stop)) >= 0]
    return completion[: min(ends)] if ends else completion


def program(task: Task, completion: str) -> str:
    """Return the program to test: imports, prompt, and the completion cut at the first stop."""
    body = f"{task.prompt}\n{truncate(completion)}\n"
    numpy = NUMPY if "np." in body or "numpy" in body else ""
    return f"{IMPORTS}{numpy}{body}"


def check(task: Task, completion: str, sandbox: Sandbox, limits: Limits = LIMITS) -> Verdict:
    """Run a completion in the sandbox against the task's own tests; never raises for bad code."""
    try:
        with sandbox.session(program(task, completion), limits) as session:
            _run_tests(task, session)
    except ProgramError as error:
        return Verdict(False, str(error))
    except AssertionError:
        return Verdict(False, "wrong answer")
    except Exception as error:  # the tests met an answer of a type they do not expect
        return Verdict(False, f"wrong answer ({type(error).__name__})")
    return Verdict(True)


def _run_tests(task: Task, session: Session) -> None:
    """Run the benchmark's own test code here, with the program in the sandbox as its candidate."""

    def candidate(*arguments: Any) -> Any:
        return session.call(task.entry_point, *arguments)

    space: dict[str, Any] = {"__name__": "humaneval"}
    exec(compile(f"{IMPORTS}{task.prompt}\n{task.test}", task.task, "exec"), space)
    space[task.entry_point] = candidate  # the tests of task 33 call it by name
    space["check"](candidate)
