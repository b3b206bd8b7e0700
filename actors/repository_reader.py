"""Reads pieces of repositories: bytes -> judged, parsed, hashed rows, one table a piece.

Holds the process in which hostile files are read. A table goes below the draft, then into the store's
cache: whatever happens to this process, a piece that was read is not read again.

The reader of a worker process is kept from task to task (`reading`), and let go by the first task of a
later step (`retire`): so reading, shuffling and writing share the pool's processes, each of which takes
seconds of CPU to start.
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

    def close(self) -> None:
        """End the process in which files are read."""
        self.reader.close()


_kept: dict[tuple[str, str, str], RepositoryReader] = {}


def reading(
    batch: dict[str, Any], url: str, cache_url: str, section: CorpusSection
) -> dict[str, Any]:
    """Read the pieces of a batch with this process's reader; for tasks of `Dataset.map_batches`."""
    key = url, cache_url, section.model_dump_json()
    if key not in _kept:
        retire()
        _kept[key] = RepositoryReader(url, cache_url, section)
    return _kept[key](batch)


def retire() -> None:
    """Let this process's reader go, if it has one: what follows reads no hostile file."""
    while _kept:
        _kept.popitem()[1].close()
