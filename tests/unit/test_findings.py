"""What the report finds in an artifact's tables, and the sections made of it."""

from itertools import pairwise

import pyarrow as pa
import pytest

from gristmill.corpus import report_findings
from gristmill.corpus.clusters import SCHEMA as CLUSTERS
from gristmill.corpus.contamination import SCHEMA as CONTAMINATION
from gristmill.corpus.findings import WAYS, Findings, Redacted, find
from gristmill.corpus.parts import EDGES, FILES, part_path, write_table
from gristmill.corpus.redaction import SCHEMA as REDACTIONS
from gristmill.storage import Storage

NAMES = [f"m{number:02}.py" for number in range(14)]


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    storage = Storage.open(str(tmp_path_factory.mktemp("artifact")))
    rows = {
        ("clusters", 0): (CLUSTERS, [(7, "a", "x.py", True, 1.0), (7, "a", "y.py", False, 0.9)]),
        ("clusters", 1): (CLUSTERS, [(7, "b", "<z>.py", False, 0.8), (8, "b", "v.py", False, 1.0)]),
        ("redactions", 0): (
            REDACTIONS,
            [("a", "x.py", "email", "email", start, start + 5, "00") for start in (0, 10)]
            + [("a", "y.py", "email", "email", 3, 9, "01"), ("a", "y.py", "key", "aws", 30, 50, "02")],
        ),
        ("contamination", 0): (
            CONTAMINATION,
            [("a", f"{name}", "humaneval", "53", "solution", "return x + y") for name in NAMES],
        ),
        # every file imports the one whose name comes after its own
        ("edges", 0): (
            EDGES,
            [("a", one, other, "Python", "import", 1)
             for one, other in pairwise(NAMES)],
        ),
        ("files", 0): (
            FILES,
            [("a", name, "Python", "", "MIT", 300, "train", "", [], None) for name in NAMES],
        ),
    }  # fmt: skip
    for (kind, number), (schema, values) in rows.items():
        table = pa.Table.from_pylist(
            [dict(zip(schema.names, value, strict=True)) for value in values], schema=schema
        )
        write_table(storage, part_path(kind, number), table)
    return storage


def test_clusters_are_joined_across_parts(storage: Storage) -> None:
    found = find(storage, None)
    assert (found.num_clusters, found.cluster_sizes) == (2, {3: 1, 1: 1})
    largest = found.clusters[0]
    assert (largest.num_files, largest.survivor) == (3, "a: x.py")
    assert largest.others == (("a: y.py", 0.9), ("b: <z>.py", 0.8))


def test_redactions_are_counted_by_rule(storage: Storage) -> None:
    assert find(storage, None).redacted == (
        Redacted("email", "email", 3, 2),
        Redacted("key", "aws", 1, 1),
    )


def test_a_task_that_hits_all_is_shown_a_few_times(storage: Storage) -> None:
    found = find(storage, None)
    assert found.num_hits == {"humaneval": 14}
    assert [hit.file for hit in found.hits] == ["a: m00.py", "a: m01.py", "a: m02.py"]


def test_orders_stand_side_by_side(storage: Storage) -> None:
    (row,) = find(storage, None).orders
    assert (row.num_files, row.num_edges) == (14, 13)
    assert {way: row.num_broken[way] for way in ("scc", "paper", "path")} == {
        "scc": 0,
        "paper": 0,
        "path": 13,
    }
    assert row.seen["scc"].share == 1 and row.seen["path"].share == 0
    (narrow,) = find(storage, 256).orders  # 768 bytes: two files a document
    assert 0 < narrow.seen["scc"].share < 1


def test_sections_say_all_and_escape(storage: Storage) -> None:
    found = find(storage, None)
    page = "".join(
        section(found)
        for section in (
            report_findings.copies,
            report_findings.redactions,
            report_findings.benchmarks,
            report_findings.orders,
        )
    )
    assert "&lt;z&gt;.py" in page and "<z>" not in page
    assert "return x + y" in page and "3 in 2 files" in page
    assert all(f"<th>{way}</th>" in page for way in WAYS)


def test_what_is_missing_is_said() -> None:
    nothing = Findings()
    assert "No file is a copy" in report_findings.copies(nothing)
    assert "Nothing was taken out" in report_findings.redactions(nothing)
    assert "No file holds" in report_findings.benchmarks(nothing)
    assert "No repository" in report_findings.orders(nothing)
