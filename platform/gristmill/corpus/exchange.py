"""Partition files: what the tasks of a step hand to the tasks of the next one.

A task writes one file a stage, its rows sorted into buckets: the buckets' places, the schema, then one
Arrow message a bucket that has rows. So the task of a bucket reads two numbers and its message of every
file and nothing else, whatever the number of buckets: an index that had to be read whole would make
that quadratic. Rows
come back in the order of the tasks' numbers, whoever wrote them and when. A file that is there already
is not written again: a killed shuffle goes on where it was.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gristmill.corpus.shingles import U64, mix
from gristmill.storage import Storage

T = TypeVar("T")
Buckets = npt.NDArray[np.int64]
_HEAD_BYTES = 16
"""Of a partition file: how many buckets it has, how long its schema is; the buckets' places follow."""
_PLACE_BYTES = 8


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
        ordered, ends = _ordered(rows, to, num)
        schema = rows.schema.serialize().to_pybytes()
        messages: list[pa.Buffer] = []
        places = np.empty(num + 1, dtype=np.int64)
        place = _HEAD_BYTES + places.nbytes + len(schema)
        start = 0
        for bucket, end in enumerate(ends.tolist()):
            places[bucket] = place
            if end > start:
                messages.append(_one_batch(ordered.slice(start, end - start)).serialize())
                place += messages[-1].size
            start = end
        places[num] = place
        head = np.array([num, len(schema)], dtype=np.int64)
        data = b"".join([head.tobytes(), places.tobytes(), schema, *messages])
        self.storage.write_bytes(_path(stage, writer), data)

    def read(self, stage: str, bucket: int) -> pa.Table | None:
        """Read a bucket's message of every file."""
        schema: pa.Schema | None = None
        batches = []
        for path in self.storage.list(stage):
            with self.storage.open_input(path) as stream:
                if schema is None:
                    schema = _schema(stream)
                at = _HEAD_BYTES + _PLACE_BYTES * bucket
                first, last = np.frombuffer(stream.read_at(2 * _PLACE_BYTES, at), np.int64).tolist()
                if last > first:
                    message = pa.py_buffer(stream.read_at(last - first, first))
                    batches.append(pa.ipc.read_record_batch(message, schema))
        return None if schema is None else pa.Table.from_batches(batches, schema)

    def drop(self, stage: str) -> None:
        """Remove a stage's folder."""
        self.storage.delete(stage)


def _path(stage: str, writer: int) -> str:
    return f"{stage}/{writer:07d}.arrow"


def _schema(stream: Any) -> pa.Schema:
    """Return the schema of a partition file's rows."""
    num, size = np.frombuffer(stream.read_at(_HEAD_BYTES, 0), np.int64).tolist()
    place = _HEAD_BYTES + _PLACE_BYTES * (num + 1)
    return pa.ipc.read_schema(pa.py_buffer(stream.read_at(size, place)))


def _ordered(rows: pa.Table, to: Buckets, num: int) -> tuple[pa.Table, Buckets]:
    """Return the rows by bucket, and where each of the `num` buckets ends."""
    if num == 1:
        return rows.combine_chunks(), np.array([rows.num_rows], dtype=np.int64)
    kind = np.uint16 if num <= 1 << 16 else np.uint32
    order = np.argsort(to.astype(kind), kind="stable")  # a radix sort up to 65,536 buckets
    ends = np.cumsum(np.bincount(to, minlength=num))
    return rows.take(pa.array(order)).combine_chunks(), ends


def _parted(rows: pa.Table, to: Buckets, num: int) -> list[pa.Table]:
    ordered, ends = _ordered(rows, to, num)
    starts = ends - np.diff(ends, prepend=0)
    return [ordered.slice(start, end - start) for start, end in zip(starts, ends, strict=True)]


def _one_batch(part: pa.Table) -> pa.RecordBatch:
    (batch,) = part.combine_chunks().to_batches()
    return batch
