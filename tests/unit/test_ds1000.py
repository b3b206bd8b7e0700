import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gristmill.evaluation.benchmark import Task, find
from gristmill.evaluation.sandbox import Sandbox, open_sandbox

CONTEXT = '''
def exec_test(result, ans):
    return result == ans
exec_context = r"""
n = test_input
[insert]
"""
def test_execution(solution):
    code = exec_context.replace("[insert]", solution)
    space = {"test_input": 3}
    exec(code, space)
    assert exec_test(space["result"], 6)
def test_string(solution):
    assert "for" not in solution
'''
ROW = {
    "prompt": "Double n.\nBEGIN SOLUTION\n<code>\n", "reference_code": "result = 2 * n",
    "code_context": CONTEXT, "metadata": {"library": "Numpy", "library_problem_id": 4},
}  # fmt: skip


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with open_sandbox() as found:
        yield found


@pytest.fixture
def task(tmp_path: Path) -> Task:
    (tmp_path / "ds1000.jsonl").write_text(json.dumps(ROW) + "\n")
    (found,) = find("ds1000").load(tmp_path)
    return found


def test_an_answer_keeps_its_first_lines_indentation(task: Task) -> None:
    known = find("ds1000")
    assert known.answer(task, "    return 2 * n\n</code>\nEND SOLUTION") == "    return 2 * n"
    assert (task.name, task.group) == ("Numpy/4", "Numpy")


@pytest.mark.bubblewrap
def test_the_tasks_own_tests_decide(task: Task, sandbox: Sandbox) -> None:
    known = find("ds1000")
    assert known.judge(task, task.reference, sandbox).passed
    assert known.judge(task, "result = 5", sandbox).kind == "wrong"
    assert known.judge(task, "for result in [6]: pass", sandbox).kind == "wrong"
    assert known.judge(task, "result = m", sandbox).kind == "error"
    assert known.judge(task, "import os; os._exit(0)", sandbox).kind == "ended"
    assert known.judge(task, "raise SystemExit", sandbox).kind == "ended"
