"""Partition files: what the tasks of a step hand to the tasks of the next one.

A task writes one file a stage, its rows sorted into buckets; the file is Arrow's IPC file with one
record batch a bucket, so that the task of a bucket reads its batch of every file and nothing else. Rows
come back in the order of the tasks' numbers, whoever wrote them and when. A file that is there already
is not written again: a killed shuffle goes on where it was.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gristmill.corpus.shingles import U64, mix
from gristmill.storage import Storage

T = TypeVar("T")
Buckets = npt.NDArray[np.int64]


class Work(Protocol):
    """Does a step for every number, here or on workers, and returns the results in order."""

    def __call__(self, step: Callable[[int], T], numbers: Sequence[int]) -> list[T]: ...


def one_by_one(step: Callable[[int], T], numbers: Sequence[int]) -> list[T]:
    """Do every number here, one after the other."""
    return [step(number) for number in numbers]


def buckets_of(keys: U64, num_buckets: int) -> Buckets:
    """Return the bucket of each key: evenly spread, whatever the keys are."""
    high = mix(keys) >> np.uint64(32)
    return ((high * np.uint64(num_buckets)) >> np.uint64(32)).astype(np.int64)


class Exchange(Protocol):
    """Files by stage, writer's number and bucket."""

    def has(self, stage: str, writer: int) -> bool:
        """Say whether this writer's file is there."""
        ...

    def write(self, stage: str, writer: int, rows: pa.Table, to: Buckets, num: int) -> None:
        """Write rows, each to its bucket of `num`."""
        ...

    def read(self, stage: str, bucket: int) -> pa.Table | None:
        """Return a bucket's rows of all writers in order; None when nobody wrote the stage."""
        ...

    def drop(self, stage: str) -> None:
        """Remove a stage's files."""
        ...


@dataclass(frozen=True)
class HeldExchange:
    """In memory, for a corpus that fits."""

    stages: dict[str, dict[int, list[pa.Table]]] = field(default_factory=dict)

    def has(self, stage: str, writer: int) -> bool:
        """Say whether this writer's rows are there."""
        return writer in self.stages.get(stage, {})

    def write(self, stage: str, writer: int, rows: pa.Table, to: Buckets, num: int) -> None:
        """Keep rows by bucket."""
        self.stages.setdefault(stage, {})[writer] = _parted(rows, to, num)

    def read(self, stage: str, bucket: int) -> pa.Table | None:
        """Return a bucket's rows of all writers in order."""
        held = self.stages.get(stage, {})
        parts = [held[writer][bucket] for writer in sorted(held)]
        return pa.concat_tables(parts) if parts else None

    def drop(self, stage: str) -> None:
        """Forget a stage."""
        self.stages.pop(stage, None)


@dataclass(frozen=True)
class StoredExchange:
    """In a folder of the store, for tasks on any machine."""

    storage: Storage

    def has(self, stage: str, writer: int) -> bool:
        """Say whether this writer's file is there."""
        return self.storage.exists(_path(stage, writer))

    def write(self, stage: str, writer: int, rows: pa.Table, to: Buckets, num: int) -> None:
        """Write one file, visible whole or not at all."""
        sink = io.BytesIO()
        with pa.ipc.new_file(sink, rows.schema) as stream:
            for part in _parted(rows, to, num):
                stream.write_batch(_one_batch(part))
        self.storage.write_bytes(_path(stage, writer), sink.getvalue())

    def read(self, stage: str, bucket: int) -> pa.Table | None:
        """Read a bucket's batch of every file."""
        batches = []
        for path in self.storage.list(stage):
            with self.storage.open_input(path) as stream:
                batches.append(pa.ipc.open_file(stream).get_batch(bucket))
        return pa.Table.from_batches(batches) if batches else None

    def drop(self, stage: str) -> None:
        """Remove a stage's folder."""
        self.storage.delete(stage)


def _path(stage: str, writer: int) -> str:
    return f"{stage}/{writer:07d}.arrow"


def _parted(rows: pa.Table, to: Buckets, num: int) -> list[pa.Table]:
    if num == 1:
        return [rows]
    kind = np.uint16 if num <= 1 << 16 else np.uint32
    order = np.argsort(to.astype(kind), kind="stable")  # a radix sort up to 65,536 buckets
    ends = np.cumsum(np.bincount(to, minlength=num))
    rows = rows.take(pa.array(order)).combine_chunks()
    starts = ends - np.diff(ends, prepend=0)
    return [rows.slice(start, end - start) for start, end in zip(starts, ends, strict=True)]


def _one_batch(part: pa.Table) -> pa.RecordBatch:
    batches = part.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=part.schema)
