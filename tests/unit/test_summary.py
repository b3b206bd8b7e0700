"""Figures of a corpus record, and the pictures' markup."""

import xml.etree.ElementTree as ElementTree

import pyarrow as pa
import pytest

from gristmill.corpus import pictures
from gristmill.corpus.selection import SCHEMA as PLAN
from gristmill.corpus.summary import SCHEMA, summarise


def plan(*rows: tuple[str, int, str]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "piece": 0,
                "repository": "r",
                "path": f"{i}.py",
                "language": "Python",
                "licence": "MIT",
                "num_bytes": num_bytes,
                "reason": reason,
                "detail": "",
                "split": split,
            }
            for i, (reason, num_bytes, split) in enumerate(rows)
        ],
        schema=PLAN,
    )


def test_the_rules_share_counts_what_the_rules_saw() -> None:
    rows = plan(
        ("", 60, "train"),
        ("near_duplicate", 15, ""),
        ("max_line", 25, ""),
        ("language", 1000, ""),
        ("repository_cap", 500, ""),
    )
    repositories = pa.Table.from_pylist([{"bytes_kept": 60, "num_documents": 1}], schema=SCHEMA)
    filled = repositories.to_pylist()
    for row in filled:
        row.update({name: row[name] or 0 for name in ("num_edges", "bytes_read")})
        row.update(num_ordered_edges=4, num_broken_edges=1)
    summary = summarise(rows, pa.Table.from_pylist(filled, schema=SCHEMA))
    assert summary.metrics["rule_kept_share"] == pytest.approx(0.75)
    assert summary.metrics["edges_broken_share"] == pytest.approx(0.25)
    assert summary.counts["bytes_read"] == 100
    assert summary.counts["rejects_max_line"] == 1 and summary.counts["files_kept"] == 1


@pytest.mark.parametrize(
    "picture",
    [
        pictures.bars([("<b>", 3.0, "a & b"), ("zero", 0.0, "")]),
        pictures.columns([("a", 1.0), ("b", 0.0)]),
        pictures.stacked([("<i>", 2.0), ("x", 1.0), ("y", 1.0), ("z", 0.0)]),
        pictures.import_graph(["a", "b<", "c"], [("a", "b<"), ("c", "a"), ("c", "gone")]),
        pictures.import_graph(["only"], []),
    ],
)
def test_pictures_are_well_formed_whatever_the_names(picture: str) -> None:
    root = ElementTree.fromstring(picture)
    assert root.tag == "svg" and len(root) > 0


def test_imports_of_what_came_before_are_arcs_above() -> None:
    above = pictures.import_graph(["a", "b"], [("b", "a")])
    below = pictures.import_graph(["b", "a"], [("b", "a")])
    assert above.count("<path") == below.count("<path") == 1 and above != below
