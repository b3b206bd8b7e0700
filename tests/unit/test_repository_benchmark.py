from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gristmill.errors import RecipeError
from gristmill.evaluation.benchmark import find
from gristmill.evaluation.benchmarks.repository import blocks
from gristmill.storage import Storage
from tests.made_corpus import document, write_documents

TEXT = "def total(values):\n    result = 0\n    for value in values:\n        doubled = 2 * value\n        result += doubled\n\n    return result\n"


def test_blocks_are_runs_of_lines_below_one_that_opens_them() -> None:
    holes = list(blocks("r/a.py", "Python", "# a.py\n", TEXT))
    targets = {hole.target for hole in holes}
    assert "        doubled = 2 * value\n        result += doubled\n" in targets
    assert all(hole.prefix + hole.target + hole.suffix == TEXT for hole in holes)


@pytest.mark.parametrize("kind", ["lines", "blocks"])
def test_a_corpus_is_a_benchmark(kind: str, tmp_path: Path) -> None:
    corpus = Storage.open(str(tmp_path))
    documents = [document({f"{n}.py": TEXT}, "r", "held_out") for n in range(3)]
    write_documents(corpus, documents)
    (tmp_path / "artifact.json").write_text("{}")
    known = find(f"repository@{kind}")
    tasks = known.load(tmp_path)
    assert len(tasks) >= 3 and all(task.group == task.language for task in tasks)
    task = tasks[0]
    right = known.judge(task, known.answer(task, task.reference), None)
    assert right.passed and right.measures == {"edit_similarity": 1.0, "over_length": 0.0}
    longer = known.judge(task, task.reference.strip() * 2, None)
    assert not longer.passed and longer.measures["over_length"] == 1.0


def test_what_is_no_corpus_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="corpus artifact"):
        find("repository").load(tmp_path)


USE = "from total import total\n\n\ndef report(values):\n    title = 'all'\n    print(title, total(values))\n    return title\n"


@pytest.mark.parametrize("kind", ["calls", "calls-given"])
def test_calls_of_what_another_file_defines(kind: str, tmp_path: Path) -> None:
    write_documents(
        Storage.open(str(tmp_path)),
        [document({"total.py": TEXT, "use.py": USE}, "me/r", "held_out")],
    )
    (tmp_path / "artifact.json").write_text("{}")
    rows = {"repository": ["me/r"], "date": ["2024-03-01"]}
    pq.write_table(pa.table(rows), tmp_path / "repositories.parquet")
    (task,) = find(f"repository@{kind}").load(tmp_path)
    assert task.reference == "total(values))" and task.prompt.prefix.endswith("print(title, ")
    assert (task.source, task.date) == ("me/r", "2024-03-01")
    given = "def total(values):" in task.prompt.context
    assert given is (kind == "calls-given") and task.prompt.context.endswith("# use.py\n")
