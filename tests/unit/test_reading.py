"""Reading in a process of its own gives what reading here gives."""

from pathlib import Path

from gristmill.corpus.config import Dedup, Score
from gristmill.corpus.pieces import plan_pieces
from gristmill.corpus.reading import Reader
from gristmill.corpus.sources import open_sources
from tests.made_repositories import section_of, write_repositories
from tests.model_folder import tiny_model


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


def test_a_model_scores_what_stays_and_drops_beyond_its_limit(tmp_path: Path) -> None:
    root = write_repositories(tmp_path / "in", 2)
    model = str(tiny_model(tmp_path / "model"))
    recorded = section_of(root, score=Score(model=model), dedup=Dedup(level="both"))
    (piece, *_) = plan_pieces(open_sources(recorded), recorded)
    with Reader(recorded) as reader:
        plain = reader.read(piece).table
    stays = [reason == "" for reason in plain["reason"].to_pylist()]
    losses = plain["loss_per_byte"].to_pylist()
    assert any(stays) and [value is not None for value in losses] == stays
    middle = sorted(value for value in losses if value is not None)[sum(stays) // 2]
    limited = recorded.model_copy(
        update={"score": Score(model=model, max_loss_per_byte=middle), "isolation": None}
    )
    with Reader(limited) as reader:
        found = reader.read(piece)
    gone = [value is not None and value > middle for value in losses]
    assert [reason == "model_score" for reason in found.table["reason"].to_pylist()] == gone
    assert found.table["loss_per_byte"].to_pylist() == losses
    assert found.sketches is not None and found.sketches.num_rows == 1
