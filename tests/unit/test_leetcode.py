import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gristmill.errors import RecipeError
from gristmill.evaluation.benchmark import Task, find
from gristmill.evaluation.benchmarks.leetcode import program
from gristmill.evaluation.sandbox import Sandbox, open_sandbox

ROW = {
    "task_id": "weekly-contest-1-twice",
    "meta": {"difficulty": "Easy"},
    "prompt_sft": "Double it.\n```python\nclass Solution:\n    def twice(self, n: int) -> int:\n        \n```",
    "test": '\nmy_solution = Solution()\n\ntest_input = { "n": 2 }\nassert my_solution.twice(**test_input) == 4\n'
    '\ntest_input = { "n": 5 }\nassert my_solution.twice(**test_input) == 10\n',
    "start_time": 1705804200,
}
RIGHT = "class Solution:\n    def twice(self, n: int) -> int:\n        return 2 * n"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with open_sandbox() as found:
        yield found


@pytest.fixture
def task(tmp_path: Path) -> Task:
    (tmp_path / "20240121-Jul.jsonl").write_text(json.dumps(ROW) + "\n")
    (found,) = find("leetcode").load(tmp_path)
    return found


def test_a_problem_is_a_dated_message(task: Task, tmp_path: Path) -> None:
    assert (task.group, task.date, task.prompt.chat) == ("Easy", "2024-01-21", True)
    (outlined,) = find("leetcode@cot").load(tmp_path)
    assert outlined.prompt.prefix.endswith("write the code.")
    with pytest.raises(RecipeError, match="LeetCode"):
        find("leetcode").load(tmp_path / "nowhere")


def test_the_program_is_the_first_block_or_goes_on_with_the_given_code(task: Task) -> None:
    assert program(task, f"Sure:\n```python\n{RIGHT}\n```\nand\n```python\nx\n```") == RIGHT
    assert program(task, f"[PYTHON]\n{RIGHT}\n[/PYTHON]") == RIGHT
    assert program(task, "\n        return 2 * n").startswith("class Solution:\n    def twice")
    assert program(task, f"```python\n{RIGHT}") == RIGHT
    assert program(task, f"{RIGHT}\nprint(1)") == RIGHT


@pytest.mark.bubblewrap
def test_every_assert_has_to_hold(task: Task, sandbox: Sandbox) -> None:
    known = find("leetcode")
    assert known.judge(task, RIGHT, sandbox).passed
    assert known.judge(task, RIGHT.replace("2 * n", "4"), sandbox).kind == "wrong"
    assert (
        known.judge(task, RIGHT.replace("return 2 * n", "__import__('os')._exit(0)"), sandbox).kind
        == "ended"
    )
    liar = "class A(int):\n    def __eq__(self, other): return True\n" + RIGHT.replace(
        "2 * n", "A(0)"
    )
    assert not known.judge(task, liar, sandbox).passed
