import json
import re
from pathlib import Path

import pyarrow as pa
import pytest

from gristmill.artifacts import Store
from gristmill.corpus.parts import EDGES, REJECTS, from_rows, write_table
from gristmill.corpus.summary import SCHEMA
from gristmill.corpus.viewing import Pattern, document, fates, links, overview, search
from gristmill.pipeline import steps_of
from gristmill.recipe import parse
from gristmill.storage import Storage
from jobs.__main__ import main
from jobs.stage import Outcome, StageContext, carry_out
from tests.made_corpus import document as made
from tests.made_corpus import write_documents

FILES = {"pkg/low.py": "VALUE = 1\n", "pkg/high.py": "from pkg.low import VALUE\nprint(VALUE)\n"}
REJECT = {
    "repository": "one",
    "path": "pkg/copy.py",
    "reason": "near_duplicate",
    "detail": "0.93 like two:x.py",
    "num_bytes": 77,
}
EDGE = {
    "repository": "one",
    "importer": "pkg/high.py",
    "imported": "pkg/low.py",
    "language": "Python",
    "kind": "import",
    "line": 1,
}


def write(storage: Storage) -> None:
    documents = [made(FILES, "one", "train"), made({"x.py": "VALUE = 2\n"}, "two", "held_out")]
    write_documents(storage, documents)
    write_table(storage, "rejects/part-00000.parquet", from_rows([REJECT], REJECTS))
    write_table(storage, "edges/part-00000.parquet", from_rows([EDGE], EDGES))
    row = {field.name: "" if pa.types.is_string(field.type) else 0 for field in SCHEMA}
    write_table(storage, "repositories.parquet", from_rows([{**row, "repository": "one"}], SCHEMA))


@pytest.fixture
def corpus(tmp_path: Path) -> Storage:
    storage = Storage.open(str(tmp_path / "corpus"))
    write(storage)
    return storage


def test_every_file_has_its_fate(corpus: Storage) -> None:
    found = {(fate.repository, fate.path): fate for fate in fates(corpus, Pattern("*", "*"))}
    assert set(found) == {
        ("one", "pkg/low.py"),
        ("one", "pkg/high.py"),
        ("two", "x.py"),
        ("one", "pkg/copy.py"),
    }
    kept = found["one", "pkg/high.py"]
    assert (kept.place, kept.num_files, kept.split, kept.num_bytes) == (2, 2, "train", 39)
    assert found["one", "pkg/copy.py"].reason == "near_duplicate"


@pytest.mark.parametrize(
    ("asked", "matches"),
    [
        ("low.py", True),
        ("pkg/low.py", True),
        ("one:pkg/low.py", True),
        ("o*:*low*", True),
        ("./pkg/low.py", True),
        ("two:pkg/low.py", False),
        ("ow.py", False),
        ("one:", True),
    ],
)
def test_a_pattern_means_whole_parts_of_a_path(asked: str, matches: bool) -> None:
    assert Pattern.parse(asked).matches("one", "pkg/low.py") is matches


def test_edges_are_told_both_ways(corpus: Storage) -> None:
    (out,) = links(corpus, "one", "pkg/high.py")
    assert (out.direction, out.path, out.line) == ("imports", "pkg/low.py", 1)
    (back,) = links(corpus, "one", "pkg/low.py")
    assert (back.direction, back.path) == ("imported by", "pkg/high.py")
    assert links(corpus, "two", "pkg/low.py") == []


def test_search_finds_lines(corpus: Storage) -> None:
    hits = list(search(corpus, re.compile("VALUE"), Pattern("*", "*")))
    assert [(hit.path, hit.line) for hit in hits] == [
        ("pkg/low.py", 1),
        ("pkg/high.py", 1),
        ("pkg/high.py", 2),
        ("x.py", 1),
    ]
    assert not list(search(corpus, re.compile("VALUE"), Pattern("*", "*"), "Go"))
    assert len(list(search(corpus, re.compile("VALUE"), Pattern("two", "*")))) == 1


def test_an_overview_counts_every_file_once(corpus: Storage) -> None:
    seen = overview(corpus)
    assert seen.files == {"kept": 3, "near_duplicate": 1}
    assert seen.num_bytes == {"kept": 59, "near_duplicate": 77}
    assert seen.splits == {"train": 1, "held_out": 1}


def test_a_document_is_found_by_the_beginning_of_its_id(corpus: Storage) -> None:
    name = next(fate.document for fate in fates(corpus, Pattern("two", "*")))
    row = document(corpus, name[:8])
    assert row is not None and row["repository"] == "two"
    assert document(corpus, "no-such") is None


@pytest.fixture
def store(tmp_path: Path) -> str:
    recipe = parse("{name: t, corpus: {sources: [{kind: folder, path: /nowhere}]}}")
    steps = steps_of(recipe, ())

    def work(context: StageContext) -> Outcome:
        write(context.draft.storage)
        return Outcome()

    carry_out(steps["corpus"], steps, Store.open(str(tmp_path / "store")), (), work)
    return str(tmp_path / "store")


def test_the_command_line_answers(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*arguments: str, code: int = 0) -> str:
        assert main(["corpus", *arguments, "--store", store]) == code
        captured = capsys.readouterr()
        return captured.out + captured.err

    assert "near_duplicate: nearly the same" in said("show")
    assert "pkg/high.py" in said("show", "one")
    assert "left out (near_duplicate)" in said("why", "copy.py")
    why = said("why", "one:pkg/high.py")
    assert "file 2 of 2" in why and "imports pkg/low.py (line 1), import" in why
    assert said("search", "print(").startswith("one:pkg/high.py:2: print(VALUE)")
    assert json.loads(said("why", "x.py", "--json"))[0]["split"] == "held_out"
    assert "had a file 'none.py'" in said("why", "none.py", code=1)
    assert "holds it" in said("search", "nothing at all", code=1)
    assert "no repository and no document" in said("show", "nobody", code=1)
    assert "no regular expression" in said("search", "(", "--regex", code=2)
    assert "is of stage" not in said("show", "--corpus", "t-corpus")


def test_a_store_without_a_corpus_says_how_to_make_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["corpus", "show", "--store", str(tmp_path)]) == 1
    assert "gristmill run laptop corpus" in capsys.readouterr().err
