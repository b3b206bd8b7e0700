"""Exact and near copies of items that lie in batches: the shuffle that finds them.

An item (a file, or a repository) has an id, a content hash and a signature. What moves between tasks
is (content hash, id), then, of one item a content, (band hash, id): 16 bytes a band. Buckets give pairs
of ids. For a pair the left one's signature travels to the batch of the right one, where both are
compared whole, so that the threshold means what it says. Estimates from k slots spread by
sqrt(t(1-t)/k) around the truth t; pairs nearer to the threshold than `MARGIN` such spreads are decided
by the exact Jaccard similarity of their n-gram sets where the source has texts. What is found are
edges; their components are `union`'s, the survivors `clusters`'.

Every step is a method that a task calls with a batch's or bucket's number; its output depends on the
items alone, not on the number of batches, buckets or workers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gristmill.corpus.buckets import band_keys, candidates, repeats
from gristmill.corpus.exchange import Buckets, Exchange, Work, buckets_of
from gristmill.corpus.grouping import first_of_pairs
from gristmill.corpus.shingles import U64, ngrams
from gristmill.corpus.signatures import Signatures, similarity
from gristmill.corpus.union import Union, edge_table, ends_of

ID_BITS = 32
MARGIN = 2.5
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Items:
    """A batch's items, by ascending id (`piece << 32 | row`)."""

    ids: U64
    contents: U64
    signatures: Signatures
    ranks: pa.Table
    """`permissive`, `num_bytes`, `repository`, `path`: what decides which copy survives."""

    def at(self, ids: U64) -> npt.NDArray[np.int64]:
        """Return the rows of ids, all of which must be here."""
        return np.searchsorted(self.ids, ids).astype(np.int64)


class ItemSource(Protocol):
    """Where batches of items come from."""

    @property
    def has_texts(self) -> bool:
        """Whether near misses can be decided exactly."""
        ...

    def items(self, batch: int) -> Items:
        """Return a batch's items."""
        ...

    def texts(self, batch: int, ids: U64) -> Sequence[bytes]:
        """Return the texts of some of a batch's items."""
        ...


@dataclass(frozen=True)
class Rules:
    """What counts as a near copy."""

    threshold: float
    num_hashes: int
    bands: int
    num_words: int
    exact: bool
    """Whether pairs near the threshold are decided by their n-gram sets."""

    @property
    def margin(self) -> float:
        """How far from the threshold an estimate is not to be trusted."""
        return MARGIN * float(np.sqrt(self.threshold * (1 - self.threshold) / self.num_hashes))


