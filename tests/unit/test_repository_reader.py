"""The reader actor's class, called without Ray."""

import pickle
from pathlib import Path

import numpy as np

from actors.repository_reader import RepositoryReader
from gristmill.corpus.config import Dedup
from gristmill.corpus.parts import piece_path, read_table, sketch_path
from gristmill.corpus.piece_cache import PieceCache, reading_digest, table_path
from gristmill.corpus.pieces import plan_pieces
from gristmill.corpus.sources import open_sources
from gristmill.storage import Storage
from tests.made_repositories import section_of, write_repositories


def test_a_piece_s_tables_are_below_the_draft_and_in_the_cache(tmp_path: Path) -> None:
    root = write_repositories(tmp_path / "in", 1)
    section = section_of(root, dedup=Dedup(level="both"))
    (piece,) = plan_pieces(open_sources(section), section)
    storage = Storage.open(str(tmp_path / "draft"))
    cache = PieceCache(Storage.open(str(tmp_path / "cache")))
    reader = RepositoryReader(storage.url, cache.storage.url, section)
    path = table_path(piece, reading_digest(section))
    batch = {
        "number": np.array([0]),
        "piece": np.array([pickle.dumps(piece)], dtype=object),
        "path": np.array([path], dtype=object),
        "num_bytes": np.array([piece.num_bytes]),
    }
    assert reader(batch)["num_bytes"].tolist() == [piece.num_bytes]
    reader.reader.close()
    table = read_table(storage, piece_path(0))
    assert "pkg/m1.py" in table["path"].to_pylist()
    assert read_table(storage, sketch_path(0))["repository"].to_pylist() == ["repo0"]
    assert cache.known() == {path, f"{path}.sketch"}
    cache.fetch(path, storage, piece_path(7))
    assert storage.read_bytes(piece_path(7)) == storage.read_bytes(piece_path(0))
