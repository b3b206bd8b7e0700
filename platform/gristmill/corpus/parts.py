"""Parts: the parquet files of a corpus artifact, the same bytes whoever writes them.

A part is some whole repositories, in order of name, of about `PART_BYTES`. Part i of `documents`,
`rejects` and `edges` are made together, by one worker, from the plan's rows of those repositories and
the pieces' tables that hold their texts.
"""

import io
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.storage import Storage

PART_BYTES = 8_000_000
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


def write_table(storage: Storage, path: str, table: pa.Table) -> None:
    """Write a parquet file whose bytes depend on the table alone, visible whole or not at all."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", row_group_size=4096, store_schema=True)
    storage.write_bytes(path, sink.getvalue())


def read_table(storage: Storage, path: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a parquet file, or some of its columns."""
    with storage.open_input(path) as stream:
        return pq.read_table(stream, columns=columns)


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


def plan_parts(plan: pa.Table) -> Iterator[pa.Table]:
    """Yield the plan's rows part by part; a repository is never divided."""
    repositories = plan["repository"].to_pylist()
    sizes = plan["num_bytes"].to_pylist()
    splits = plan["split"].to_pylist()
    start, size = 0, 0
    for row, repository in enumerate(repositories):
        if size >= PART_BYTES and row and repository != repositories[row - 1]:
            yield plan.slice(start, row - start)
            start, size = row, 0
        size += sizes[row] if splits[row] else 0
    if start < plan.num_rows:
        yield plan.slice(start)
