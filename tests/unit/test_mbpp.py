from collections.abc import Iterator

import pytest

from gristmill.evaluation.benchmark import find
from gristmill.evaluation.benchmarks.mbpp import restorer
from gristmill.evaluation.sandbox import Sandbox, open_sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with open_sandbox() as found:
        yield found


def test_three_shots_and_five_hundred_tasks() -> None:
    tasks = find("mbpp").load(None)
    assert len(tasks) == 500 and tasks[0].name == "MBPP/11"
    prompt = tasks[0].prompt.prefix
    assert prompt.count("[BEGIN]") == 4 and prompt.count("[DONE]") == 3
    assert prompt.endswith("[BEGIN]") and "\r" not in prompt and "\t" not in prompt
    assert find("mbpp").answer(tasks[0], "def f(): pass\n[DONE]\nmore") == "def f(): pass\n"


@pytest.mark.bubblewrap
@pytest.mark.parametrize("name", ["MBPP/367", "MBPP/927", "MBPP/533", "MBPP/11", "MBPP/601"])
def test_references_pass_with_their_classes_types_and_set_up_code(
    name: str, sandbox: Sandbox
) -> None:
    known = find("mbpp@full")
    task = next(task for task in known.load(None) if task.name == name)
    assert known.judge(task, task.reference, sandbox).passed
    wrong = known.judge(task, task.reference.replace("return", "return None and"), sandbox)
    assert not wrong.passed


def test_inputs_come_back_from_json_as_they_were() -> None:
    assert restorer(2)([[1], [2]]) == [(1,), (2,)]
    assert restorer(63)([[[1, 2]]]) == [[(1, 2)]]
    assert restorer(259)([[[1], [2]], [[3]]]) == [((1,), (2,)), ((3,),)]
    assert restorer(75)([[[1]], 2]) == [[(1,)], 2]
    assert restorer(307)([[1], 2, 3]) == [(1,), 2, 3]
    assert restorer(106)([1, [2]]) == [1, (2,)]
    assert restorer(580)([[1, [2]]]) == ((1, (2,)),)
    assert restorer(115)([[[1], []]]) == [[{1}, {}]]
    assert restorer(124)(["1", "2j"]) == [1.0, 2j]
    assert restorer(3)([[1]]) == [[1]]


@pytest.mark.bubblewrap
def test_plus_tasks_are_judged_by_their_references(sandbox: Sandbox) -> None:
    known = find("mbpp@evalplus")
    task = known.load(None)[0]
    assert known.judge(task, task.reference, sandbox).passed
    sets = "def similar_elements(a, b):\n    return [x for x in dict.fromkeys(a) if x in b]\n"
    assert known.judge(task, sets, sandbox).passed  # its own oracle: order does not count
    verdict = known.judge(task, "def similar_elements(a, b):\n    return (4, 5)\n", sandbox)
    assert not verdict.passed and verdict.measures["base"] == 0.0
