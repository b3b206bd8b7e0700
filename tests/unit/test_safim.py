import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gristmill.evaluation.benchmark import Task, find
from gristmill.evaluation.benchmarks.safim import (
    block,
    calls_match,
    judge_program,
    same,
    up_to_bracket,
    up_to_call,
)
from gristmill.evaluation.sandbox import Sandbox, open_sandbox

PYTHON = "for n in range(int(input())):\n    {{completion}}\nprint('done')\n"
JAVA = (
    "public class D {\n  public static void main(String[] a) {\n    {{completion}}\n"
    '    System.out.println("done");\n  }\n}\n'
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with open_sandbox() as found:
        yield found


def tasks(kind: str, folder: Path, **row: Any) -> list[Task]:
    tests = [{"input": "2", "output": ["NO\nNO\ndone"]}]
    row = {"unit_tests": tests, "task_id": f"{kind}_completion_000007", **row}
    row["prompt"] = f"Complete:\n\n{row['eval_prompt']}".replace(
        "{{completion}}",
        "# TODO: Your code here" if row["lang"] == "python" else "/* TODO: Your code here */",
    )
    (folder / f"{kind}_completion.jsonl").write_text(json.dumps(row) + "\n")
    return list(find(f"safim@{kind}").load(folder))


def test_a_block_is_cut_where_the_rest_would_change() -> None:
    two = "print('no')\n    n += 1\n"
    assert block(PYTHON, two + "print('left the loop')\n", "python") == two
    assert block(PYTHON, "print((\n", "python") == ""
    java = "int b = 1;\n    b++;\n"
    assert block(JAVA, java + "  }\n  void more() {\n", "java") == java


def test_expressions_and_calls_end_at_brackets() -> None:
    assert up_to_bracket("i = 0; i < f(n); i++) {\n") == "i = 0; i < f(n); i++"
    assert up_to_bracket("i = 0") == "i = 0"
    assert up_to_call("a.b(c(d), e);\nmore()") == "a.b(c(d), e)"
    assert calls_match("f(1, b = 2, a=3)", "f(1,a=3,b=2)", "python")
    assert not calls_match("f(a=3)", "f(a=4)", "python")
    assert calls_match("f( x )", "f(x)", "cpp") and not calls_match("f(x)", "f(y)", "cpp")
    assert same("NO\n 1  2\n", "no 1 2") and not same("NO", "YES")


def test_tasks_have_both_sides_of_the_hole(tmp_path: Path) -> None:
    (task,) = tasks(
        "api", tmp_path, lang="python", ground_truth="f(n)", eval_prompt="{{completion}}"
    )
    assert task.name == "api/python/000007" and task.prompt.suffix == ""
    known = find("safim@api")
    assert known.judge(task, known.answer(task, "f(n )\nprint()"), None).passed
    assert not known.judge(task, "f(m)", None).passed


@pytest.mark.bubblewrap
def test_programs_are_run_on_their_inputs(tmp_path: Path, sandbox: Sandbox) -> None:
    (task,) = tasks(
        "block", tmp_path, lang="python", ground_truth="print('No')", eval_prompt=PYTHON
    )
    known = find("safim@block")
    assert known.judge(task, "print('No')", None).passed, "the reference is not run"
    assert judge_program(task, "print('no')", sandbox).passed
    assert known.judge(task, "print('YES')", sandbox).kind == "wrong"
    assert known.judge(task, "raise SystemExit(0)", sandbox).kind == "wrong"
    assert known.judge(task, "1 / 0", sandbox).kind == "error"
