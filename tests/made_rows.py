"""Rows of files as selection reads them, made from texts."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import xxhash

from gristmill.corpus.config import CorpusSection, Dedup
from gristmill.corpus.parts import piece_path, sketch_path, write_table
from gristmill.corpus.pieces import SKETCHES
from gristmill.corpus.rows import INPUT, PieceRows
from gristmill.corpus.selection import select_with_clusters
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


def words(seed: int, count: int = 200) -> list[str]:
    """Return some words."""
    rng = random.Random(seed)
    return [f"w{rng.randrange(10**6)}" for _ in range(count)]


def changed(base: list[str], num: int) -> str:
    """Return the words as a text, with evenly spread ones replaced."""
    step = len(base) // max(num, 1)
    places = set(range(3, 3 + num * step, step)) if num else set()
    return " ".join(f"new{i}" if i in places else word for i, word in enumerate(base))


def made_pieces(seed: int) -> list[list[File]]:
    """Five repositories in seven pieces, with copies within and across, and a repeated path."""
    rng = random.Random(seed)
    pieces: list[list[File]] = []
    for piece in range(7):
        name = f"r{piece % 5}" + rng.choice(["", "|MIT", "|GPL-3.0-only"])
        files = []
        for i in range(rng.randrange(1, 6)):
            text = changed(words(rng.randrange(12)), rng.choice([0, 0, 2, 5, 7, 9]))
            files.append((name, rng.choice([f"{piece}/{i}.py", "same.py"]), text))
        if rng.random() < 0.3:
            files.append((name, f"{piece}/empty.py", ""))
        pieces.append(sorted(files, key=lambda file: file[1]))
    return pieces


def in_memory(
    pieces: Sequence[Sequence[File]], section: CorpusSection, seed: int, dates: Mapping[str, str]
) -> tuple[pa.Table, pa.Table]:
    """Return the plan and the clusters of pieces as `select_with_clusters` gives them."""
    tables = []
    for number, files in enumerate(pieces):
        table = rows_of(files, section.dedup)
        column = pa.array([number] * len(files), pa.int32())
        tables.append(table.append_column("piece", column))
    merged: dict[str, np.ndarray] = {}
    for files in pieces:
        for row in sketches_of(files, section.dedup).to_pylist():
            slots = np.frombuffer(row["sketch"], np.uint32)
            merged[row["repository"]] = np.minimum(merged.get(row["repository"], slots), slots)
    return select_with_clusters(pa.concat_tables(tables), merged, section, seed, dates)
