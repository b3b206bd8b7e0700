"""Rows of files as selection reads them, made from texts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import xxhash

from gristmill.corpus.config import Dedup
from gristmill.corpus.parts import piece_path, sketch_path, write_table
from gristmill.corpus.pieces import SKETCHES
from gristmill.corpus.rows import INPUT, PieceRows
from gristmill.corpus.signatures import file_signatures, union_signature
from gristmill.storage import Storage

File = tuple[str, str, str]
"""Repository, path, text; a licence may follow after a bar in the repository."""


def rows_of(files: Sequence[File], dedup: Dedup) -> pa.Table:
    """Return the rows of one piece: repository `a|MIT` has the licence MIT."""
    texts = [text for _, _, text in files]
    signatures = file_signatures(texts, dedup.num_hashes, dedup.shingle_words)
    names = [repository.partition("|") for repository, _, _ in files]
    columns = {
        "repository": [name for name, _, _ in names],
        "path": [path for _, path, _ in files],
        "language": ["Python"] * len(files),
        "licence": [licence for _, _, licence in names],
        "num_bytes": pa.array([len(text.encode()) for text in texts], pa.int64()),
        "reason": ["" if text else "empty" for text in texts],
        "detail": ["" if text else "no text" for text in texts],
        "content": np.array([xxhash.xxh3_64_intdigest(text.encode()) for text in texts], np.uint64),
        "signature": pa.array(
            [row.tobytes() if text else None for row, text in zip(signatures, texts, strict=True)],
            pa.binary(),
        ),
        "text": pa.array(texts, pa.large_string()),
    }
    assert set(INPUT) < set(columns)
    return pa.table(columns)


def sketches_of(files: Sequence[File], dedup: Dedup) -> pa.Table:
    """Return the mergeable signatures of a piece's repositories."""
    texts: dict[str, list[str]] = {}
    for repository, _, text in files:
        if text:
            texts.setdefault(repository.partition("|")[0], []).append(text)
    sketches = [
        union_signature(held, dedup.num_hashes, dedup.shingle_words).tobytes()
        for held in texts.values()
    ]
    return pa.table({"repository": list(texts), "sketch": sketches}, schema=SKETCHES)


def stored(
    pieces: Sequence[Sequence[File]], dedup: Dedup, folder: Path, batch_pieces: int
) -> PieceRows:
    """Write the pieces' tables as the corpus job does."""
    storage = Storage.open(str(folder))
    for number, files in enumerate(pieces):
        write_table(storage, piece_path(number), rows_of(files, dedup))
        write_table(storage, sketch_path(number), sketches_of(files, dedup))
    return PieceRows(storage, len(pieces), batch_pieces)
