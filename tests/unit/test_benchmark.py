import gzip
import json
from pathlib import Path

import pytest

from gristmill.errors import RecipeError
from gristmill.evaluation import benchmarks
from gristmill.evaluation.benchmark import cut, digest, find, records, registry

MODULE = '''
"""A benchmark of one file, for this test."""
from gristmill.evaluation.benchmark import Benchmark, Prompt, Task, Verdict
BENCHMARKS = (
    Benchmark(
        "sums", "plain", "Sums", "exact match", "match", "prompt as it is",
        lambda folder: [Task("sums/1", Prompt("1 + 1 ="), "2")],
        lambda task, raw: raw.strip(),
        lambda task, answer, sandbox: Verdict(answer == task.reference),
    ),
)
'''


def test_benchmarks_are_found_by_looking_and_their_first_rules_are_the_default() -> None:
    known = registry()
    assert {"humaneval", "mbpp", "humaneval-infilling", "crosscodeeval", "pal-gsm8k"} <= set(known)
    assert find("humaneval").rules == "deepseek"
    assert find("humaneval@evalplus").title == "HumanEval+"
    keys = [one.key for some in known.values() for one in some]
    assert len(keys) == len(set(keys))


def test_a_file_is_a_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sums_for_test.py").write_text(MODULE)
    monkeypatch.setattr(benchmarks, "__path__", [*benchmarks.__path__, str(tmp_path)])
    one = find("sums")
    (task,) = one.load(None)
    assert one.judge(task, one.answer(task, " 2\n"), None).passed


@pytest.mark.parametrize("name", ["humanevl", "humaneval@papers"])
def test_what_is_not_there_is_named_with_what_is(name: str) -> None:
    with pytest.raises(RecipeError, match="there are"):
        find(name)


def test_records_are_found_with_and_without_gz_one_level_down(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    rows = [{"a": "line\u2028separator"}, {"a": 2}]
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (tmp_path / "deep" / "x.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "y.json").write_text(json.dumps(rows))
    assert list(records("x.jsonl", tmp_path, "nowhere")) == rows
    assert list(records("y.json", tmp_path, "nowhere")) == rows
    with pytest.raises(RecipeError, match=r"get it from there.*--data"):
        list(records("z.jsonl", tmp_path, "there"))
    (tmp_path / "bad.jsonl").write_text('{"a": 1}\n{')
    with pytest.raises(RecipeError, match="line 2"):
        list(records("bad.jsonl", tmp_path, "nowhere"))


def test_a_text_is_cut_at_the_first_stop() -> None:
    assert cut("a\nb\nc", ("\nc", "\nb")) == "a"
    assert cut("abc", ("x",)) == "abc"


def test_parts_of_a_digest_do_not_run_together() -> None:
    assert digest("ab", "c") != digest("a", "bc")
