"""Repositories as items of a shuffle: which of them is a copy of another (paper section 2.3).

A repository's content is the hash of its sorted set of files' content hashes, so that forks without a
change of their own are found before any MinHash; its signature is merged from its pieces' sketches, as
if its files were one text. Rows are gathered by a hash of the name; each gathering is a batch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import xxhash

from gristmill.corpus.clusters import Clusters
from gristmill.corpus.dedup import ID_BITS, Items
from gristmill.corpus.exchange import Buckets, Exchange
from gristmill.corpus.shingles import U64
from gristmill.corpus.signatures import EMPTY, Signatures

GATHERED = "repositories"


@dataclass
class _Gathered:
    contents: list[U64]
    sketch: Signatures
    num_bytes: int = 0
    permissive: bool = True


def send_repositories(
    exchange: Exchange, batch: int, items: Items, sketches: pa.Table, num_batches: int
) -> None:
    """Send what a batch's files say of their repositories to where each one is gathered."""
    if exchange.has(GATHERED, batch):
        return
    merged = _merged(sketches)
    found = {
        name: _Gathered([], np.frombuffer(sketch, np.uint32)) for name, sketch in merged.items()
    }
    columns = (items.ranks[name].to_pylist() for name in ("repository", "num_bytes", "permissive"))
    for row, (name, num_bytes, permissive) in enumerate(zip(*columns, strict=True)):
        one = found[name]
        one.contents.append(items.contents[row : row + 1])
        one.num_bytes += num_bytes
        one.permissive &= permissive
    names = sorted(found)
    rows = pa.table(
        {
            "repository": pa.array(names, pa.string()),
            "batch": pa.array([batch] * len(names), pa.int64()),
            "num_bytes": pa.array([found[name].num_bytes for name in names], pa.int64()),
            "permissive": pa.array([found[name].permissive for name in names], pa.bool_()),
            "contents": pa.array(
                [b"".join(part.tobytes() for part in found[name].contents) for name in names],
                pa.large_binary(),
            ),
            "sketch": pa.array([found[name].sketch.tobytes() for name in names], pa.large_binary()),
        }
    )
    exchange.write(GATHERED, batch, rows, _homes(names, num_batches), num_batches)


def _merged(sketches: pa.Table) -> Mapping[str, bytes]:
    merged: dict[str, bytes] = {}
    for row in sketches.to_pylist():
        name, sketch = row["repository"], row["sketch"]
        if name in merged:
            both = (np.frombuffer(part, np.uint32) for part in (merged[name], sketch))
            sketch = np.minimum(*both).tobytes()
        merged[name] = sketch
    return merged


def _homes(names: Sequence[str], num_batches: int) -> Buckets:
    hashes = (xxhash.xxh3_64_intdigest(name.encode()) % num_batches for name in names)
    return np.fromiter(hashes, np.int64, len(names))


@dataclass(frozen=True)
class RepositorySource:
    """The gathered repositories of each batch, by name."""

    exchange: Exchange
    num_hashes: int
    has_texts: bool = False

    def items(self, batch: int) -> Items:
        """Return a batch's repositories as items; their path is empty."""
        table = self.exchange.read(GATHERED, batch)
        assert table is not None
        found: dict[str, _Gathered] = {}
        for row in table.to_pylist():
            sketch = np.frombuffer(row["sketch"], np.uint32)
            one = found.setdefault(row["repository"], _Gathered([], np.full_like(sketch, EMPTY)))
            one.contents.append(np.frombuffer(row["contents"], np.uint64))
            one.sketch = np.minimum(one.sketch, sketch)
            one.num_bytes += row["num_bytes"]
            one.permissive &= row["permissive"]
        names = sorted(found)
        ids = (np.uint64(batch) << np.uint64(ID_BITS)) | np.arange(len(names), dtype=np.uint64)
        sketches = [found[name].sketch for name in names]
        ranks = {
            "num_bytes": pa.array([found[name].num_bytes for name in names], pa.int64()),
            "repository": pa.array(names, pa.string()),
            "path": pa.array([""] * len(names), pa.string()),
            "permissive": pa.array([found[name].permissive for name in names], pa.bool_()),
        }
        contents = [_digest(found[name].contents, name) for name in names]
        return Items(
            ids,
            np.array(contents, dtype=np.uint64),
            np.stack(sketches) if names else np.zeros((0, self.num_hashes), np.uint32),
            pa.table(ranks),
        )

    def texts(self, batch: int, ids: U64) -> Sequence[bytes]:
        """There are none: repositories are compared by their signatures."""
        raise AssertionError("repositories have no texts")


def _digest(contents: list[U64], name: str) -> int:
    """Return the hash of a set of content hashes; an empty repository is like no other."""
    each = np.unique(np.concatenate(contents))
    return xxhash.xxh3_64_intdigest(each.tobytes() if len(each) else name.encode())


def send_gone(clusters: Clusters, batch: int) -> None:
    """Tell the batches that hold a dropped repository's files which one survives it."""
    exchange, num_batches = clusters.dedup.exchange, clusters.dedup.num_batches
    decisions = clusters.decisions(batch)
    items = clusters.dedup.source.items(batch)
    names = items.ranks["repository"].take(pa.array(items.at(decisions.ids))).to_pylist()
    survivor = {
        name: other
        for name, other, stays in zip(names, decisions.repository, decisions.survives, strict=True)
        if not stays
    }
    table = exchange.read(GATHERED, batch)
    assert table is not None
    columns = (table[name].to_pylist() for name in ("repository", "batch"))
    rows = [(name, at) for name, at in zip(*columns, strict=True) if name in survivor]
    gone = pa.table(
        {
            "repository": pa.array([name for name, _ in rows], pa.string()),
            "survivor": pa.array([survivor[name] for name, _ in rows], pa.string()),
        }
    )
    to = np.array([at for _, at in rows], dtype=np.int64)
    exchange.write("gone", batch, gone, to, num_batches)
