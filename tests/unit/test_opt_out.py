"""Who opted out is named by name or pattern."""

from pathlib import Path

import pytest

from gristmill.corpus.config import TableSource
from gristmill.corpus.contamination import Benchmarks
from gristmill.corpus.opt_out import wants_out
from gristmill.corpus.pieces import plan_pieces, read_piece
from gristmill.corpus.sources import open_all, open_sources
from tests.made_repositories import section_of, write_repositories


@pytest.mark.parametrize(
    ("name", "out"),
    [("ann/one", True), ("Ann/One", True), ("ann/one2", False), ("bob/x", True), ("x", False)],
)
def test_names_and_patterns(name: str, out: bool) -> None:
    assert wants_out(name, ("ann/one", "bob/*")) is out
    assert not wants_out(name, ())


def test_neither_a_source_nor_a_table_s_repository_is_read(tmp_path: Path) -> None:
    root = write_repositories(tmp_path / "in", 3)
    section = section_of(root, opt_out=("repo1",))
    assert [item.name for item in open_sources(section)] == ["repo0", "repo2"]
    assert len(open_all(section)) == 3
    table = tmp_path / "t.jsonl"
    row = '{{"content": "x = 1", "path": "a.py", "repo_name": "{}"}}\n'
    table.write_text("".join(row.format(name) for name in ("ann/one", "bob/two")))
    source = TableSource(kind="table", paths=(str(table),))
    section = section_of(root, sources=(source,), opt_out=("ann/*",))
    (piece,) = plan_pieces(open_sources(section), section)
    found = read_piece(piece, section, Benchmarks.load(()))
    assert found["repository"].to_pylist() == ["bob/two"]
