"""Benchmarks' texts are found in files, and little else is."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.corpus.benchmark_texts import passages
from gristmill.corpus.contamination import BUNDLED, SCHEMA, Benchmarks, hit_table
from gristmill.corpus.shingles import num_words_of
from gristmill.errors import RecipeError


def test_every_bundled_solution_is_found_when_pasted_into_a_file() -> None:
    benchmarks = Benchmarks.load(("humaneval",))
    solutions = [
        passage.text for passage in passages("humaneval") if passage.field == "canonical_solution"
    ]
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


def test_every_bundled_benchmark_is_found_in_a_file_that_holds_its_texts() -> None:
    benchmarks = Benchmarks.load(tuple(BUNDLED))
    assert len(benchmarks.passages) > 14_000
    for name in BUNDLED:
        texts = [passage.text for passage in passages(name)][::21]
        long = [f"# {text}\n" for text in texts if num_words_of(text.encode()) >= 20]
        found = [{hit.passage.benchmark for hit in benchmarks.hits([text])} for text in long]
        assert len(long) >= 5 and sum(name in each for each in found) / len(long) > 0.95, name


def test_what_hit_what(tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    long = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu"
    records = [{"task_id": "T/1", "q": long}, {"task_id": "T/2", "q": "return x + y"}]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    texts = ["nothing", f"x = '{long.replace(' ', '  ')}'\nreturn x + y\n"]
    hits = Benchmarks.load((str(path),)).hits(texts)
    table = hit_table(hits, ["r", "r"], ["a.py", "b.py"])
    assert table.schema == SCHEMA
    assert table.to_pylist() == [
        {
            "repository": "r",
            "path": "b.py",
            "benchmark": "b.jsonl",
            "task": task,
            "field": "q",
            "ngram": ngram,
        }
        for task, ngram in (
            ("T/1", "alpha  beta  gamma  delta  epsilon  zeta  eta  theta  iota  kappa"),
            ("T/2", "return x + y"),
        )
    ]


def test_a_header_that_many_tasks_share_shows_nothing(tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    header = "use one; use two; use three; use four; use five; use six;"
    own = "task {} asks for a thing that no other task of these has ever wanted".format
    path.write_text("".join(json.dumps({"q": f"{header} {own(i)}"}) + "\n" for i in range(9)))
    benchmarks = Benchmarks.load((str(path),))
    assert benchmarks.find([header]) == [""]
    assert benchmarks.find([f"{header} {own(3)}"]) == ["a 10-gram of b.jsonl 3 q"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcdefg"), max_size=40), max_size=6))
def test_hits_are_those_of_plain_search(tmp_path_factory: Any, texts: list[list[str]]) -> None:
    path = tmp_path_factory.mktemp("b") / "b.jsonl"
    asked = ["a b c d e f g a b c d", "g f e", "a a b b", "c d e f g a b c d", "a b"]
    path.write_text("".join(json.dumps({"q": text}) + "\n" for text in asked))
    joined = [" ".join(words) for words in texts]
    found = {(hit.text, hit.passage.task) for hit in Benchmarks.load((str(path),)).hits(joined)}
    wanted = set()
    for number, text in enumerate(joined):
        for task, passage in enumerate(asked):
            words = passage.split()
            size = 10 if len(words) >= 10 else len(words)
            windows = [words[i : i + size] for i in range(len(words) - size + 1)]
            if size > 2 and any(f" {' '.join(w)} " in f" {text} " for w in windows):
                wanted.add((number, str(task)))
    assert found == wanted


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


def test_a_name_is_checked_without_loading_it(tmp_path: Path) -> None:
    Benchmarks.check(tuple(BUNDLED))
    with pytest.raises(RecipeError, match="no bundled benchmark"):
        Benchmarks.check(("humaneval", str(tmp_path / "gone.jsonl")))
