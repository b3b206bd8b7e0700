import json
from pathlib import Path

import pytest

from gristmill.errors import RecipeError
from gristmill.evaluation.benchmark import find
from gristmill.evaluation.benchmarks.repobench import prompt

PIECES = [{"identifier": "Total", "path": "a/total.py", "snippet": "class Total:\n    pass"}]
ROW = {
    "repo_name": "me/mine", "file_path": "a/use.py", "context": PIECES, "created_at": "2023-12-01",
    "import_statement": "from a.total import Total", "cropped_code": "\n\n\n\n\n\nx = 1\n",
    "next_line": "    total = Total(1)",
}  # fmt: skip


def test_a_prompt_names_repository_pieces_imports_and_code() -> None:
    text = prompt(ROW, "#", True)
    assert text == (
        "# Repo Name: me/mine\n# Path: a/total.py\nclass Total:\n    pass\n\n"
        "# Path: a/use.py\nfrom a.total import Total\n\nx = 1\n"
    )
    assert "total.py" not in prompt(ROW, "#", False)
    as_text = {**ROW, "context": json.dumps(PIECES)}
    assert prompt(as_text, "#", True) == text
    assert "# made before\n" in prompt({**ROW, "context": "# made before"}, "#", True)


def test_too_much_context_loses_its_end_by_lines() -> None:
    long = {**ROW, "context": [{"path": f"{n}.py", "snippet": "y" * 5000} for n in range(40)]}
    text = prompt(long, "#", True)
    assert len(text) <= 62_000 and "# Path: 0.py" in text and "# Path: 39.py" not in text
    assert text.endswith("\nx = 1\n")


def test_the_first_line_that_is_no_comment_counts(tmp_path: Path) -> None:
    (tmp_path / "repobench_python_v1.1.jsonl").write_text(json.dumps(ROW) + "\n")
    known = find("repobench")
    (task,) = known.load(tmp_path)
    assert (task.group, task.date) == ("Python", "2023-12-01")
    answer = known.answer(task, "\n    # the sum\n    total =  Total(1)\n    more\n")
    verdict = known.judge(task, answer, None)
    assert verdict.passed and verdict.measures["edit_similarity"] > 0.9
    assert not known.judge(task, "    total = Sum(1)", None).passed
    with pytest.raises(RecipeError, match="repobench"):
        known.load(tmp_path / "nowhere")
