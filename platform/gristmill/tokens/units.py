"""The corpus's documents in units of work: runs of rows of one part, of about the same bytes.

Units depend on the corpus alone, never on workers, so whatever is made from each unit in turn is the
same bytes with any number of workers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow.parquet as pq

from gristmill.corpus.documents import Document, from_row, part_paths
from gristmill.storage import Storage

UNIT_BYTES = 1 << 20
WINDOW_BYTES = 512 << 20


@dataclass(frozen=True)
class Unit:
    """Rows `start`..`stop` of one document part."""

    part: str
    start: int
    stop: int
    num_bytes: int
    """Of the split's documents in it."""


def units_of(corpus: Storage, split: str = "train", target_bytes: int = UNIT_BYTES) -> list[Unit]:
    """Return units that cover the split's documents, in the corpus's order; reads sizes only."""
    units: list[Unit] = []
    for part in part_paths(corpus):
        with corpus.open_input(part) as stream:
            table = pq.read_table(stream, columns=["split", "num_bytes"])
        sizes = [
            size if name == split else 0
            for name, size in zip(*(column.to_pylist() for column in table.columns), strict=True)
        ]
        start = filled = 0
        for row, size in enumerate(sizes):
            filled += size
            if filled >= target_bytes or (row + 1 == len(sizes) and filled):
                units.append(Unit(part, start, row + 1, filled))
                start, filled = row + 1, 0
    return units


def windows_of(units: Sequence[Unit], window_bytes: int = WINDOW_BYTES) -> Iterator[list[Unit]]:
    """Yield runs of consecutive units of at most `window_bytes`; what is packed together."""
    window: list[Unit] = []
    held = 0
    for unit in units:
        if window and held + unit.num_bytes > window_bytes:
            yield window
            window, held = [], 0
        window.append(unit)
        held += unit.num_bytes
    if window:
        yield window


def read_unit(corpus: Storage, unit: Unit, split: str = "train") -> list[Document]:
    """Return a unit's documents of the split, in order; reads only the row groups they lie in."""
    documents: list[Document] = []
    with corpus.open_input(unit.part) as stream:
        file = pq.ParquetFile(stream)
        first = 0
        for group in range(file.num_row_groups):
            last = first + file.metadata.row_group(group).num_rows
            start, stop = max(unit.start, first), min(unit.stop, last)
            if start < stop:
                rows = file.read_row_group(group).slice(start - first, stop - start)
                documents += [from_row(row) for row in rows.to_pylist() if row["split"] == split]
            first = last
    return documents
