"""Rows of token ids in files: written once with a manifest, read through memory maps.

A shard is `rows x sequence_length` little-endian uint16 (uint32 past 65,536 ids), a file of row bounds
and, for instruction rows, a file of loss bits. `manifest.json` names every file with its SHA-256; it is
written last. Rows are numbered through all shards in the manifest's order, epoch after epoch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gristmill.errors import StoreError
from gristmill.storage import Storage
from gristmill.tokens.sampler import Group, Order
from gristmill.tokens.shard_cache import ShardCache, default_folder

MANIFEST = "manifest.json"
FORMAT = 1


@dataclass(frozen=True)
class Row:
    """One sequence."""

    tokens: NDArray[np.int64]
    """Ids [T]; places after the last document hold the pad token."""
    bounds: NDArray[np.int32]
    """Where documents start, and T: segment i is tokens[bounds[i]:bounds[i + 1]]. Padding, where
    there is any, is the last segment, so the segments always cover the row."""
    loss_mask: NDArray[np.bool_] | None
    """[T], True where the token is to be learned (as a target); None where every real token is."""
    num_tokens: int
    """Tokens before the padding."""


@dataclass(frozen=True)
class StoredFile:
    """A file of a shard as the manifest names it."""

    path: str
    sha256: str
    num_bytes: int


@dataclass(frozen=True)
class Shard:
    """The files of one shard."""

    epoch: int
    rows: int
    tokens: StoredFile
    bounds: StoredFile
    mask: StoredFile | None = None
    group: str = ""
    """The domain that all its documents are of, where a mixture packs them apart."""


@dataclass(frozen=True)
class Manifest:
    """`manifest.json`: what the rows are and where they lie."""

    sequence_length: int
    dtype: str
    vocab_rows: int
    pad: int
    tokenizer: str
    """SHA-256 of `tokenizer.json`."""
    rows: int
    tokens: int
    """Ids that are not padding."""
    shards: tuple[Shard, ...]
    mixture: dict[str, float] = field(default_factory=dict)
    """Weight of each group of shards; empty where all rows are one group."""
    details: dict[str, Any] = field(default_factory=dict)
    """Counts and settings for people and records: documents, fill, fim, realised rate, ..."""
    format: int = FORMAT

    def write(self, storage: Storage) -> None:
        """Write `manifest.json`. Raises StoreError."""
        storage.write_bytes(MANIFEST, json.dumps(asdict(self), indent=1, sort_keys=True).encode())

    @staticmethod
    def read(storage: Storage) -> Manifest:
        """Read `manifest.json`. Raises StoreError when it is missing or not of this format."""
        try:
            values = json.loads(storage.read_bytes(MANIFEST))
            if values["format"] != FORMAT:
                raise StoreError(
                    f"{storage.url}/{MANIFEST} is of format {values['format']}, "
                    f"this code reads {FORMAT}; make the tokens again"
                )
            shards = tuple(_shard(item) for item in values.pop("shards"))
            return Manifest(**values, shards=shards)
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{storage.url}/{MANIFEST} is damaged: {error}") from error


def _shard(values: dict[str, Any]) -> Shard:
    mask = values["mask"]
    return Shard(
        epoch=values["epoch"],
        rows=values["rows"],
        tokens=StoredFile(**values["tokens"]),
        bounds=StoredFile(**values["bounds"]),
        mask=StoredFile(**mask) if mask else None,
        group=values.get("group", ""),
    )


def dtype_of(vocab_rows: int) -> str:
    """Return the smallest of uint16 and uint32 that holds every id."""
    return "uint16" if vocab_rows <= 1 << 16 else "uint32"


class Shards:
    """The rows of a tokens artifact (or of instruction shards), by number."""

    def __init__(self, storage: Storage, manifest: Manifest, cache: ShardCache) -> None:
        """Prefer `Shards.open`."""
        self.manifest = manifest
        self._storage = storage
        self._cache = cache
        self._first_row = np.cumsum([0, *(shard.rows for shard in manifest.shards)])
        self._maps: dict[int, _Map] = {}

    @staticmethod
    def open(storage: Storage, cache: Path | None = None) -> Shards:
        """Open for reading; files are copied (if remote) and mapped when first used. Raises StoreError."""
        folder = cache if cache is not None else default_folder() / "shards"
        return Shards(storage, Manifest.read(storage), ShardCache(folder))

    @property
    def num_rows(self) -> int:
        """Rows of all epochs."""
        return self.manifest.rows

    @property
    def sequence_length(self) -> int:
        """Tokens of a row, T."""
        return self.manifest.sequence_length

    @property
    def num_tokens(self) -> int:
        """Tokens of all rows that are not padding."""
        return self.manifest.tokens

    @cached_property
    def order(self) -> Order:
        """Return what samples are drawn from, for `sampler.row_at`."""
        names = sorted(self.manifest.mixture) or [""]
        return tuple(
            Group(self.manifest.mixture.get(name, 1.0), self._epochs_of(name)) for name in names
        )

    def _epochs_of(self, name: str) -> tuple[tuple[int, int], ...]:
        """Return first row and rows of each epoch of a group; an epoch's shards lie side by side."""
        found: dict[int, tuple[int, int]] = {}
        for shard, first in zip(self.manifest.shards, self._first_row.tolist(), strict=False):
            if shard.group == name:
                start, rows = found.get(shard.epoch, (first, 0))
                found[shard.epoch] = start, rows + shard.rows
        return tuple(found[epoch] for epoch in sorted(found))

    def row(self, number: int) -> Row:
        """Return a row, counted through all epochs. Raises IndexError, StoreError."""
        if not 0 <= number < self.num_rows:
            raise IndexError(f"row {number} of {self.num_rows}")
        place = int(np.searchsorted(self._first_row, number, side="right")) - 1
        if place not in self._maps:
            self._maps[place] = self._map(self.manifest.shards[place])
        return self._maps[place].row(number - int(self._first_row[place]))

    def _map(self, shard: Shard) -> _Map:
        length, dtype = self.sequence_length, np.dtype(self.manifest.dtype).newbyteorder("<")
        tokens = np.memmap(self._fetch(shard.tokens), dtype, "r", shape=(shard.rows, length))
        bounds = np.memmap(self._fetch(shard.bounds), "<i4", "r")
        mask = None
        if shard.mask is not None:
            width = -(-length // 8)
            mask = np.memmap(self._fetch(shard.mask), np.uint8, "r", shape=(shard.rows, width))
        return _Map(tokens, bounds, mask)

    def _fetch(self, file: StoredFile) -> Path:
        return self._cache.fetch(self._storage, file.path, file.sha256, file.num_bytes)


@dataclass(frozen=True)
class _Map:
    tokens: NDArray[Any]
    bounds: NDArray[np.int32]
    """Offsets into the starts (rows + 1 of them), then per row its documents' starts and the end."""
    mask: NDArray[np.uint8] | None

    def row(self, number: int) -> Row:
        rows, length = self.tokens.shape
        start, end = (int(self.bounds[number + i]) + rows + 1 for i in (0, 1))
        bounds = np.array(self.bounds[start:end], np.int32)
        num_tokens = int(bounds[-1])
        if num_tokens < length:
            bounds = np.append(bounds, np.int32(length))
        loss = None
        if self.mask is not None:
            bits = np.array(self.mask[number])
            loss = np.unpackbits(bits, count=length).astype(np.bool_)
        return Row(np.array(self.tokens[number], np.int64), bounds, loss, num_tokens)


@dataclass(frozen=True)
class ShardWriter:
    """Writes shards of packed pieces below a storage; pure of order: the same rows, the same bytes."""

    storage: Storage
    sequence_length: int
    vocab_rows: int
    pad: int

    def write(
        self,
        name: str,
        rows: Sequence[Sequence[NDArray[Any]]],
        masks: Sequence[Sequence[NDArray[np.bool_]]] | None = None,
        epoch: int = 0,
        group: str = "",
    ) -> Shard:
        """Write `{name}.bin`, `{name}.bounds.bin` and, with masks, `{name}.mask.bin`.

        A row is the pieces that lie in it, in order; masks have the same shapes. Raises StoreError.
        """
        dtype = np.dtype(dtype_of(self.vocab_rows)).newbyteorder("<")
        tokens = np.full((len(rows), self.sequence_length), self.pad, dtype)
        offsets = [0]
        starts: list[int] = []
        for number, pieces in enumerate(rows):
            at = 0
            for piece in pieces:
                tokens[number, at : at + len(piece)] = piece
                starts.append(at)
                at += len(piece)
            starts.append(at)
            offsets.append(len(starts))
        bounds = np.array(offsets + starts, "<i4")
        return Shard(
            epoch=epoch,
            rows=len(rows),
            tokens=self._put(f"{name}.bin", tokens),
            bounds=self._put(f"{name}.bounds.bin", bounds),
            mask=None if masks is None else self._put(f"{name}.mask.bin", self._bits(masks)),
            group=group,
        )

    def _bits(self, masks: Sequence[Sequence[NDArray[np.bool_]]]) -> NDArray[np.uint8]:
        bits = np.zeros((len(masks), self.sequence_length), np.bool_)
        for number, pieces in enumerate(masks):
            joined = np.concatenate(list(pieces))
            bits[number, : len(joined)] = joined
        return np.packbits(bits, axis=1)

    def _put(self, path: str, values: NDArray[Any]) -> StoredFile:
        data = values.tobytes()
        self.storage.write_bytes(path, data)
        return StoredFile(path, hashlib.sha256(data).hexdigest(), len(data))
