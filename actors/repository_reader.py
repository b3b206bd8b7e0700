"""Reads pieces of repositories: bytes -> judged, parsed, hashed rows, one table a piece.

Holds what is dear to build once a process: the benchmarks' n-grams and, in the library's caches, the
parsers. A piece whose table is there already (an interrupted job's) is not read again.
"""

import pickle
from typing import Any

from gristmill.corpus.config import CorpusSection
from gristmill.corpus.contamination import Benchmarks
from gristmill.corpus.parts import piece_path, sketch_path, write_table
from gristmill.corpus.pieces import Piece, read_piece, sketch_table
from gristmill.storage import Storage


class RepositoryReader:
    """Writes the tables of pieces below a draft; for `Dataset.map_batches`."""

    def __init__(self, url: str, section: CorpusSection) -> None:
        self.storage = Storage.open(url)
        self.section = section
        self.benchmarks = Benchmarks.load(section.decontaminate)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Read the pieces of a batch; a row in is `number` and the pickled piece."""
        for number, data in zip(batch["number"], batch["piece"], strict=True):
            path = piece_path(int(number))
            if not self.storage.exists(path):
                piece: Piece = pickle.loads(data)
                table = read_piece(piece, self.section, self.benchmarks)
                if self.section.dedup.level in ("repository", "both"):
                    sketches = sketch_table(table, self.section)
                    write_table(self.storage, sketch_path(int(number)), sketches)
                write_table(self.storage, path, table)
        return {"number": batch["number"], "num_bytes": batch["num_bytes"]}
