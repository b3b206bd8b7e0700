from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gristmill.errors import RecipeError
from gristmill.evaluation.benchmark import Prompt, Task
from gristmill.evaluation.task_hits import dates, search
from gristmill.storage import Storage
from tests.made_corpus import document, write_documents

TASKS = [
    Task("t/1", Prompt("Return the third largest of the numbers in a list, counting doubles once only."), "x"),
    Task("t/2", Prompt("Say how many vowels there are in the words of an odd length of a text."), "y"),
]  # fmt: skip


@pytest.fixture
def corpus(tmp_path: Path) -> Storage:
    storage = Storage.open(str(tmp_path))
    held = '"""' + TASKS[0].prompt.prefix.lower() + '"""\nx = 1\n'
    unseen = "# " + TASKS[1].prompt.prefix + "\n"
    documents = [
        document({"a.py": "x = 2\n", "b.py": held}, "r"),
        document({"c.py": unseen}, "s", "held_out"),
    ]
    write_documents(storage, documents)
    (tmp_path / "artifact.json").write_text("{}")
    return storage


def test_a_task_in_a_training_file_is_a_hit_and_says_where(corpus: Storage) -> None:
    known = search(corpus, TASKS)
    assert list(known.hits) == ["t/1"]
    assert known.hits["t/1"].startswith("r/b.py: return the third largest")
    assert known.newest == ""


def test_the_newest_date_is_the_corpuss(corpus: Storage, tmp_path: Path) -> None:
    rows = {"repository": ["r", "s", "t"], "date": ["2024-05-01T10:00:00", None, "2023-01-01"]}
    pq.write_table(pa.table(rows), tmp_path / "repositories.parquet")
    assert dates(corpus) == {"r": "2024-05-01", "t": "2023-01-01"}
    assert search(corpus, TASKS).newest == "2024-05-01"


def test_what_is_no_corpus_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no corpus artifact"):
        search(Storage.open(str(tmp_path)), TASKS)
