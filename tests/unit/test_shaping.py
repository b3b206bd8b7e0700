import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gristmill.serving.exchange import Rules
from gristmill.serving.shaping import Shaper, extent_of, shown_by, starts_anew

ALL = Rules()
PYTHON = "Python"


def _shown(
    prefix: str, suffix: str, answer: str, rules: Rules = ALL, language: str = PYTHON
) -> str:
    shaper = Shaper(rules, prefix, suffix, language)
    shown = shaper.push(answer)
    return shown + shaper.push("", last=True)


@pytest.mark.parametrize(
    ("prefix", "suffix", "extent"),
    [
        ("x = foo(", ", b)\n", "line"),
        ("x = foo(", ")\n", "line"),
        ("def add(a, b", "\n", "statement"),
        ("def add(a, b):\n    ", "\n\nadd(1, 2)", "block"),
        ("", "", "block"),
    ],
)
def test_the_text_around_the_cursor_says_how_far(prefix, suffix, extent):
    assert extent_of(prefix, suffix) == extent


@pytest.mark.parametrize(
    ("prefix", "suffix", "answer", "shown"),
    [
        # a block ends where its indentation does
        ("def f():\n    ", "\n", "a = 1\n    return a\n\n\ndef g():\n    pass", "a = 1\n    return a"),
        ("def f():\n    ", "\n", "a = 1\n\n    return a\nf()", "a = 1\n\n    return a"),
        # a statement takes its own block with it, and no more
        ("if a", ":\n", " is None", " is None"),
        ("def f(", "", "a):\n    return a\n\ndef g():\n", "a):\n    return a"),
        ("x = ", "\n", "1\ny = 2\n", "1"),
        ("f = {", "\n", "\n    'a': 1,\n}\nprint(f)\n", "\n    'a': 1,\n}"),
        # what follows is not written again
        ("x = foo(", ")\n", "a, b)", "a, b"),
        ("x = foo(", ")\n", "a, bar(b)", "a, bar(b)"),
        ("print(", ", end='')\n", "text, end='')", "text"),
        ("def f():\n    ", "\n    return total\n", "total = 1\n    return total\n", "total = 1"),
        # in the middle of a line: one line
        ("x = foo(", ", 2)\n", "1\ny = 3", "1"),
        # once more, and again
        ("def f():\n    ", "", "a()\n    a()\n    a()\n    a()\n", "a()\n    a()"),
        # at the left edge one definition is enough
        ("", "", "def f():\n    return 1\n\n\ndef g():\n    return 2\n", "def f():\n    return 1"),
        ("", "", "import a\nimport b\n", "import a\nimport b"),
        # blanks at the end are never shown
        ("def f():\n    ", "", "return 1\n\n\n", "return 1"),
        ("x = 1", "", "   ", ""),
    ],
)  # fmt: skip
def test_an_answer_ends_where_it_should(prefix, suffix, answer, shown):
    assert _shown(prefix, suffix, answer) == shown


def test_the_bracket_that_closes_the_block_is_shown_unless_it_is_there():
    prefix = "function f() {\n  if (a) {\n    "
    answer = "b();\n  }\n  c();\n}\n"
    assert _shown(prefix, "\n", answer, language="JavaScript") == "b();\n  }"
    assert _shown(prefix, "\n  }\n}\n", answer, language="JavaScript") == "b();"


def test_each_rule_can_be_left_out():
    prefix, suffix = "def f():\n    ", "\n    return total\n"
    answer = "total = 1\n    return total\nf()"
    assert _shown(prefix, suffix, answer, Rules(suffix=False)) == "total = 1\n    return total"
    assert _shown(prefix, suffix, answer, Rules(extent="line")) == "total = 1"
    free = Rules(suffix=False, indent=False)
    assert _shown(prefix, suffix, answer, free) == answer
    twice = "def f():\n    a\ndef g():\n    b"
    assert _shown("", "", twice, Rules(keywords=False)) == twice


def test_a_line_asked_for_is_the_next_one_that_has_text():
    assert _shown("if a:", "", "\n    return 1\n    x", Rules(extent="line")) == "\n    return 1"


@pytest.mark.parametrize(
    "name", ["python", "Python", "javascriptreact", "cpp", "C++", "golang", "x"]
)
def test_languages_are_known_by_the_corpus_s_names_and_by_editors(name):
    assert (starts_anew(name) is None) == (name in ("golang", "x"))


_TEXT = st.text(alphabet="ab (){}:\n\t,x=", max_size=60)


@example("(", "", ": \nx", [])
@given(_TEXT, _TEXT, _TEXT, st.lists(st.integers(0, 60), max_size=6))
def test_what_is_shown_does_not_depend_on_the_pieces(prefix, suffix, answer, cuts):
    places = sorted({0, len(answer), *(cut for cut in cuts if cut < len(answer))})
    pieces = [answer[a:b] for a, b in itertools.pairwise(places)]
    whole = shown_by(ALL, prefix, suffix, [answer])
    assert shown_by(ALL, prefix, suffix, pieces) == whole
    assert "".join(whole.split()) in "".join(answer.split()) or not whole
    assert whole == whole.rstrip() or not whole.strip()


@pytest.mark.parametrize(
    ("least", "answer", "shown"),
    [
        (4, "x = 1\n    y = 2\n  z = 3\n", "x = 1\n    y = 2"),
        (4, "x = 1\n\n    y = 2\n", "x = 1\n\n    y = 2"),
        (1, "x = 1\n\ty = 2\nz = 3", "x = 1\n\ty = 2"),
        (0, "x = 1\nz = 3\n", "x = 1\nz = 3"),
    ],
)
def test_a_least_indentation_holds_for_further_lines(least, answer, shown):
    rules = Rules("block", False, False, False, False, least)
    assert shown_by(rules, "def f():\n    ", "\n", [answer]) == shown
