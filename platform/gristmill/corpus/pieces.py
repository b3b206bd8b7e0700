"""Pieces: what one worker reads at a time, and the table it makes of it.

A piece is a part of one repository, of at most `PIECE_BYTES`, so that one large repository does not
hold up the rest. Reading a piece gives one row a file: its verdict, its text when it stays, what it
imports, its content hash and MinHash signature. The rows of all pieces are what dedup, order and the
split are decided from; the texts are read again only by whoever writes the documents.
"""

import pickle
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import xxhash

from gristmill.corpus.config import CorpusSection
from gristmill.corpus.contamination import Benchmarks
from gristmill.corpus.judging import Judged, judge, refused_unread
from gristmill.corpus.signatures import Signatures, file_signatures, union_signature
from gristmill.corpus.sources import kind_of, read_files
from gristmill.corpus.sources.repository import Bytes, Entry, Repository
from gristmill.corpus.watch import Watch

PIECE_BYTES = 4_000_000
_EXCERPT_CHARS = 600
_PLAIN = Watch()

SCHEMA = pa.schema(
    [
        ("repository", pa.string()),
        ("path", pa.string()),
        ("language", pa.string()),
        ("licence", pa.string()),
        ("num_bytes", pa.int64()),
        ("reason", pa.string()),  # empty for a file that stays so far
        ("detail", pa.string()),
        ("content", pa.uint64()),
        ("signature", pa.binary()),  # uint32 slots; of files that stay
        ("config", pa.bool_()),
        ("parsed", pa.binary()),  # pickled Parsed, or null
        ("text", pa.large_string()),  # whole when it stays or is config, else its beginning
    ]
)

SKETCHES = pa.schema([("repository", pa.string()), ("sketch", pa.binary())])


@dataclass(frozen=True)
class Piece:
    """A part of one repository. `paths` is None when the source can only be read from end to end."""

    repository: Repository
    paths: tuple[str, ...] | None
    refused: tuple[Judged, ...]
    """Files that are left out unread; they are reported with the piece."""
    num_bytes: int
    """Of the files to read; of the archive or table as it lies there where `paths` is None."""


def plan_pieces(repositories: Sequence[Repository], section: CorpusSection) -> list[Piece]:
    """Return the pieces of all repositories, in an order that depends on their content alone."""
    return [piece for repository in repositories for piece in _split(repository, section)]


def read_piece(
    piece: Piece, section: CorpusSection, benchmarks: Benchmarks, watch: Watch = _PLAIN
) -> pa.Table:
    """Return the piece's files as a table with `SCHEMA`. One bad file costs that file.

    In an isolated process (see `isolation`) `watch` is that process's, so that a file that kills it is
    left out, with its reason, the next time.
    """
    rows: list[tuple[str, str, Judged]] = []
    identity = piece.repository.identity
    for item in read_files(piece.repository, piece.paths, watch):
        repository = _printable(item.repository) or identity.repository
        if isinstance(item, Bytes):
            licence = _printable(item.licence) or identity.licence
            judged = judge(_printable(item.path), item.data, licence, section)
            rows.append((repository, licence, judged))
        else:
            path, detail = _printable(item.path), _printable(item.detail)
            refused = Judged(path, "", item.num_bytes, item.reason, detail)
            rows.append((repository, identity.licence, refused))
    for unread in piece.refused:
        refused = replace(unread, path=_printable(unread.path))
        rows.append((identity.repository, identity.licence, refused))
    return _table(rows, section, benchmarks)


