"""The automaton says where to look, the pattern and the check decide."""

import re

import pytest

from gristmill.corpus.scanning import Candidate, Rule, Scanner

NUMBER = Rule("number", "n", r"no\d", re.compile(r"no(?P<hit>\d+)"))
BLOCK = Rule("block", "b", "begin:", re.compile("begin:(?P<hit>.*?)end"), each=re.compile("[a-z]+"))


def found(rules: list[Rule], text: str) -> list[tuple[str, str]]:
    return [(rules[number].name, hit.value) for number, hit in Scanner(rules).find(text)]


@pytest.mark.parametrize("before", ["", "x" * 500, "\u00e9\U0001f600 " * 90])
def test_places_are_of_characters_whatever_stands_before(before: str) -> None:
    text = f"{before}no17 and no4"
    ((_, first), (_, second)) = Scanner([NUMBER]).find(text)
    assert text[first.start : first.end] == "17"
    assert text[second.start : second.end] == "4"


def test_a_match_may_hold_several_findings() -> None:
    assert found([BLOCK], "begin: ab 1 cd end") == [("block", "ab"), ("block", "cd")]


def test_the_check_has_the_last_word() -> None:
    def even(candidate: Candidate) -> bool:
        return int(candidate.value) % 2 == 0 and candidate.line_before().endswith("x no")

    rule = Rule("even", "n", r"no\d", NUMBER.pattern, even)
    assert found([rule], "x no2\nno4 x no3") == [("even", "2")]


def test_a_match_found_twice_is_one() -> None:
    assert found([NUMBER], "no1no2no1") == [("number", "1"), ("number", "2"), ("number", "1")]
