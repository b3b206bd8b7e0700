from collections.abc import Iterator

import pytest

from gristmill.evaluation.benchmark import Task, Verdict, find
from gristmill.evaluation.sandbox import Sandbox, open_sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with open_sandbox() as found:
        yield found


def tasks(name: str = "humaneval") -> list[Task]:
    return list(find(name).load(None))


def judge(name: str, task: Task, completion: str, sandbox: Sandbox) -> Verdict:
    known = find(name)
    return known.judge(task, known.answer(task, completion), sandbox)


def test_the_tasks_are_openais() -> None:
    found = tasks()
    assert [task.name for task in found] == [f"HumanEval/{i}" for i in range(164)]
    assert found[0].data["entry_point"] == "has_close_elements"
    assert not found[0].prompt.prefix.endswith("\n")
    assert tasks("humaneval@plain")[0].prompt.prefix.endswith("\n")


def test_a_completion_ends_at_the_first_stop() -> None:
    answer = find("humaneval").answer
    task = tasks()[0]
    assert answer(task, "    return 1\n\nprint(2)\ndef g(): pass") == "    return 1\n"
    assert answer(task, "    if x:\n        return 1") == "    if x:\n        return 1"


@pytest.mark.bubblewrap
@pytest.mark.parametrize("name", ["humaneval", "humaneval@plain"])
def test_canonical_solutions_pass(name: str, sandbox: Sandbox) -> None:
    some = tasks(name)[::5]  # all of them in tests/bench
    failed = [
        (task.name, verdict)
        for task in some
        if not (verdict := judge(name, task, task.reference, sandbox)).passed
    ]
    assert failed == []


@pytest.mark.bubblewrap
def test_imports_are_added_by_the_papers_rules_only(sandbox: Sandbox) -> None:
    paper, plain = tasks()[23], tasks("humaneval@plain")[23]
    text = "    return sum(itertools.repeat(1, len(string)))\n"
    assert judge("humaneval", paper, text, sandbox).passed
    verdict = judge("humaneval@plain", plain, text, sandbox)
    assert not verdict.passed and "NameError" in verdict.reason


@pytest.mark.bubblewrap
def test_an_answer_that_repeats_the_prompt_is_a_program(sandbox: Sandbox) -> None:
    task = tasks("humaneval@plain")[0]
    whole = task.prompt.prefix + task.reference
    verdict = find("humaneval@plain").judge(task, whole, sandbox)
    assert verdict.passed


@pytest.mark.bubblewrap
def test_plus_inputs_find_what_the_base_does_not(sandbox: Sandbox) -> None:
    task = tasks("humaneval@evalplus")[2]  # truncate_number
    assert find("humaneval@evalplus").judge(task, task.reference, sandbox).passed
    wrong = "    return number % 1.0 if number < 1e6 else 0.0\n"
    verdict = find("humaneval@evalplus").judge(task, wrong, sandbox)
    assert not verdict.passed and verdict.measures["base"] == 1.0
