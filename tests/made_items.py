"""Texts as items of a shuffle, in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import xxhash

from gristmill.corpus.dedup import Dedup, Items, Rules
from gristmill.corpus.exchange import HeldExchange, one_by_one
from gristmill.corpus.shingles import U64
from gristmill.corpus.signatures import file_signatures
from gristmill.corpus.union import ends_of


@dataclass(frozen=True)
class Texts:
    """Texts in batches of `size`."""

    all: Sequence[str]
    size: int
    has_texts: bool = True
    num_hashes: int = 125
    asked: list[int] = field(default_factory=list)

    def items(self, batch: int) -> Items:
        """Return a batch's texts as items."""
        texts = self.all[batch * self.size : (batch + 1) * self.size]
        names = [f"{batch * self.size + i:04d}" for i in range(len(texts))]
        ranks = {"permissive": [True] * len(texts), "num_bytes": [1] * len(texts)}
        return Items(
            self.ids(batch, len(texts)),
            np.array([xxhash.xxh3_64_intdigest(text.encode()) for text in texts], np.uint64),
            file_signatures(texts, self.num_hashes, 5),
            pa.table({**ranks, "repository": names, "path": names}),
        )

    def ids(self, batch: int, num: int) -> U64:
        """Return the ids of a batch's first items."""
        return (np.uint64(batch) << np.uint64(32)) | np.arange(num, dtype=np.uint64)

    def texts(self, batch: int, ids: U64) -> list[bytes]:
        """Return texts, and remember that they were asked for."""
        rows = batch * self.size + (ids & np.uint64(0xFFFFFFFF)).astype(np.int64)
        self.asked.extend(rows.tolist())
        return [self.all[row].encode() for row in rows]


def components(source: Texts, rules: Rules, num_buckets: int = 1) -> set[frozenset[int]]:
    """Return the texts that hang together, by number."""
    exchange = HeldExchange()
    num_batches = -(-len(source.all) // source.size)
    dedup = Dedup("t", source, exchange, rules, num_batches, 1, num_buckets)
    stars = dedup.run(one_by_one)
    found: dict[int, set[int]] = {}
    for bucket in range(num_buckets):
        left, right = ends_of(exchange.read(stars, bucket))
        for a, root in zip(left.tolist(), right.tolist(), strict=True):
            found.setdefault(root, {root}).add(a)
    return {
        frozenset((i >> 32) * source.size + (i & 0xFFFFFFFF) for i in ids) for ids in found.values()
    }
