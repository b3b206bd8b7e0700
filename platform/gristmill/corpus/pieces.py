"""Pieces: what one worker reads at a time, and the table it makes of it.

A piece is a range of one repository's listing, of about `PIECE_BYTES` to read, so that one large
repository does not hold up the rest. It names the range, not the files: the worker lists the repository
again (the listing is a function of its content, and is checked), so that nobody ever holds the paths of
the whole corpus. Reading a piece gives one row a file: its verdict, its text when it stays, what it
imports, its content hash and MinHash signature. The rows of all pieces are what dedup, order and the
split are decided from; the texts are read again only by whoever writes the documents.
"""

import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import xxhash

from gristmill.corpus.config import CorpusSection
from gristmill.corpus.contamination import SCHEMA as CONTAMINATION
from gristmill.corpus.contamination import Benchmarks, Hit
from gristmill.corpus.judging import Judged, judge, refused_unread
from gristmill.corpus.licence_files import licence_of_file
from gristmill.corpus.opt_out import wants_out
from gristmill.corpus.redaction import SCHEMA as REDACTIONS
from gristmill.corpus.redaction import redact
from gristmill.corpus.signatures import Signatures, file_signatures, union_signature
from gristmill.corpus.sources import kind_of, read_files
from gristmill.corpus.sources.repository import Bytes, Entry, Repository
from gristmill.corpus.watch import Watch
from gristmill.errors import SourceError

PIECE_BYTES = 4_000_000
_PIECE_FILES = 10_000
_EXCERPT_CHARS = 600
_PLAIN = Watch()
_KEPT_LISTINGS = 2

SPAN, HIT = (
    pa.struct([field for field in table if field.name not in ("repository", "path")])
    for table in (REDACTIONS, CONTAMINATION)
)

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
        ("role", pa.string()),
        ("signals", pa.list_(pa.float32())),  # in the order of quality.SIGNALS
        ("loss_per_byte", pa.float64()),  # under the model of `corpus.score`; null without one
        ("spans", pa.list_(SPAN)),  # what was redacted
        ("hits", pa.list_(HIT)),  # what it holds of benchmarks
        ("text", pa.large_string()),  # whole when it stays or is config, else its beginning
    ]
)

SKETCHES = pa.schema([("repository", pa.string()), ("sketch", pa.binary())])


@dataclass(frozen=True)
class Piece:
    """Files `first` to `last` of one repository's listing; no `last` where it can only be read whole."""

    repository: Repository
    first: int
    last: int | None
    num_bytes: int
    """Of the files to read; of the archive or table as it lies there where there is no listing."""
    listing: int
    """Hash of the listed paths and sizes in the range."""


@dataclass(frozen=True)
class _Listing:
    """What a repository holds, before anything of it is read."""

    entries: tuple[Entry, ...]
    refused: Mapping[str, Judged]
    """Files that are left out unread, by path."""

    def digest(self, first: int, last: int) -> int:
        state = xxhash.xxh3_64()
        for entry in self.entries[first:last]:
            state.update(f"{entry.path}\0{entry.num_bytes}\0".encode("utf-8", "surrogateescape"))
        return state.intdigest()


_listings: dict[tuple[Repository, str], _Listing | None] = {}


def plan_pieces(repositories: Iterable[Repository], section: CorpusSection) -> Iterator[Piece]:
    """Yield the pieces of all repositories, in an order that depends on their content alone."""
    for repository in repositories:
        yield from _split(repository, section)


def read_piece(
    piece: Piece, section: CorpusSection, benchmarks: Benchmarks, watch: Watch = _PLAIN
) -> pa.Table:
    """Return the piece's files as a table with `SCHEMA`. One bad file costs that file.

    In an isolated process (see `isolation`) `watch` is that process's, so that a file that kills it is
    left out, with its reason, the next time.
    """
    rows: list[tuple[str, str, Judged]] = []
    identity = piece.repository.identity
    paths, refused = _contents(piece, section)
    for item in read_files(piece.repository, paths, watch):
        repository = _printable(item.repository) or identity.repository
        if wants_out(repository, section.opt_out):
            continue
        if isinstance(item, Bytes):
            licence = _printable(item.licence) or identity.licence
            domain = piece.repository.source.domain
            judged = judge(_printable(item.path), item.data, licence, section, domain)
            rows.append((repository, licence, judged))
        else:
            path, detail = _printable(item.path), _printable(item.detail)
            unread = Judged(path, "", item.num_bytes, item.reason, detail)
            rows.append((repository, identity.licence, unread))
    folders = dict(piece.repository.folder_licences)
    for verdict in refused:
        licence = _printable(licence_of_file(verdict.path, b"", folders) or identity.licence)
        verdict = replace(verdict, path=_printable(verdict.path))
        rows.append((identity.repository, licence, verdict))
    return _table(rows, section, benchmarks)