def _printable(text: str) -> str:
    """Return a name in characters that UTF-8 has; bytes that were no UTF-8 become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _split(repository: Repository, section: CorpusSection) -> Iterator[Piece]:
    entries = kind_of(repository).entries(repository)
    if entries is None:
        yield Piece(repository, None, (), Path(repository.locator).stat().st_size)
        return
    licence = repository.identity.licence
    wanted: list[Entry] = []
    refused: list[Judged] = []
    for entry in entries:
        verdict = refused_unread(entry.path, entry.num_bytes, licence, section)
        if verdict is None:
            wanted.append(entry)
        else:
            refused.append(verdict)
    wanted, over = _capped(repository, wanted, section.max_repository_bytes)
    refused += over
    start, size = 0, 0
    for at, entry in enumerate(wanted):
        size += entry.num_bytes
        if size >= PIECE_BYTES or at == len(wanted) - 1:
            paths = tuple(item.path for item in wanted[start : at + 1])
            yield Piece(repository, paths, tuple(refused), size)
            start, size, refused = at + 1, 0, []
    if refused:
        yield Piece(repository, (), tuple(refused), 0)


def _capped(
    repository: Repository, entries: list[Entry], limit: int | None
) -> tuple[list[Entry], list[Judged]]:
    """Keep files folder by folder, in an order by hash, as far as the limit lets them in."""
    if limit is None or sum(entry.num_bytes for entry in entries) <= limit:
        return entries, []

    def place(entry: Entry) -> tuple[int, str]:
        folder = entry.path.rpartition("/")[0]
        return xxhash.xxh3_64_intdigest(f"{repository.name}\0{folder}".encode()), entry.path

    kept: set[str] = set()
    size = 0
    for entry in sorted(entries, key=place):
        if size + entry.num_bytes <= limit:
            kept.add(entry.path)
            size += entry.num_bytes
    detail = f"repository cut to {limit} bytes"
    return [entry for entry in entries if entry.path in kept], [
        Judged(entry.path, "", entry.num_bytes, "repository_cap", detail)
        for entry in entries
        if entry.path not in kept
    ]


def _table(
    rows: list[tuple[str, str, Judged]], section: CorpusSection, benchmarks: Benchmarks
) -> pa.Table:
    rows = sorted(rows, key=lambda row: (row[0], row[2].path))
    staying = [i for i, (_, _, judged) in enumerate(rows) if not judged.reason]
    texts = [rows[i][2].text for i in staying]
    found = dict(zip(staying, benchmarks.find(texts), strict=True))
    dedup = section.dedup
    signatures = file_signatures(texts, dedup.num_hashes, dedup.shingle_words)
    by_row = {i: row.tobytes() for i, row in zip(staying, signatures, strict=True)}
    columns: dict[str, list[object]] = {name: [] for name in SCHEMA.names}
    for i, (repository, licence, judged) in enumerate(rows):
        contaminated = found.get(i) or ""
        reason = judged.reason or ("contaminated" if contaminated else "")
        whole = judged.config or not reason
        values = {
            "repository": repository,
            "path": judged.path,
            "language": judged.language,
            "licence": licence,
            "num_bytes": judged.num_bytes,
            "reason": reason,
            "detail": judged.detail or contaminated,
            "content": judged.content,
            "signature": by_row.get(i),
            "config": judged.config,
            "parsed": None if judged.parsed is None else pickle.dumps(judged.parsed),
            "text": judged.text if whole else judged.text[:_EXCERPT_CHARS],
        }
        for name, value in values.items():
            columns[name].append(value)
    return pa.table(columns, schema=SCHEMA)


def sketch_table(table: pa.Table, section: CorpusSection) -> pa.Table:
    """Return the mergeable signature of each repository's staying files in a piece's table."""
    texts: dict[str, list[str]] = {}
    columns = (table[name].to_pylist() for name in ("repository", "reason", "text"))
    for repository, reason, text in zip(*columns, strict=True):
        if not reason:
            texts.setdefault(repository, []).append(text)
    dedup = section.dedup
    sketches = [
        union_signature(held, dedup.num_hashes, dedup.shingle_words).tobytes()
        for held in texts.values()
    ]
    return pa.table({"repository": list(texts), "sketch": sketches}, schema=SKETCHES)


def merged_sketches(tables: Iterable[pa.Table]) -> dict[str, Signatures]:
    """Return each repository's signature from the sketches of all pieces."""
    merged: dict[str, Signatures] = {}
    for table in tables:
        for row in table.to_pylist():
            slots = np.frombuffer(row["sketch"], dtype=np.uint32)
            known = merged.get(row["repository"], slots)
            merged[row["repository"]] = np.minimum(known, slots)
    return merged
