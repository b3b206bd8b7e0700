import pytest

from gristmill.evaluation import humaneval
from gristmill.evaluation.sandbox import Limits, Sandbox, open_sandbox


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return open_sandbox()


def test_the_tasks_are_openais() -> None:
    found = humaneval.tasks()
    assert [task.task for task in found] == [f"HumanEval/{i}" for i in range(164)]
    assert found[0].entry_point == "has_close_elements"
    assert not found[0].asked.endswith("\n")


def test_a_completion_ends_at_the_first_stop() -> None:
    assert humaneval.truncate("    return 1\n\nprint(2)\ndef g(): pass") == "    return 1\n"
    assert humaneval.truncate("    if x:\n        return 1") == "    if x:\n        return 1"


def test_imports_stand_before_the_program_and_numpy_only_when_named() -> None:
    task = humaneval.tasks(1)[0]
    assert "import math" in humaneval.program(task, "    return 1")
    assert "numpy" not in humaneval.program(task, "    return 1")
    assert "numpy as np" in humaneval.program(task, "    return np.any(numbers)")


@pytest.mark.bubblewrap
def test_every_canonical_solution_passes(sandbox: Sandbox) -> None:
    failed = [
        (task.task, verdict)
        for task in humaneval.tasks()
        if not (verdict := humaneval.check(task, task.canonical_solution, sandbox)).passed
    ]
    assert failed == []


@pytest.mark.bubblewrap
@pytest.mark.parametrize(
    "completion",
    [
        "    return None",
        "    raise SystemExit(0)",
        "    import os\n    os._exit(0)",
        "    class A:\n        def __eq__(self, other): return True\n    return A()",
        "    import builtins\n    builtins.AssertionError = Exception\n    return 0",
        "    import sys\n    sys.modules['__main__'].check = lambda c: None\n    return 0",
        "    syntax error",
        "    while True: pass",
        "",
    ],
)
def test_what_is_wrong_fails_whatever_it_claims(sandbox: Sandbox, completion: str) -> None:
    task = humaneval.tasks(1)[0]
    verdict = humaneval.check(task, completion, sandbox, Limits(wall_s=1.5))
    assert not verdict.passed
    assert verdict.reason
