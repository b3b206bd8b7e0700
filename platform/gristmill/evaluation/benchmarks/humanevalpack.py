"""HumanEvalPack as a self-test: right and wrong solutions of every HumanEval task in four languages.

A harness is right when the canonical solutions score 100 % and the buggy ones nothing (Muennighoff et
al. 2023). `buggy` in a task's data is the wrong one. A model is asked as in HumanEval.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

from gristmill.evaluation.benchmark import Benchmark, Prompt, Task, Verdict, cut, records
from gristmill.evaluation.python_tests import check_function, with_imports
from gristmill.evaluation.sandbox import Sandbox
from gristmill.evaluation.toolchains import TOOLCHAINS, run

WHERE = "https://huggingface.co/datasets/bigcode/humanevalpack"
LANGUAGES = {"python": "Python", "js": "JavaScript", "java": "Java", "cpp": "C++"}
STOPS = {
    "python": ("\ndef", "\nclass", "\nif", "\n#", "\nprint"),
    "js": ("\nfunction ", "\nconst ", "\n//", "\nconsole.log"),
    "java": ("\n    public ", "\nclass ", "\n//"),
    "cpp": ("\nint main", "\n#include", "\n//"),
}


def _load(short: str) -> Callable[[Path | None], Sequence[Task]]:
    def load(folder: Path | None) -> Sequence[Task]:
        return [
            Task(
                row["task_id"],
                Prompt(row["prompt"].strip(), stop=STOPS[short], max_new_tokens=500),
                row["canonical_solution"],
                LANGUAGES[short],
                data={**row, "buggy": row["buggy_solution"]},
            )
            for row in records(f"humanevalpack_{short}.jsonl", folder, WHERE)
        ]

    return load


def _judge_python(task: Task, answer: str, sandbox: Sandbox | None) -> Verdict:
    assert sandbox is not None
    row = task.data
    program = with_imports(f"{row['prompt']}\n{answer}\n")
    return check_function(program, row["entry_point"], row["test"], sandbox, before=row["prompt"])


def _judge_other(short: str) -> Callable[[Task, str, Sandbox | None], Verdict]:
    chain = TOOLCHAINS[LANGUAGES[short]]

    def judge(task: Task, answer: str, sandbox: Sandbox | None) -> Verdict:
        assert sandbox is not None
        mark = secrets.token_hex(12)
        row = task.data
        program = f"{row['prompt']}\n{answer}\n{_marked(short, str(row['test']), mark)}"
        if short == "java":
            program = program.replace("public class Main", "class Problem")
            program = program.replace("class Main", "class Problem")
        return run(chain, {chain.file: program}, mark, sandbox)

    return judge


def _marked(short: str, tests: str, mark: str) -> str:
    tests = tests.rstrip()
    if short == "js":
        return f'{tests}\nconsole.log("{mark}");\n'
    says = f'puts("\\n{mark}");' if short == "cpp" else f'System.out.println("\\n{mark}");'
    at = len(tests)
    for _ in range(1 if short == "cpp" else 2):
        at = tests.rindex("}", 0, at)
    return f"{tests[:at]}{says}\n{tests[at:]}\n"


BENCHMARKS = tuple(
    Benchmark(
        "humanevalpack", short, f"HumanEvalPack, {language}", "pass@1", "execution",
        "prompt stripped, greedy, cut at stop texts, the pack's tests",
        _load(short), lambda task, raw, short=short: cut(raw, STOPS[short]),  # type: ignore[misc]
        _judge_python if short == "python" else _judge_other(short),
    )
    for short, language in LANGUAGES.items()
)  # fmt: skip