def _printable(text: str) -> str:
    """Return a name in characters that UTF-8 has; bytes that were no UTF-8 become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _contents(
    piece: Piece, section: CorpusSection
) -> tuple[tuple[str, ...] | None, tuple[Judged, ...]]:
    """Return the paths to read, None for all, and the files to refuse. Raises SourceError."""
    if piece.last is None:
        return None, ()
    listing = _listing(piece.repository, section)
    if listing is None or listing.digest(piece.first, piece.last) != piece.listing:
        raise SourceError(
            f"repository {piece.repository.name} changed while it was read "
            f"({piece.repository.locator}); run again when nobody writes to it"
        )
    paths, refused = [], []
    for entry in listing.entries[piece.first : piece.last]:
        verdict = listing.refused.get(entry.path)
        if verdict is None:
            paths.append(entry.path)
        else:
            refused.append(verdict)
    return tuple(paths), tuple(refused)


def _split(repository: Repository, section: CorpusSection) -> Iterator[Piece]:
    listing = _listing(repository, section)
    if listing is None:
        size = Path(repository.locator).stat().st_size
        yield Piece(repository, 0, None, size, 0)
        return
    first, size = 0, 0
    last_entry = len(listing.entries) - 1
    for at, entry in enumerate(listing.entries):
        if entry.path not in listing.refused:
            size += entry.num_bytes
        if size >= PIECE_BYTES or at - first + 1 >= _PIECE_FILES or at == last_entry:
            yield Piece(repository, first, at + 1, size, listing.digest(first, at + 1))
            first, size = at + 1, 0


def _listing(repository: Repository, section: CorpusSection) -> _Listing | None:
    """Return what a repository holds, or None when only reading tells; the last ones are kept."""
    key = repository, section.model_dump_json()
    if key not in _listings:
        while len(_listings) >= _KEPT_LISTINGS:
            del _listings[next(iter(_listings))]
        _listings[key] = _list(repository, section)
    return _listings[key]


def _list(repository: Repository, section: CorpusSection) -> _Listing | None:
    entries = kind_of(repository).entries(repository)
    if entries is None:
        return None
    folders = dict(repository.folder_licences)
    wanted: list[Entry] = []
    refused: dict[str, Judged] = {}
    for entry in entries:
        licence = licence_of_file(entry.path, b"", folders) or repository.identity.licence
        verdict = refused_unread(
            entry.path, entry.num_bytes, licence, section, repository.source.domain
        )
        if verdict is None:
            wanted.append(entry)
        else:
            refused[entry.path] = verdict
    for verdict in _over_limit(repository, wanted, section.max_repository_bytes):
        refused[verdict.path] = verdict
    return _Listing(tuple(entries), refused)


def _over_limit(
    repository: Repository, entries: Sequence[Entry], limit: int | None
) -> list[Judged]:
    """Refuse what goes beyond the limit when files are taken folder by folder, in an order by hash."""
    if limit is None or sum(entry.num_bytes for entry in entries) <= limit:
        return []

    def place(entry: Entry) -> tuple[int, str]:
        folder = entry.path.rpartition("/")[0]
        name = f"{repository.name}\0{folder}".encode("utf-8", "surrogateescape")
        return xxhash.xxh3_64_intdigest(name), entry.path

    over = []
    size = 0
    detail = f"repository cut to {limit} bytes"
    for entry in sorted(entries, key=place):
        if size + entry.num_bytes <= limit:
            size += entry.num_bytes
        else:
            over.append(Judged(entry.path, "", entry.num_bytes, "repository_cap", detail))
    return over


def _table(
    rows: list[tuple[str, str, Judged]], section: CorpusSection, benchmarks: Benchmarks
) -> pa.Table:
    rows = sorted(rows, key=lambda row: (row[0], row[2].path))
    staying = [i for i, (_, _, judged) in enumerate(rows) if not judged.reason]
    texts = [rows[i][2].text for i in staying]
    hits: dict[int, list[Hit]] = {}
    for hit in benchmarks.hits(texts):
        hits.setdefault(staying[hit.text], []).append(hit)
    dedup = section.dedup
    signatures = file_signatures(texts, dedup.num_hashes, dedup.shingle_words)
    by_row = {i: row.tobytes() for i, row in zip(staying, signatures, strict=True)}
    columns: dict[str, list[object]] = {name: [] for name in SCHEMA.names}
    for i, (repository, licence, judged) in enumerate(rows):
        contaminated = str(hits[i][0]) if i in hits else ""
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
            "role": judged.role,
            "signals": judged.signals,
            "loss_per_byte": None,
            "spans": [asdict(span) for span in judged.spans],
            "hits": [_hit_row(hit) for hit in hits.get(i, ())],
            "text": judged.text if whole else _excerpt(judged, section),
        }
        for name, value in values.items():
            columns[name].append(value)
    return pa.table(columns, schema=SCHEMA)


def _hit_row(hit: Hit) -> dict[str, str]:
    passage = hit.passage
    return {
        "benchmark": passage.benchmark,
        "task": passage.task,
        "field": passage.field,
        "ngram": hit.ngram,
    }


def _excerpt(judged: Judged, section: CorpusSection) -> str:
    """Return the beginning of a file that goes, as the report may show it."""
    return redact(judged.text[:_EXCERPT_CHARS], judged.language, section.redact)[0]


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
