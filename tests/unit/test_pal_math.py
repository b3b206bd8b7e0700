from collections.abc import Iterator

import pytest

from gristmill.errors import RecipeError
from gristmill.evaluation.benchmark import find
from gristmill.evaluation.benchmarks.pal_math import gold, program, question
from gristmill.evaluation.sandbox import Sandbox, open_sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with open_sandbox() as found:
        yield found


def answer(body: str) -> str:
    return f"```python\ndef solution():\n    {body}\n```\n"


def test_the_bundled_sets() -> None:
    sizes = {
        name: len(find(f"pal-{name}").load(None)) for name in ("gsm8k", "math", "gsm-hard", "svamp")
    }
    assert sizes == {"gsm8k": 1319, "math": 500, "gsm-hard": 1319, "svamp": 1000}
    with pytest.raises(RecipeError, match="PAL-Math/datasets/asdiv"):
        find("pal-asdiv").load(None)
    first = find("pal-gsm8k").load(None)[0]
    assert first.prompt.prefix.count("def solution():") == 3 and first.data["gold"] == "18"


def test_records_of_every_set_have_a_question_and_an_answer() -> None:
    assert gold("asdiv", {"answer": "9 (apples)"}) == "9"
    assert gold("tabmwp", {"answer": "1/4", "ans_type": "decimal_number"}) == "0.25"
    assert gold("tabmwp", {"answer": "1,200", "ans_type": "integer_number"}) == "1200"
    assert gold("mawps", {"target": "43.0"}) == "43.0"
    assert question("svamp", {"Body": "A", "Question": "B?"}) == "A. B?"
    row = {"table_title": "T", "table": "a | b", "question": "Q?", "choices": ["x"]}
    assert question("tabmwp", row).endswith("options: ['x']")


def test_the_program_is_the_first_block_with_a_solution() -> None:
    assert program("```python\nx = 1\n```\n" + answer("return 2")).endswith("return 2\n")
    assert program("def solution(): return 1") == ""


@pytest.mark.bubblewrap
def test_two_gradings_of_the_same_answer(sandbox: Sandbox) -> None:
    lenient, strict = find("pal-gsm8k"), find("pal-gsm8k@strict")
    task = lenient.load(None)[0]
    assert strict.judge(task, answer("return 18.0"), sandbox).passed
    assert lenient.judge(task, answer("return 0.18"), sandbox).passed
    assert not strict.judge(task, answer("return 0.18"), sandbox).passed
    assert strict.judge(task, answer("raise ValueError"), sandbox).kind == "error"
    assert strict.judge(task, "eighteen", sandbox).kind == "missing"
    hostile = "class A:\n        def __eq__(self, o): return True\n        def __str__(self): return ''\n    return A()"
    assert not lenient.judge(task, answer(hostile), sandbox).passed
