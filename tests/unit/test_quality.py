"""Signals of one tree, and limits apart from them."""

import pytest
from pydantic import ValidationError

from gristmill.corpus.config import Limit, Quality
from gristmill.corpus.imports import parse
from gristmill.corpus.imports.registry import RULES
from gristmill.corpus.quality import READABILITY, SIGNALS, as_row, measurer, verdict

PYTHON = b'''import os  # a comment
# whole line


def first(name):
    """Say it."""
    value = 12345 + len(name)
    return value


class Some:
    def method(self):
        def inner():
            return "text # no comment"
        return inner
'''
C_LIKE = b"""// a comment of 27 characters
int first(int a) {
    /* block */ return a + 1; // end
}
char *text = "a /* no comment */ b";
"""


def measured(language: str, data: bytes) -> dict[str, float | None]:
    row = as_row(parse(language, data, measure=measurer(language)).signals)
    assert row is not None
    return dict(row)


def test_python_s_signals() -> None:
    found = measured("Python", PYTHON)
    size = len(PYTHON)
    assert found["comment_share"] == len("# a comment# whole line") / size
    assert found["string_share"] == len('"""Say it.""""text # no comment"') / size
    assert found["functions"] == 2  # an inner function is a part of its outer one
    assert found["mean_function_lines"] == 4
    assert found["longest_function_share"] == 4 / 11
    assert found["import_share"] == 1 / 11
    words = "import os def first name value 12345 len name return value class Some def method self"
    names = (words + " def inner return return inner").split()
    assert found["number_share"] == pytest.approx(1 / len(names))
    names.remove("12345")
    assert found["mean_name_chars"] == pytest.approx(sum(map(len, names)) / len(names))
    assert found["longest_word_chars"] == 6
    assert found["short_name_share"] == 0


@pytest.mark.parametrize(
    ("language", "data", "comments", "functions"),
    [
        ("C", C_LIKE, "// a comment of 27 characters/* block */// end", 1),
        ("C++", b"namespace a { class B { void f() {} int g(); }; }\n// x\n", "// x", 1),
        ("Java", b"class A { A() {} int f() { return '\"'; } /* c */ }\n", "/* c */", 2),
        (
            "JavaScript",
            b"const f = (a) => a; // c\nexport function g() {}\nx = `// no`;",
            "// c",
            2,
        ),
        ("TypeScript", b"class A { f(): void {} }\nconst u = 'http://x'; /* c */", "/* c */", 1),
        ("Go", b"package a\n\nfunc f() {}\n\n// c\nfunc (t T) g() {}\nvar s = `//`\n", "// c", 2),
    ],
)
def test_comments_and_functions_by_language(
    language: str, data: bytes, comments: str, functions: int
) -> None:
    found = measured(language, data)
    assert found["comment_share"] == len(comments) / len(data)
    assert found["functions"] == functions


@pytest.mark.parametrize("language", sorted(name for name in RULES if RULES[name].grammar))
def test_every_parsed_language_is_measured(language: str) -> None:
    signals = parse(language, b"word word 12\n\nword word 12\n", measure=measurer(language)).signals
    assert len(signals) == len(SIGNALS)
    empty = parse(language, b" \n", measure=measurer(language)).signals
    assert empty == (None,) * len(SIGNALS)


def test_repeated_lines_are_those_longer_than_a_brace() -> None:
    data = b"x = call(1)\nx = call(1)\ny = call(2)\nz = call(3)\n)\n)\n)\n"
    assert measured("Python", data)["repeated_line_share"] == 0.25


def test_nothing_is_measured_unless_asked() -> None:
    assert parse("Python", PYTHON).signals == ()
    assert as_row(()) is None
    assert verdict("Python", (), limits(comment_share=Limit(max=0))) == ("", "")


def limits(**values: Limit) -> Quality:
    return Quality(limits={"all": values})


def test_no_limit_drops_nothing_by_default() -> None:
    assert verdict("Python", (0.99,) * len(SIGNALS), Quality()) == ("", "")


@pytest.mark.parametrize(
    ("value", "wanted"), [(0.09, "readability"), (0.1, ""), (0.5, ""), (0.51, "readability")]
)
def test_a_value_that_equals_a_bound_stays(value: float, wanted: str) -> None:
    signals = tuple(value if name == "comment_share" else None for name in SIGNALS)
    assert verdict("Go", signals, limits(comment_share=Limit(min=0.1, max=0.5)))[0] == wanted


def test_the_detail_names_signal_figure_and_limit() -> None:
    signals = tuple(40.0 if name == "functions" else None for name in SIGNALS)
    found = verdict("Go", signals, limits(functions=Limit(max=30)))
    assert found == ("modularity", "functions 40, limit 30")


def test_a_language_s_own_limit_takes_the_place_of_the_general_one() -> None:
    quality = Quality(
        limits={"all": {"functions": Limit(max=1)}, "Python": {"functions": Limit(max=9)}}
    )
    signals = tuple(5.0 if name == "functions" else None for name in SIGNALS)
    assert verdict("Python", signals, quality) == ("", "")
    assert verdict("Go", signals, quality)[0] == "modularity"


@pytest.mark.parametrize("name", SIGNALS)
def test_each_signal_can_be_limited_and_ablated(name: str) -> None:
    signals = tuple(2.0 if other == name else None for other in SIGNALS)
    strict = {"all": {name: Limit(max=1)}}
    reason, _ = verdict("Python", signals, Quality(limits=strict))
    assert reason == ("readability" if name in READABILITY else "modularity")
    assert verdict("Python", signals, Quality(limits=strict, ignore=(name,))) == ("", "")


def test_an_unknown_signal_is_refused() -> None:
    with pytest.raises(ValidationError, match="comment_share"):
        Quality.model_validate({"limits": {"all": {"coment_share": {"max": 1.0}}}})
    with pytest.raises(ValidationError, match="signals: true"):
        Quality.model_validate({"signals": False, "limits": {"all": {"functions": {"max": 1.0}}}})


def test_the_section_can_be_a_key() -> None:
    assert hash(limits(functions=Limit(max=1))) == hash(limits(functions=Limit(max=1)))
    assert hash(limits(functions=Limit(max=1))) != hash(Quality())
