"""The paper's rule filters at their boundaries (section 2.1)."""

import pytest

from gristmill.corpus.config import Rules
from gristmill.corpus.exceptions import NONE, SPARED
from gristmill.corpus.rules import alphabetic, check, count_letters, visible_text

RULES = Rules()


def reason(text: str, language: str = "Python") -> str | None:
    verdict = check(text, language, RULES)
    return None if verdict is None else verdict[0]


def test_a_mean_line_of_exactly_100_stays_and_of_more_goes() -> None:
    assert reason("a" * 100 + "\n" + "b" * 100 + "\n") is None
    assert reason("a" * 100 + "\n" + "b" * 101 + "\n") == "mean_line"


def test_a_last_line_without_a_newline_counts_as_a_line() -> None:
    assert reason("a" * 100 + "\n" + "b" * 100) is None
    assert reason("a" * 101) == "mean_line"


def test_a_line_of_exactly_1000_stays_and_one_more_goes() -> None:
    short = "a\n" * 20
    assert reason(short + "b" * 1000 + "\n") is None
    assert reason(short + "b" * 1001 + "\n") == "max_line"


def test_a_quarter_of_letters_stays_and_less_goes() -> None:
    assert reason("a" * 25 + "1" * 75) is None
    assert reason("a" * 24 + "1" * 76) == "alphabetic"


@pytest.mark.parametrize("text", ["abc 123", "\u00e4\u00f6\u4e2d 12", "", "\u0663a_"])
def test_letters_are_those_of_isalpha(text: str) -> None:
    assert count_letters(text) == sum(character.isalpha() for character in text)


def test_an_xml_declaration_in_the_first_100_characters_goes_but_xslt_stays() -> None:
    declaration = '<?xml version="1.0"?>\n'
    body = "some words of text\n" * 10
    assert reason(declaration + body) == "xml"
    assert reason(declaration + body, "XSLT") is None
    at_edge = "x" * (100 - len('<?xml version="')) + declaration + body
    assert reason(at_edge) == "xml"
    assert reason("x" + at_edge) is None


def page(visible: int, total: int) -> str:
    shell = "<html><body></body></html>"
    filler = total - len(shell) - visible - len("<!---->")
    return f"<html><body>{'v' * visible}<!--{'c' * filler}--></body></html>"


@pytest.mark.parametrize(
    ("visible", "total", "wanted"),
    [(100, 500, None), (99, 400, "html"), (119, 600, "html"), (120, 600, None)],
)
def test_html_stays_from_a_fifth_and_100_characters_visible(
    visible: int, total: int, wanted: str | None
) -> None:
    text = page(visible, total)
    assert len(text) == total
    assert len(visible_text(text)) == visible
    lines = Rules(max_mean_line_chars=1e9)
    verdict = check(text, "HTML", lines)
    assert (None if verdict is None else verdict[0]) == wanted


def test_script_and_style_are_not_visible() -> None:
    assert (
        visible_text("<body><script>var a</script><style>p{}</style><p>seen</p></body>") == "seen"
    )


@pytest.mark.parametrize("language", ["JSON", "YAML"])
def test_json_and_yaml_stay_from_50_to_5000_characters(language: str) -> None:
    line = "a" * 49 + "\n"
    assert reason(line, language) is None
    assert reason(line[1:], language) == "data_size"
    assert reason(line * 100, language) is None
    assert reason(line * 100 + "b", language) == "data_size"
    assert reason(line * 200, "Python") is None


def test_a_verdict_names_the_figure_and_the_limit() -> None:
    verdict = check("a" * 1001 + "\n" + "b\n" * 50, "Python", RULES)
    assert verdict == ("max_line", "longest line of 1001 characters, limit 1000")


@pytest.mark.parametrize(("longest", "wanted"), [(999, None), (1000, None), (1001, "max_line")])
def test_the_longest_line_just_below_at_and_above(longest: int, wanted: str | None) -> None:
    assert reason("a\n" * 20 + "b" * longest + "\n") == wanted


@pytest.mark.parametrize(("last", "wanted"), [(99, None), (100, None), (101, "mean_line")])
def test_the_mean_line_just_below_at_and_above(last: int, wanted: str | None) -> None:
    assert reason("a" * 100 + "\n" + "b" * last + "\n") == wanted


@pytest.mark.parametrize(("letters", "wanted"), [(249, "alphabetic"), (250, None), (251, None)])
def test_letters_just_below_at_and_above(letters: int, wanted: str | None) -> None:
    found = alphabetic("a" * letters + "1" * (1000 - letters), "Python", RULES)
    assert (None if found is None else found[0]) == wanted


@pytest.mark.parametrize(("size", "wanted"), [(49, "data_size"), (50, None), (51, None)])
@pytest.mark.parametrize("language", ["JSON", "YAML"])
def test_the_least_data_just_below_at_and_above(
    language: str, size: int, wanted: str | None
) -> None:
    assert reason("a" * size, language) == wanted


@pytest.mark.parametrize(("size", "wanted"), [(4999, None), (5000, None), (5001, "data_size")])
def test_the_most_data_just_below_at_and_above(size: int, wanted: str | None) -> None:
    assert reason((("a" * 49 + "\n") * 101)[:size], "JSON") == wanted


@pytest.mark.parametrize("path", ["a.md", "a.rst", "a.sql", "a.cmake", "a.tex", "a.R"])
def test_prose_and_tables_of_strings_may_have_long_lines(path: str) -> None:
    text = "word " * 300 + "\n"
    assert verdict(text, path) is None
    assert verdict(text, "a.py") == "mean_line"
    assert verdict(text, path, Rules(by_ending=False)) == "mean_line"


def test_a_shader_s_longest_line_has_a_limit_of_its_own() -> None:
    short = "a\n" * 50
    assert verdict(short + "b" * 500, "a.fsh") is None
    assert verdict(short + "b" * 501, "a.fsh") == "max_line"
    assert verdict(short + "b" * 501, "a.vsh") is None


def test_digits_count_with_letters_where_comments_are_rows_of_numbers() -> None:
    numbers = "1 2 3 4 5\n" * 20
    assert verdict(numbers, "a.asm") is None
    assert verdict(numbers, "a.py") == "alphabetic"
    assert verdict("+-*/ " * 20, "a.asm") == "alphabetic"
    assert verdict("+-*/ " * 20, "a.sas") is None


def test_every_ending_that_is_spared_has_its_reason_in_another_figure() -> None:
    for ending, spared in SPARED.items():
        assert spared != NONE and ending == ending.lower()


def verdict(text: str, path: str, rules: Rules = RULES) -> str | None:
    found = check(text, "Any", rules, path)
    return None if found is None else found[0]