@dataclass(frozen=True)
class Dedup:
    """One shuffle over `num_batches` batches of items. `name` keeps its stages apart from others'."""

    name: str
    source: ItemSource
    exchange: Exchange
    rules: Rules
    num_batches: int
    batch_pieces: int
    """Pieces a batch; an id's batch is its piece divided by this."""
    num_buckets: int

    def run(self, work: Work) -> str:
        """Do all steps; return the stage of the components (see `Union.run`)."""
        batches, buckets = range(self.num_batches), range(self.num_buckets)
        work(self.send_contents, batches)
        work(self.pair_contents, buckets)
        work(self.send_bands, batches)
        work(self.pair_bands, buckets)
        work(self.send_signatures, batches)
        work(self.compare, batches)
        if self.decides_exactly:
            work(self.send_ngrams, batches)
            work(self.compare_ngrams, batches)
        for kind in ("contents", "bands", "pairs", "pairs-asked", "pairs-sent"):
            self.exchange.drop(self.stage(kind))
        for kind in ("unsure", "unsure-asked", "unsure-sent"):
            self.exchange.drop(self.stage(kind))
        return Union(self.exchange, self.stage("edges"), self.num_buckets).run(work)

    @property
    def decides_exactly(self) -> bool:
        """Whether n-gram sets are compared at all."""
        return self.rules.exact and self.source.has_texts

    def stage(self, kind: str) -> str:
        """Return the name of a stage of this shuffle."""
        return f"{self.name}-{kind}"

    def batch_of(self, ids: U64) -> Buckets:
        """Return the batch of each id."""
        return ((ids >> np.uint64(ID_BITS)) // np.uint64(self.batch_pieces)).astype(np.int64)

    def to_batches(self, stage: str, writer: int, rows: pa.Table, ids: U64) -> None:
        """Write rows to the batches of ids."""
        self.exchange.write(stage, writer, rows, self.batch_of(ids), self.num_batches)

    def send_contents(self, batch: int) -> None:
        """Send (content hash, id) of every item."""
        if not self.exchange.has(self.stage("contents"), batch):
            items = self.source.items(batch)
            self._send_keys("contents", batch, items.contents, items.ids)

    def _send_keys(self, kind: str, batch: int, keys: U64, ids: U64) -> None:
        rows = pa.table({"key": keys, "id": ids})
        to = buckets_of(keys, self.num_buckets)
        self.exchange.write(self.stage(kind), batch, rows, to, self.num_buckets)

    def pair_contents(self, bucket: int) -> None:
        """Link items of equal content to the first of them."""
        if not self.exchange.has(self.stage("copies"), bucket):
            copies, firsts = repeats(*self._keys("contents", bucket))
            self._send_edges(bucket, firsts, copies)
            self.to_batches(self.stage("copies"), bucket, pa.table({"id": copies}), copies)

    def _keys(self, kind: str, bucket: int) -> tuple[U64, U64]:
        table = self.exchange.read(self.stage(kind), bucket)
        assert table is not None
        return table["key"].to_numpy(), table["id"].to_numpy()

    def _send_edges(self, writer: int, left: U64, right: U64) -> None:
        to = buckets_of(left, self.num_buckets)
        rows = edge_table(left, right)
        self.exchange.write(self.stage("edges"), writer, rows, to, self.num_buckets)

    def send_bands(self, batch: int) -> None:
        """Send (band hash, id) of every band of every item that is no exact copy."""
        if self.exchange.has(self.stage("bands"), batch):
            return
        items = self.source.items(batch)
        copies = self.exchange.read(self.stage("copies"), batch)
        assert copies is not None
        kept = ~np.isin(items.ids, copies["id"].to_numpy())
        ids, signatures = items.ids[kept], items.signatures[kept]
        found = list(band_keys(signatures, self.rules.bands))
        keys = np.concatenate([keys for keys, _ in found])
        members = np.concatenate([members for _, members in found])
        self._send_keys("bands", batch, keys, ids[members])

    def pair_bands(self, bucket: int) -> None:
        """Send the pairs worth comparing to the batch of the left one."""
        if not self.exchange.has(self.stage("pairs"), bucket):
            left, right = candidates(*self._keys("bands", bucket))
            self.to_batches(self.stage("pairs"), bucket, edge_table(left, right), left)

    def send_signatures(self, batch: int) -> None:
        """Send each pair, and each left one's signature, to the batch of the right one."""
        if not self.exchange.has(self.stage("pairs-sent"), batch):
            self.send_left(batch, "pairs")

    def send_left(self, batch: int, kind: str) -> None:
        """Send the pairs of stage `kind` on to the right ones, with the left ones' signatures."""
        left, right = self._pairs(kind, batch)
        needed, to = self._ask(batch, kind, left, right)
        items = self.source.items(batch)
        rows = np.ascontiguousarray(items.signatures[items.at(needed)])
        values = pa.array(rows.view(f"V{rows.shape[1] * 4}").ravel().tolist(), pa.large_binary())
        self._answer(batch, kind, needed, values, to)

    def _pairs(self, kind: str, batch: int) -> tuple[U64, U64]:
        left, right = ends_of(self.exchange.read(self.stage(kind), batch))
        kept = first_of_pairs(left, right)
        return left[kept], right[kept]

    def _ask(self, batch: int, kind: str, left: U64, right: U64) -> tuple[U64, Buckets]:
        """Pass pairs on; return the left ones that each other batch must hear of, each once."""
        self.to_batches(self.stage(f"{kind}-asked"), batch, edge_table(left, right), right)
        to = self.batch_of(right)
        once = first_of_pairs(left, to.astype(np.uint64))
        return left[once], to[once]

    def _answer(self, batch: int, kind: str, ids: U64, values: pa.Array, to: Buckets) -> None:
        rows = pa.table({"id": ids, "value": values})
        self.exchange.write(self.stage(f"{kind}-sent"), batch, rows, to, self.num_batches)

    def _received(self, batch: int, kind: str) -> tuple[U64, U64, U64, pa.Array]:
        """Return the pairs whose right one is here, the ids that were sent, and what was sent."""
        left, right = self._pairs(f"{kind}-asked", batch)
        sent = self.exchange.read(self.stage(f"{kind}-sent"), batch)
        assert sent is not None
        ids, first = np.unique(sent["id"].to_numpy(), return_index=True)
        values = sent["value"].take(pa.array(first)).combine_chunks()
        return left, right, ids, values

    def similarities(self, batch: int, kind: str) -> tuple[U64, U64, npt.NDArray[np.float64]]:
        """Return the pairs whose right one is in this batch, with their estimated similarity."""
        left, right, ids, values = self._received(batch, kind)
        flat = np.frombuffer(b"".join(values.to_pylist()), dtype=np.uint32)
        sent = flat.reshape(len(ids), -1) if len(ids) else np.zeros((0, 1), np.uint32)
        items = self.source.items(batch)
        rows, theirs = items.at(right), np.searchsorted(ids, left)
        shares = np.zeros(len(left), dtype=np.float64)
        for at in range(0, len(left), _CHUNK):
            here = slice(at, at + _CHUNK)
            shares[here] = similarity(sent[theirs[here]], items.signatures[rows[here]])
        return left, right, shares

    def compare(self, batch: int) -> None:
        """Keep the pairs that are near; send back those that the estimate cannot decide."""
        writer = self.num_buckets + batch
        if self.exchange.has(self.stage("edges"), writer):
            return
        left, right, shares = self.similarities(batch, "pairs")
        near = shares >= self.rules.threshold
        if self.decides_exactly:
            unsure = np.abs(shares - self.rules.threshold) <= self.rules.margin
            near &= ~unsure
            rows = edge_table(left[unsure], right[unsure])
            self.to_batches(self.stage("unsure"), batch, rows, left[unsure])
        self._send_edges(writer, left[near], right[near])

    def send_ngrams(self, batch: int) -> None:
        """Send each undecided pair, and each left one's n-gram set, to the batch of the right one."""
        if self.exchange.has(self.stage("unsure-sent"), batch):
            return
        left, right = self._pairs("unsure", batch)
        needed, to = self._ask(batch, "unsure", left, right)
        sets = ngram_sets(self.source, batch, needed, self.rules.num_words)
        values = pa.array([sets[key].tobytes() for key in needed.tolist()], pa.large_binary())
        self._answer(batch, "unsure", needed, values, to)

    def compare_ngrams(self, batch: int) -> None:
        """Keep the undecided pairs whose n-gram sets are near."""
        writer = self.num_buckets + self.num_batches + batch
        if self.exchange.has(self.stage("edges"), writer):
            return
        left, right, ids, values = self._received(batch, "unsure")
        mine = ngram_sets(self.source, batch, right, self.rules.num_words)
        sent = dict(zip(ids.tolist(), values.to_pylist(), strict=True))
        near = np.zeros(len(left), dtype=bool)
        for at, (a, b) in enumerate(zip(left.tolist(), right.tolist(), strict=True)):
            theirs = np.frombuffer(sent[a], dtype=np.uint64)
            near[at] = jaccard(theirs, mine[b]) >= self.rules.threshold
        self._send_edges(writer, left[near], right[near])


def ngram_sets(source: ItemSource, batch: int, ids: U64, num_words: int) -> dict[int, U64]:
    """Return the sorted n-gram hashes of some of a batch's items, by id."""
    ids = np.unique(ids)
    hashes, offsets = ngrams(source.texts(batch, ids), num_words)
    parts = np.split(hashes, offsets[1:-1]) if len(ids) else []
    return {key: np.unique(part) for key, part in zip(ids.tolist(), parts, strict=True)}


def jaccard(left: U64, right: U64) -> float:
    """Return the Jaccard similarity of two sorted sets."""
    common = len(np.intersect1d(left, right, assume_unique=True))
    return common / max(len(left) + len(right) - common, 1)
