"""Reading in a process of its own gives what reading here gives."""

from pathlib import Path

from gristmill.corpus.config import Dedup
from gristmill.corpus.pieces import plan_pieces
from gristmill.corpus.reading import Reader
from gristmill.corpus.sources import open_sources
from tests.made_repositories import section_of, write_repositories


def test_isolated_or_not_the_tables_are_the_same(tmp_path: Path) -> None:
    root = write_repositories(tmp_path / "in", 2)
    section = section_of(root, dedup=Dedup(level="both"))
    plain = section.model_copy(update={"isolation": None})
    pieces = list(plan_pieces(open_sources(section), section))
    with Reader(section) as isolated, Reader(plain) as here:
        for piece in pieces:
            one, other = isolated.read(piece), here.read(piece)
            assert one.table.equals(other.table)
            assert one.sketches is not None and one.sketches.equals(other.sketches)


def test_sketches_are_made_where_dedup_wants_them(tmp_path: Path) -> None:
    root = write_repositories(tmp_path / "in", 1)
    section = section_of(root, isolation=None)
    (piece,) = plan_pieces(open_sources(section), section)
    with Reader(section) as reader:
        assert reader.read(piece).sketches is None
