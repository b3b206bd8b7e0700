"""The paper's rule filters at their boundaries (section 2.1)."""

import pytest

from gristmill.corpus.config import Rules
from gristmill.corpus.rules import check, count_letters, visible_text

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
