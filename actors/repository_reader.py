"""Reads pieces of repositories: bytes -> judged, parsed, hashed rows, one table a piece.

Holds the process in which hostile files are read. A table goes below the draft, then into the store's
cache: whatever happens to this process, a piece that was read is not read again.
"""

import pickle
from typing import Any

from gristmill.corpus.config import CorpusSection
from gristmill.corpus.parts import piece_path, sketch_path, write_table
from gristmill.corpus.piece_cache import PieceCache
from gristmill.corpus.pieces import Piece
from gristmill.corpus.reading import Reader
from gristmill.storage import Storage


class RepositoryReader:
    """Writes the tables of pieces below a draft; for `Dataset.map_batches`."""

    def __init__(self, url: str, cache_url: str, section: CorpusSection) -> None:
        self.storage = Storage.open(url)
        self.cache = PieceCache(Storage.open(cache_url))
        self.reader = Reader(section)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Read the pieces of a batch; a row in is `number`, the pickled piece and its `path`."""
        for number, data, path in zip(batch["number"], batch["piece"], batch["path"], strict=True):
            piece: Piece = pickle.loads(data)
            found = self.reader.read(piece)
            if found.sketches is not None:
                write_table(self.storage, sketch_path(int(number)), found.sketches)
                self.cache.keep(self.storage, sketch_path(int(number)), f"{path}.sketch")
            write_table(self.storage, piece_path(int(number)), found.table)
            self.cache.keep(self.storage, piece_path(int(number)), str(path))
        return {"number": batch["number"], "num_bytes": batch["num_bytes"]}
