"""Parts: the parquet files of a corpus artifact, the same bytes whoever writes them.

A part is some whole repositories, in order of name. Where it ends is decided by the repositories
themselves (a hash of the name, weighed with the size, between a least and a most), so that a repository
that changes, comes or goes changes the part it is in and moves no other. Part i of every kind of table
is made together, by one worker.
"""

import io
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

from gristmill.storage import Storage

LEAST_PART_BYTES = 4_000_000
MEAN_PART_BYTES = 8_000_000
MOST_PART_BYTES = 32_000_000
"""Of the texts that stay; one repository beyond the most is a part of its own."""
GROUP_ROWS = 4096
GROUP_BYTES = 16_000_000
_HELD_BYTES = 32_000_000
"""A file in the making is in memory up to this size, then on local disk."""
WORK = ".work"
"""Folder of what only the artifact in the making needs; removed at the end."""

REJECTS = pa.schema(
    [
        ("repository", pa.string()),
        ("path", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("num_bytes", pa.int64()),
    ]
)
EDGES = pa.schema(
    [
        ("repository", pa.string()),
        ("importer", pa.string()),
        ("imported", pa.string()),
        ("language", pa.string()),
        ("kind", pa.string()),
        ("line", pa.int32()),
    ]
)
FILES = pa.schema(
    [
        ("repository", pa.string()),
        ("path", pa.string()),
        ("language", pa.string()),
        ("role", pa.string()),
        ("licence", pa.string()),
        ("num_bytes", pa.int64()),
        ("split", pa.string()),
        ("reason", pa.string()),
        ("signals", pa.list_(pa.float32())),  # in the order of quality.SIGNALS
        ("loss_per_byte", pa.float64()),  # under the model of `corpus.score`; null without one
    ]
)
"""Every file that was seen, whatever became of it."""
TALLY = pa.schema(
    [
        ("repository", pa.string()),
        ("reason", pa.string()),
        ("split", pa.string()),
        ("num_files", pa.int64()),
        ("num_bytes", pa.int64()),
        ("licence", pa.string()),
        ("piece", pa.int32()),
        ("batch", pa.int32()),
    ]
)
"""What the driver keeps of a plan: one row by repository, reason, split and batch, none by file."""


@dataclass(frozen=True)
class Part:
    """Which repositories a part holds, and which batches of the plan speak of them."""

    number: int
    repositories: tuple[str, ...]
    batches: tuple[int, ...]
    num_bytes: int
    """Of the texts that stay."""


def write_table(storage: Storage, path: str, table: pa.Table) -> None:
    """Write a parquet file whose bytes depend on the table alone, visible whole or not at all."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", row_group_size=GROUP_ROWS, store_schema=True)
    storage.write_bytes(path, sink.getvalue())


def read_table(
    storage: Storage,
    path: str,
    columns: Sequence[str] | None = None,
    repositories: Iterable[str] | None = None,
) -> pa.Table:
    """Read a parquet file, or some of its columns, or the rows of some repositories."""
    wanted = None if repositories is None else [("repository", "in", set(repositories))]
    with storage.open_input(path) as stream:
        return pq.read_table(stream, columns=columns, filters=wanted)


def read_num_rows(storage: Storage, path: str) -> int:
    """Return how many rows a parquet file has."""
    with storage.open_input(path) as stream:
        return int(pq.read_metadata(stream).num_rows)


class TableWriter:
    """Writes a table group by group with bounded memory; the file appears when the block ends well."""

    def __init__(self, storage: Storage, path: str, schema: pa.Schema) -> None:
        self._storage, self._path, self._schema = storage, path, schema
        self._sink = tempfile.SpooledTemporaryFile(max_size=_HELD_BYTES)  # noqa: SIM115
        self._writer = pq.ParquetWriter(self._sink, schema, compression="zstd", store_schema=True)
        self._rows: list[Mapping[str, object]] = []
        self._num_bytes = 0

    def add(self, rows: Iterable[Mapping[str, object]], num_bytes: int = 0) -> None:
        """Add rows; `num_bytes` is about what they hold."""
        self._rows += rows
        self._num_bytes += num_bytes
        while len(self._rows) >= GROUP_ROWS:
            self._flush(GROUP_ROWS)
        if self._num_bytes >= GROUP_BYTES:
            self._flush(len(self._rows))

    def _flush(self, num: int) -> None:
        self._writer.write_table(from_rows(self._rows[:num], self._schema))
        del self._rows[:num]
        self._num_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._sink:
            if kind is None and self._rows:
                self._flush(len(self._rows))
            self._writer.close()
            if kind is None:
                self._sink.seek(0)
                with self._storage.writing(self._path) as out:
                    shutil.copyfileobj(self._sink, out, 1 << 20)


def from_rows(rows: Sequence[Mapping[str, object]], schema: pa.Schema) -> pa.Table:
    """Return rows as a table."""
    return pa.Table.from_pylist(list(rows), schema=schema)


def part_path(kind: str, number: int) -> str:
    """Return where part `number` of `documents`, `rejects` or `edges` lies in the artifact."""
    return f"{kind}/part-{number:05d}.parquet"


def piece_path(number: int) -> str:
    """Return where the table of piece `number` lies while the artifact is in the making."""
    return f"{WORK}/piece-{number:06d}.parquet"


def sketch_path(number: int) -> str:
    """Return where the repository sketches of piece `number` lie while they are needed."""
    return f"{WORK}/sketch-{number:06d}.parquet"


def plan_path(batch: int) -> str:
    """Return where a batch of the plan lies while the artifact is in the making."""
    return f"{WORK}/plan-{batch:06d}.parquet"


def tally(plan: pa.Table, batch: int) -> pa.Table:
    """Return what the driver needs of a batch of the plan (`TALLY`)."""
    found = plan.group_by(["repository", "reason", "split"], use_threads=False).aggregate(
        [("num_bytes", "count"), ("num_bytes", "sum"), ("licence", "min"), ("piece", "min")]
    )
    names = {
        "num_bytes_count": "num_files",
        "num_bytes_sum": "num_bytes",
        "licence_min": "licence",
        "piece_min": "piece",
    }
    found = found.rename_columns([names.get(name, name) for name in found.column_names])
    found = found.append_column("batch", pa.array([batch] * found.num_rows, pa.int32()))
    return found.select(TALLY.names).cast(TALLY)


def plan_parts(tallies: pa.Table) -> Iterator[Part]:
    """Yield the parts of a corpus; a repository is never divided."""
    kept = pc.if_else(pc.equal(tallies["split"], ""), 0, tallies["num_bytes"])
    rows = tallies.set_column(tallies.column_names.index("num_bytes"), "num_bytes", kept)
    totals = rows.group_by("repository", use_threads=False).aggregate(
        [("num_bytes", "sum"), ("batch", "distinct")]
    )
    names: list[str] = []
    batches: set[int] = set()
    size = number = 0
    for row in totals.sort_by("repository").to_pylist():
        name, num_bytes = row["repository"], row["num_bytes_sum"]
        if names and size + num_bytes > MOST_PART_BYTES:
            yield Part(number, tuple(names), tuple(sorted(batches)), size)
            names, batches, size, number = [], set(), 0, number + 1
        names.append(name)
        batches.update(row["batch_distinct"])
        size += num_bytes
        if size >= LEAST_PART_BYTES and _ends(name, num_bytes):
            yield Part(number, tuple(names), tuple(sorted(batches)), size)
            names, batches, size, number = [], set(), 0, number + 1
    if names:
        yield Part(number, tuple(names), tuple(sorted(batches)), size)


def _ends(repository: str, num_bytes: int) -> bool:
    """Say whether a part that is large enough ends behind this repository."""
    lot = xxhash.xxh3_64_intdigest(repository.encode("utf-8", "surrogateescape")) / 2**64
    return lot < num_bytes / (MEAN_PART_BYTES - LEAST_PART_BYTES)
