"""MBPP: small Python tasks from one sentence and three asserts (Austin et al. 2021).

deepseek   The paper's rules: three shots (tasks 2, 3 and 4), 500 test tasks (11 to 510), greedy, the answer
           ends at `[DONE]`. The program comes before its set-up code and the asserts: the other order fails
           the references of tasks 367 and 927. (The paper's own file has no set-up code, so its ceiling is
           499 of 500.)
full       All 974 tasks in the same form; a self-test of references.
evalplus   EvalPlus's 378 curated tasks with base and plus inputs, data version 0.2.0, one assert in a
           docstring as the prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gristmill.evaluation import evalplus
from gristmill.evaluation.benchmark import Benchmark, Prompt, Task, Verdict, cut, records
from gristmill.evaluation.benchmarks.humaneval import PLUS_STOPS
from gristmill.evaluation.python_tests import check_asserts
from gristmill.evaluation.sandbox import Sandbox

SHOTS = (2, 3, 4)
TEST = range(11, 511)
STOP = "[DONE]"
ROOM = 500
WHERE = "https://github.com/google-research/google-research (mbpp/mbpp.jsonl)"
PLUS_WHERE = "https://github.com/evalplus/mbppplus_release"

_TUPLES = {2, 116, 132, 143, 222, 261, 273, 394, 399, 421, 424, 429, 470, 560, 579, 596, 616, 630,
           726, 740, 744, 809}  # fmt: skip
_LISTS_OF_TUPLES = {63, 64, 70, 94, 120, 237, 272, 299, 400, 409, 417, 438, 473, 614, 780}
_TUPLES_OF_TUPLES = {259, 401, 445}
_FIRST_IS_TUPLES = {75, 413, 444, 753}
_FIRST_IS_TUPLE = {250, 307, 405, 446, 617, 720, 763, 808}
_SECOND_IS_TUPLE = {106, 750}
_ALL_TUPLES = {580, 615, 791}


def _shot(row: dict[str, Any]) -> str:
    tests = "\n".join(row["test_list"])
    return (
        "You are an expert Python programmer, and here is your task: "
        f"{row['text']} Your code should pass these tests:\n\n{tests}\n[BEGIN]"
    )


def tasks(folder: Path | None = None, chosen: range | None = TEST) -> list[Task]:
    """Return the tasks whose numbers are in `chosen`; None is all."""
    rows = {int(row["task_id"]): row for row in records("mbpp.jsonl", folder, WHERE)}
    shots = "".join(
        f"{_shot(rows[number])}\n{_tidy(rows[number]['code'])}\n{STOP}\n\n" for number in SHOTS
    )
    return [
        Task(
            f"MBPP/{number}",
            Prompt(shots + _shot(row), stop=(STOP,), max_new_tokens=ROOM),
            row["code"],
            "Python",
            data=row,
        )
        for number, row in rows.items()
        if chosen is None or number in chosen
    ]


def _tidy(code: str) -> str:
    return code.replace("\r", "").replace("\t", "    ")


def _judge(task: Task, answer: str, sandbox: Sandbox | None) -> Verdict:
    assert sandbox is not None
    row = task.data
    program = f"{answer}\n{row.get('test_setup_code', '')}\n"
    return check_asserts(program, row["test_list"], sandbox)


def _plus(folder: Path | None) -> Sequence[Task]:
    return [
        Task(
            row["task_id"],
            Prompt(row["prompt"].strip() + "\n", stop=PLUS_STOPS, max_new_tokens=768),
            row["canonical_solution"],
            "Python",
            data={**row, "restore": restorer(int(row["task_id"].rpartition("/")[2]))},
        )
        for row in records("MbppPlus.jsonl", folder, PLUS_WHERE)
    ]


def restorer(number: int) -> Callable[[Any], Any]:
    """Return what makes a task's inputs what they were before JSON, which knows lists only."""
    if number in _TUPLES:
        return lambda given: [tuple(item) for item in given]
    if number in _LISTS_OF_TUPLES:
        return lambda given: [[tuple(item) for item in part] for part in given]
    if number in _TUPLES_OF_TUPLES:
        return lambda given: [tuple(tuple(item) for item in part) for part in given]
    if number in _FIRST_IS_TUPLES:
        return lambda given: [[tuple(item) for item in given[0]], given[1]]
    if number in _FIRST_IS_TUPLE:
        return lambda given: [tuple(given[0]), *given[1:]]
    if number in _SECOND_IS_TUPLE:
        return lambda given: [given[0], tuple(given[1])]
    if number in _ALL_TUPLES:
        return _deep_tuple
    return _ODD.get(number, list)


def _deep_tuple(value: Any) -> Any:
    return tuple(_deep_tuple(item) for item in value) if isinstance(value, list) else value


_ODD: dict[int, Callable[[Any], Any]] = {
    115: lambda given: [
        [set(item) if isinstance(item, list) and item else {} for item in given[0]]
    ],
    124: lambda given: [float(given[0]), complex(given[1])],
    252: lambda given: [complex(given[0])],
    278: lambda given: [
        tuple(tuple(item) if isinstance(item, list) else item for item in given[0])
    ],
    722: lambda given: [{key: tuple(item) for key, item in given[0].items()}, *given[1:]],
}


def _judge_plus(task: Task, answer: str, sandbox: Sandbox | None) -> Verdict:
    return evalplus.judge(task, f"{task.data['prompt']}\n{answer}\n", sandbox, dataset="mbpp")


BENCHMARKS = (
    Benchmark(
        "mbpp", "deepseek", "MBPP, 3 shots", "pass@1", "execution",
        "three shots, tasks 11 to 510, greedy, 500 new tokens, cut at [DONE], program then asserts",
        tasks, lambda task, raw: cut(raw, (STOP,)), _judge,
    ),
    Benchmark(
        "mbpp", "full", "MBPP, all 974 tasks", "pass@1", "execution",
        "as the paper's rules, on all tasks",
        lambda folder: tasks(folder, None), lambda task, raw: cut(raw, (STOP,)), _judge,
    ),
    Benchmark(
        "mbpp", "evalplus", "MBPP+", "pass@1", "execution",
        "one assert in a docstring, EvalPlus 0.2.0 inputs and comparison, base score beside it",
        _plus, lambda task, raw: cut(raw, PLUS_STOPS), _judge_plus, measures=("base",),
    ),
)  # fmt: skip
