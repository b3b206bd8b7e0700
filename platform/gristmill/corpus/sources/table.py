"""Parquet and JSON-lines files in The Stack's columns: one row a file, many repositories a table.

Read are, by the names that The Stack v1, its dedup and StarCoder's data use: `content`; `path` or
`max_stars_repo_path`; `repo_name` or `max_stars_repo_name`; the licence columns. A row without content
or path is a reject, a line that is no JSON too. Rows of prose (questions and answers, say: `text` and an
`id`) need no path: where the source's domain is not `code`, an id or the row's number stands for it.
A table is one piece of work and its files are held in memory together: give many tables of some hundred
megabytes rather than one large one.
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.artifacts import SourceIdentity
from gristmill.corpus.config import Source, TableSource
from gristmill.corpus.licences import UNKNOWN, joined, normalised
from gristmill.corpus.sources.members import refused_name
from gristmill.corpus.sources.repository import (
    MAX_FILE_BYTES,
    Bytes,
    Entry,
    Kind,
    Repository,
    Unread,
)
from gristmill.errors import SourceError

CONTENT = ("content", "text", "code")
PATH = ("path", "max_stars_repo_path", "max_forks_repo_path", "file_path")
ID = ("id", "answer_id", "question_id", "doc_id", "url")
REPOSITORY = ("repo_name", "max_stars_repo_name", "repository_name", "repo", "repository")
LICENCE = ("license", "licenses", "max_stars_repo_licenses", "detected_licenses")
_COLUMNS = (*CONTENT, *PATH, *ID, *REPOSITORY, *LICENCE)


def repositories(source: Source) -> list[Repository]:
    """Return one entry a table file; the repositories inside are known once it is read.

    Raises SourceError when a file is not there or lacks the columns.
    """
    assert isinstance(source, TableSource)
    found = []
    for name in source.paths:
        path = Path(name).expanduser()
        try:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise SourceError(
                f"source 'table': {path} cannot be read: {error.strerror}; give parquet or JSONL files"
            ) from error
        if path.suffix == ".parquet":
            _check_columns(path, (CONTENT, PATH) if source.domain == "code" else (CONTENT,))
        identity = SourceIdentity(
            repository=path.name, revision=digest[:12], licence=UNKNOWN, digest=digest
        )
        found.append(Repository(identity, source, str(path.resolve())))
    return found


def entries(repository: Repository) -> list[Entry] | None:
    """Return None: what a table holds is known once it is read."""
    return None


def read(repository: Repository, paths: Sequence[str] | None) -> Iterator[Bytes | Unread]:
    """Yield one file a row."""
    table = Path(repository.locator)
    rows = _parquet_rows(table) if table.suffix == ".parquet" else _json_rows(table)
    for number, row in rows:
        if isinstance(row, str):
            yield Unread(f"{table.name}:{number}", "unreadable", row)
            continue
        content, path = _first(row, CONTENT), _first(row, PATH)
        if path is None and repository.source.domain != "code":
            path = str(_first(row, ID) or number)
        name = str(_first(row, REPOSITORY) or table.name)
        if not isinstance(content, (str, bytes)) or not isinstance(path, str) or not path:
            detail = f"row {number} lacks content or path"
            yield Unread(f"{table.name}:{number}", "unreadable", detail, repository=name)
            continue
        path = path.lstrip("/")
        if refusal := refused_name(path):
            yield Unread(path, *refusal, repository=name)
            continue
        data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
        yield Bytes(path, data, name, _licence(row))


def _parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    number = 0
    try:
        with pq.ParquetFile(path) as table:
            columns = [name for name in table.schema_arrow.names if name in _COLUMNS]
            for batch in table.iter_batches(batch_size=256, columns=columns):
                for row in batch.to_pylist():
                    yield number, row
                    number += 1
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        yield number, f"the table ends or is damaged here: {error}"


def _json_rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    opener = gzip.open if path.suffix == ".gz" else open
    number = 0
    try:
        with opener(path, "rb") as stream:
            while line := stream.readline(MAX_FILE_BYTES + 1):
                number += 1
                if len(line) > MAX_FILE_BYTES:
                    yield number, f"line {number} is longer than {MAX_FILE_BYTES} bytes"
                    while line and not line.endswith(b"\n"):
                        line = stream.readline(MAX_FILE_BYTES)
                    continue
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError) as error:
                    yield number, f"line {number} is no JSON: {error}"
                    continue
                yield number, row if isinstance(row, dict) else f"line {number} is no object"
    except (EOFError, OSError, zlib.error) as error:
        yield number + 1, f"the table ends or is damaged here: {error}"


def _check_columns(path: Path, needed: Sequence[tuple[str, ...]]) -> None:
    try:
        names = set(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"source 'table': {path} is no parquet file: {error}") from error
    for wanted in needed:
        if not names & set(wanted):
            raise SourceError(
                f"source 'table': {path} has no column {' or '.join(wanted)}; "
                f"its columns are {', '.join(sorted(names))}"
            )


def _first(row: Mapping[str, Any], names: Sequence[str]) -> Any:
    for name in names:
        if row.get(name) is not None:
            return row[name]
    return None


def _licence(row: Mapping[str, Any]) -> str:
    value = _first(row, LICENCE)
    if isinstance(value, (list, tuple)):
        return joined(sorted({_spelling(item) for item in value}), "OR")
    return _spelling(value) if value else UNKNOWN


def _spelling(value: object) -> str:
    """Return a licence as SPDX spells it; what no one knows stays as the table has it."""
    return normalised(str(value)) or str(value)


KIND = Kind(repositories, entries, read)
