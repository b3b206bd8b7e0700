"""The corpus's documents in units of work: runs of rows of one part, of about the same bytes.

Units depend on the corpus alone, never on workers, so whatever is made from each unit in turn is the
same bytes with any number of workers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow.parquet as pq

from gristmill.corpus.documents import Document, from_row, part_paths
from gristmill.corpus.imports.model import Edge
from gristmill.corpus.parts import read_table
from gristmill.storage import Storage

_EDGE = ["importer", "imported", "kind", "language", "line"]
UNIT_BYTES = 1 << 20
WINDOW_BYTES = 512 << 20


@dataclass(frozen=True)
class Unit:
    """Rows `start`..`stop` of one document part."""

    part: str
    start: int
    stop: int
    num_bytes: int
    """Of the wanted documents in it."""
    split: str = "train"
    domain: str | None = None
    """Which documents are wanted; None takes those of every domain."""

    def wants(self, split: str, domain: str) -> bool:
        """Say whether a document of its rows belongs to the unit."""
        return split == self.split and self.domain in (None, domain)


def units_of(
    corpus: Storage,
    split: str = "train",
    target_bytes: int = UNIT_BYTES,
    domain: str | None = None,
) -> list[Unit]:
    """Return units that cover the wanted documents, in the corpus's order; reads sizes only."""
    units: list[Unit] = []
    for part in part_paths(corpus):
        with corpus.open_input(part) as stream:
            table = pq.read_table(stream, columns=["split", "domain", "num_bytes"])
        wanted = Unit(part, 0, 0, 0, split, domain)
        sizes = [
            size if wanted.wants(name, of) else 0
            for name, of, size in zip(*(each.to_pylist() for each in table.columns), strict=True)
        ]
        start = filled = 0
        for row, size in enumerate(sizes):
            filled += size
            if filled >= target_bytes or (row + 1 == len(sizes) and filled):
                units.append(Unit(part, start, row + 1, filled, split, domain))
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


def read_unit(corpus: Storage, unit: Unit) -> list[Document]:
    """Return a unit's documents, in order; reads only the row groups they lie in."""
    documents: list[Document] = []
    with corpus.open_input(unit.part) as stream:
        file = pq.ParquetFile(stream)
        first = 0
        for group in range(file.num_row_groups):
            last = first + file.metadata.row_group(group).num_rows
            start, stop = max(unit.start, first), min(unit.stop, last)
            if start < stop:
                rows = file.read_row_group(group).slice(start - first, stop - start)
                documents += [
                    from_row(row)
                    for row in rows.to_pylist()
                    if unit.wants(row["split"], row["domain"])
                ]
            first = last
    return documents


class UnitEdges:
    """The import edges of a unit's repositories, read when one of their documents is cut."""

    def __init__(self, corpus: Storage, unit: Unit) -> None:
        """Name the table beside the unit's part; nothing is read yet."""
        self._corpus = corpus
        self._path = unit.part.replace("documents/", "edges/", 1)
        self._known: dict[str, Sequence[Edge] | None] = {}

    def __call__(self, repository: str) -> Sequence[Edge] | None:
        """Return a repository's edges; None where the corpus keeps no edges for the part."""
        if repository not in self._known:
            self._known[repository] = self._read(repository)
        return self._known[repository]

    def _read(self, repository: str) -> Sequence[Edge] | None:
        if not self._corpus.exists(self._path):
            return None
        rows = read_table(self._corpus, self._path, _EDGE, [repository]).to_pylist()
        return [Edge(**row) for row in rows]
