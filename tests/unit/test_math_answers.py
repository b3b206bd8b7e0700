from collections.abc import Iterator

import pytest

from gristmill.evaluation.math_answers import boxed, equal, expression, normal
from gristmill.evaluation.sandbox import Sandbox, open_sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with open_sandbox() as found:
        yield found


def test_numbers_within_a_ten_thousandth_and_hundreds_when_lenient() -> None:
    assert equal("18.0", "18", lenient=False)
    assert equal("1,234", "1234.00", lenient=False)
    assert equal("33.3333", "33.33333333", lenient=False)
    assert not equal("0.5", "50", lenient=False)
    assert equal("0.5", "50", lenient=True) and equal("5000", "50", lenient=True)
    assert not equal("", "0", lenient=True) and not equal("nan", "1", lenient=True)


def test_texts_are_brought_to_one_form() -> None:
    assert normal("\\dfrac12") == "\\frac{1}{2}"
    assert normal("x = 5") == "5" and normal("\\left( 3, 4 \\right)") == "(3,4)"
    assert normal("7 \\text{ inches}") == "7" and normal(".5") == "0.5" and normal("2.00") == "2"
    assert boxed("so \\boxed{\\frac{1}{2}} it is") == "\\frac{1}{2}" and boxed("none") == ""
    assert equal("(1, 2.0)", "(1,2)", lenient=False)


def test_only_known_names_become_an_expression() -> None:
    assert expression("\\frac{1}{2}") == "((1)/(2))"
    assert expression("2\\sqrt{3}") == "2*sqrt(3)"
    for text in (
        "__import__('os')",
        "x.__class__",
        "9**9**9**9**9",
        "open(1)",
        "1" * 300,
        "2^1000",
    ):
        assert expression(text) is None


@pytest.mark.bubblewrap
def test_expressions_are_compared_in_the_sandbox(sandbox: Sandbox) -> None:
    if "sympy" not in " ".join(sandbox.backend.argv):
        pytest.skip("the sandbox's interpreter has no sympy")
    assert equal("\\frac{x+2}{7}", "\\frac{x}{7}+\\frac{2}{7}", lenient=False, sandbox=sandbox)
    assert not equal("\\frac{x+3}{7}", "\\frac{x}{7}", lenient=False, sandbox=sandbox)
