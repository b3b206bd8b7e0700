"""HumanEval-Infilling, SantaCoder-FIM and CrossCodeEval."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gristmill.errors import RecipeError
from gristmill.evaluation.benchmark import find
from gristmill.evaluation.benchmarks.humaneval_infilling import first_line
from gristmill.evaluation.sandbox import Sandbox, open_sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with open_sandbox() as found:
        yield found


@pytest.mark.parametrize(("kind", "num"), [("single", 1033), ("multi", 5815), ("random", 1640)])
def test_three_kinds_of_holes(kind: str, num: int) -> None:
    tasks = find(f"humaneval-infilling@{kind}").load(None)
    assert len(tasks) == num and all(task.prompt.suffix is not None for task in tasks)


def test_the_first_line_that_says_something() -> None:
    assert first_line("\n    return 1\n    more\n") == "\n    return 1\n"
    assert first_line("") == "" and first_line("\n\n") == "\n\n"


@pytest.mark.bubblewrap
def test_a_hole_is_filled_by_running_the_whole(sandbox: Sandbox) -> None:
    known = find("humaneval-infilling")
    task = known.load(None)[0]
    right = known.judge(task, known.answer(task, task.reference + "junk that runs on\n"), sandbox)
    assert right.passed and right.measures["exact_match"] == 1.0
    other = task.reference.replace("\n", "  # in other words\n")
    also = known.judge(task, known.answer(task, other), sandbox)
    assert also.passed and also.measures["exact_match"] == 0.0
    assert not known.judge(task, "    return False\n", sandbox).passed


def test_santacoders_lines_are_compared_stripped(tmp_path: Path) -> None:
    row = {
        "name": "a",
        "language": "js",
        "prompt": "{",
        "suffix": "}",
        "canonical_solution": "    x;",
    }
    brace = {**row, "name": "b", "canonical_solution": "  }"}
    (tmp_path / "santacoder_fim.jsonl").write_text("\n".join(map(json.dumps, (row, brace))))
    paper, line = find("santacoder-fim"), find("santacoder-fim@line")
    task, closing = paper.load(tmp_path)
    raw = "\n    x;\n    y;\n"
    assert not paper.judge(task, paper.answer(task, raw), None).passed
    assert line.judge(task, line.answer(task, raw), None).passed
    assert "without_braces" not in line.judge(closing, "}", None).measures
    with pytest.raises(RecipeError, match="santacoder-fim-task"):
        paper.load(tmp_path / "nowhere")


def test_crosscodeeval_in_three_settings(tmp_path: Path) -> None:
    row = {
        "prompt": "x = ", "groundtruth": "self.total(1)", "right_context": "\ny = 2",
        "metadata": {"task_id": "p/1"}, "crossfile_context": {"text": "# fragment", "list": []},
    }  # fmt: skip
    (tmp_path / "python_line_completion.jsonl").write_text(json.dumps(row))
    paper, retrieval, fim = (
        find(f"crosscodeeval@{rules}") for rules in ("deepseek", "retrieval", "fim")
    )
    (task,) = paper.load(tmp_path)
    assert (task.prompt.context, task.prompt.suffix) == ("", None)
    assert retrieval.load(tmp_path)[0].prompt.context == "# fragment\n"
    assert fim.load(tmp_path)[0].prompt.suffix == "\ny = 2"
    verdict = paper.judge(task, paper.answer(task, "self.total(1)  # yes\nz = 3\n"), None)
    assert verdict.passed and verdict.measures["identifier_match"] == 1.0
    near = paper.judge(task, "self.totals(1)", None)
    assert not near.passed and 0.9 < near.measures["edit_similarity"] < 1
    with pytest.raises(RecipeError, match="cceval"):
        paper.load(tmp_path / "nowhere")
