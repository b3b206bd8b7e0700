"""The rows that selection reads, batch by batch: from the pieces' tables, or from memory.

A row's id is `piece << 32 | row`; a batch is `batch_pieces` pieces in turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from gristmill.corpus.dedup import ID_BITS, Items
from gristmill.corpus.licences import is_permissive
from gristmill.corpus.parts import piece_path, read_table, sketch_path
from gristmill.corpus.shingles import U64
from gristmill.storage import Storage

INPUT = ("repository", "path", "language", "licence", "num_bytes", "reason", "detail", "content")
"""Columns of a piece's table that selection reads, with `signature` and the piece's number."""

_MOST_BATCHES = 4096


class Rows(Protocol):
    """A corpus' rows."""

    @property
    def num_batches(self) -> int:
        """How many batches there are."""
        ...

    @property
    def batch_pieces(self) -> int:
        """How many pieces a batch has."""
        ...

    @property
    def has_texts(self) -> bool:
        """Whether `texts` can be asked."""
        ...

    def read(self, batch: int) -> pa.Table:
        """Return a batch's rows: `INPUT`, `signature`, `piece`, and `id` ascending."""
        ...

    def sketches(self, batch: int) -> pa.Table:
        """Return the mergeable signatures of a batch's repositories: `repository`, `sketch`."""
        ...

    def texts(self, batch: int, ids: U64) -> Sequence[bytes]:
        """Return the texts of some rows, ids ascending."""
        ...


@dataclass(frozen=True)
class PieceRows:
    """The rows of the pieces' tables in a store."""

    storage: Storage
    num_pieces: int
    least_batch: int = 64

    @property
    def batch_pieces(self) -> int:
        """How many pieces a batch has: more in a very large corpus, so that files stay few."""
        return max(self.least_batch, -(-self.num_pieces // _MOST_BATCHES))

    @property
    def num_batches(self) -> int:
        """How many batches there are."""
        return -(-self.num_pieces // self.batch_pieces)

    @property
    def has_texts(self) -> bool:
        """They lie in the pieces' tables."""
        return True

    def _pieces(self, batch: int) -> range:
        first = batch * self.batch_pieces
        return range(first, min(first + self.batch_pieces, self.num_pieces))

    def read(self, batch: int) -> pa.Table:
        """Read a batch's rows."""
        tables = []
        for piece in self._pieces(batch):
            table = read_table(self.storage, piece_path(piece), [*INPUT, "signature"])
            tables.append(_numbered(table, piece))
        return pa.concat_tables(tables)

    def sketches(self, batch: int) -> pa.Table:
        """Read the sketches of a batch's repositories."""
        return pa.concat_tables(
            read_table(self.storage, sketch_path(piece)) for piece in self._pieces(batch)
        )

    def texts(self, batch: int, ids: U64) -> Sequence[bytes]:
        """Read the texts of some rows, piece by piece."""
        found: list[bytes] = []
        pieces = ids >> np.uint64(ID_BITS)
        for piece in np.unique(pieces).tolist():
            rows = (ids[pieces == piece] & np.uint64((1 << ID_BITS) - 1)).astype(np.int64)
            column = read_table(self.storage, piece_path(piece), ["text"])["text"]
            found += [text.encode() for text in column.take(pa.array(rows)).to_pylist()]
        return found


def _numbered(table: pa.Table, piece: int) -> pa.Table:
    ids = (np.uint64(piece) << np.uint64(ID_BITS)) | np.arange(table.num_rows, dtype=np.uint64)
    table = table.append_column("piece", pa.array(np.full(len(ids), piece, dtype=np.int32)))
    return table.append_column("id", pa.array(ids))


@dataclass(frozen=True)
class HeldRows:
    """One batch in memory."""

    table: pa.Table
    repositories: pa.Table
    has_texts: bool
    num_batches: int = 1
    batch_pieces: int = 1 << 32

    @staticmethod
    def of(rows: pa.Table, repositories: pa.Table) -> "HeldRows":
        """Number rows of several pieces; those of a piece are in its table's order."""
        tables = []
        for piece in sorted(set(rows["piece"].to_pylist())):
            mine = rows.filter(pa.compute.equal(rows["piece"], piece)).drop_columns(["piece"])
            tables.append(_numbered(mine, piece))
        table = pa.concat_tables(tables) if tables else _numbered(rows.drop_columns(["piece"]), 0)
        return HeldRows(table, repositories, "text" in rows.column_names)

    def read(self, batch: int) -> pa.Table:
        """Return all rows."""
        return self.table

    def sketches(self, batch: int) -> pa.Table:
        """Return all repositories' sketches."""
        return self.repositories

    def texts(self, batch: int, ids: U64) -> Sequence[bytes]:
        """Return the texts of some rows."""
        at = np.searchsorted(self.table["id"].to_numpy(), ids)
        return [text.encode() for text in self.table["text"].take(pa.array(at)).to_pylist()]


def items_of(table: pa.Table, num_hashes: int) -> Items:
    """Return the rows of files that stay as items."""
    licences = table["licence"].combine_chunks().dictionary_encode()
    known = np.array([is_permissive(name or "") for name in licences.dictionary.to_pylist()], bool)
    permissive = known[licences.indices.to_numpy(zero_copy_only=False)] if len(known) else known
    flat = np.frombuffer(b"".join(table["signature"].to_pylist()), dtype=np.uint32)
    ranks = table.select(["num_bytes", "repository", "path"])
    return Items(
        table["id"].to_numpy(),
        table["content"].to_numpy(),
        flat.reshape(table.num_rows, num_hashes),
        ranks.append_column("permissive", pa.array(permissive, pa.bool_())),
    )
