"""The texts of one repository, while its documents are made: in memory when small, else on local disk.

A repository's documents take its files in an order of their own, so all texts must be at hand; one
repository may be a third of a corpus, so they must not all be in memory. They are put one after the
other into a file that is memory up to a limit, and read back by place.
"""

import tempfile
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa

HELD_BYTES = 32_000_000


class Texts:
    """UTF-8 texts by number, in the order in which they were added."""

    def __init__(self, held_bytes: int = HELD_BYTES) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=held_bytes)  # noqa: SIM115
        self._starts: list[int] = []
        self._sizes: list[int] = []
        self._end = 0

    def add(self, column: pa.ChunkedArray) -> range:
        """Add the texts of a `large_string` column, null as empty; return their numbers."""
        first = len(self._starts)
        self._file.seek(self._end)
        for chunk in column.chunks:
            if len(chunk) == 0:
                continue
            _, offsets, data = chunk.buffers()
            bounds = np.frombuffer(offsets, np.int64, len(chunk) + 1, 8 * chunk.offset)
            low, high = int(bounds[0]), int(bounds[-1])
            if data is not None:
                self._file.write(memoryview(data)[low:high])
            self._starts += (bounds[:-1] - low + self._end).tolist()
            self._sizes += np.diff(bounds).tolist()
            self._end += high - low
        return range(first, len(self._starts))

    def read(self, number: int) -> bytes:
        """Return one text."""
        self._file.seek(self._starts[number])
        return self._file.read(self._sizes[number])

    def size(self, number: int) -> int:
        """Return the size of one text in bytes."""
        return self._sizes[number]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
