"""Benchmarks' texts are found in files, and little else is."""

import json
from pathlib import Path

import pytest

from gristmill.corpus.contamination import BUNDLED, Benchmarks, _records
from gristmill.errors import RecipeError


def test_every_bundled_solution_is_found_when_pasted_into_a_file() -> None:
    benchmarks = Benchmarks.load(("humaneval",))
    solutions = [str(record["canonical_solution"]) for record in _records("humaneval")]
    long = [text for text in solutions if len(text.split()) >= 10]
    pasted = [f"import os\n\ndef mine():\n{text}\n# the end\n" for text in long]
    assert len(long) > 100
    found = benchmarks.find(pasted)
    assert sum(map(bool, found)) / len(found) > 0.97


def test_reformatting_does_not_hide_a_ten_gram(tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    text = "alpha beta gamma delta epsilon zeta eta theta iota kappa"
    path.write_text(json.dumps({"q": text}) + "\n")
    benchmarks = Benchmarks.load((str(path),))
    assert benchmarks.find([text.replace(" ", "(\n  ").upper()]) == ["a 10-gram of b.jsonl 0 q"]
    assert benchmarks.find([text.replace("kappa", "lambda")]) == [""]


@pytest.mark.parametrize(
    ("question", "file", "hit"),
    [
        ("one two three", "x one two three y", True),
        ("one two three", "x one two, three y", False),
        ("one two", "one two", False),
        ("one two three four five six seven eight nine", "zero one two three four", False),
    ],
)
def test_short_strings_must_occur_exactly(
    tmp_path: Path, question: str, file: str, hit: bool
) -> None:
    path = tmp_path / "b.jsonl"
    path.write_text(json.dumps({"q": question}) + "\n")
    assert bool(Benchmarks.load((str(path),)).find([file])[0]) is hit


def test_numbers_alone_show_nothing(tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    path.write_text(json.dumps({"q": "list of " + " ".join(map(str, range(30)))}) + "\n")
    benchmarks = Benchmarks.load((str(path),))
    assert benchmarks.find([" ".join(map(str, range(100)))]) == [""]


def test_all_bundled_benchmarks_load() -> None:
    assert len(Benchmarks.load(tuple(BUNDLED)).labels) > 5000


def test_a_benchmark_s_file_may_hold_any_line_separator_and_a_bad_line_is_named(
    tmp_path: Path,
) -> None:
    path = tmp_path / "b.jsonl"
    text = "one two three four five six seven\u2028eight nine ten eleven"
    path.write_text(json.dumps({"q": text}, ensure_ascii=False) + "\n", encoding="utf-8")
    assert Benchmarks.load((str(path),)).find([text]) != [""]
    for number, bad in enumerate(("{", "[1]")):
        other = tmp_path / f"{number}.jsonl"
        other.write_text('{"q": "x"}\n' + bad)
        with pytest.raises(RecipeError, match="see line 2"):
            Benchmarks.load((str(other),))


def test_an_unknown_benchmark_is_an_error_that_names_the_known() -> None:
    with pytest.raises(RecipeError, match="humaneval, mbpp, gsm8k, math"):
        Benchmarks.load(("no-such",))
