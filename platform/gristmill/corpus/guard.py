"""The last word on the split: no training file is a near copy of a held-out one.

The shuffle finds a pair at the threshold with high probability, not with certainty. The held-out files
are few (`max_files`), so every task gets all of them and asks each of its training files again, with
bands so short that a pair at a threshold of 0.7 is missed once in thousands, and compares the pairs as
the shuffle does. A training file of a held-out file's cluster goes without asking.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from gristmill.corpus.buckets import band_keys
from gristmill.corpus.dedup import Items, ItemSource, Rules, jaccard, ngram_sets
from gristmill.corpus.exchange import Exchange
from gristmill.corpus.grouping import Indices, first_of_pairs
from gristmill.corpus.shingles import U64
from gristmill.corpus.signatures import Signatures, similarity
from gristmill.corpus.split import Boundary

_STAGE = "held"
_BAND_SLOTS = 4
_CHUNK = 1 << 16


@dataclass(frozen=True)
class _Held:
    keys: U64
    where: list[str]
    signatures: Signatures
    ngrams: list[bytes]


@dataclass(frozen=True)
class Guard:
    """The boundary of the split and what is needed to hold it."""

    exchange: Exchange
    boundary: Boundary
    rules: Rules

    def send(self, batch: int, items: Items, rows: Indices, keys: U64, source: ItemSource) -> None:
        """Hand round a batch's held-out files: these rows, of clusters with these keys."""
        if self.exchange.has(_STAGE, batch):
            return
        ids = items.ids[rows]
        sets = self._sets(batch, ids, source)
        names = items.ranks.take(pa.array(rows))
        columns = (names[name].to_pylist() for name in ("repository", "path"))
        held = pa.table(
            {
                "key": keys,
                "where": pa.array(
                    [":".join(pair) for pair in zip(*columns, strict=True)], pa.string()
                ),
                "signature": pa.array(
                    [row.tobytes() for row in items.signatures[rows]], pa.large_binary()
                ),
                "ngrams": pa.array(
                    [sets[key].tobytes() if sets else b"" for key in ids.tolist()],
                    pa.large_binary(),
                ),
            }
        )
        self.exchange.write(_STAGE, batch, held, np.zeros(len(rows), np.int64), 1)

    def _sets(self, batch: int, ids: U64, source: ItemSource) -> dict[int, U64]:
        if not (self.rules.exact and source.has_texts):
            return {}
        return ngram_sets(source, batch, ids, self.rules.num_words)

    def near(
        self, batch: int, items: Items, rows: Indices, keys: U64, source: ItemSource
    ) -> Mapping[int, str]:
        """Return the training rows that are near a held-out file, and which."""
        held = self._held()
        if not held.where or not len(rows):
            return {}
        found: dict[int, str] = {}
        same = dict(zip(held.keys.tolist(), held.where, strict=True))
        for row in np.flatnonzero(np.isin(keys, held.keys)).tolist():
            found[int(rows[row])] = same[int(keys[row])]
        left, right = self._candidates(held.signatures, items.signatures[rows])
        shares = np.zeros(len(left))
        for at in range(0, len(left), _CHUNK):
            part = slice(at, at + _CHUNK)
            shares[part] = similarity(
                held.signatures[left[part]], items.signatures[rows[right[part]]]
            )
        near = shares >= self.rules.threshold
        if self.rules.exact and source.has_texts:
            unsure = np.abs(shares - self.rules.threshold) <= self.rules.margin
            sets = self._sets(batch, items.ids[rows[np.unique(right[unsure])]], source)
            for pair in np.flatnonzero(unsure).tolist():
                mine = sets[int(items.ids[rows[right[pair]]])]
                theirs = np.frombuffer(held.ngrams[left[pair]], np.uint64)
                near[pair] = jaccard(theirs, mine) >= self.rules.threshold
        for pair in np.flatnonzero(near).tolist():
            found.setdefault(int(rows[right[pair]]), held.where[left[pair]])
        return found

    def _held(self) -> _Held:
        table = self.exchange.read(_STAGE, 0)
        assert table is not None
        flat = np.frombuffer(b"".join(table["signature"].to_pylist()), np.uint32)
        return _Held(
            table["key"].to_numpy(),
            table["where"].to_pylist(),
            flat.reshape(-1, self.rules.num_hashes),
            table["ngrams"].to_pylist(),
        )

    def _candidates(self, held: Signatures, training: Signatures) -> tuple[Indices, Indices]:
        """Return the pairs (held-out, training) that share a short band, by training file."""
        bands = max(1, self.rules.num_hashes // _BAND_SLOTS)
        left, right = [], []
        both = zip(band_keys(held, bands), band_keys(training, bands), strict=True)
        for (theirs, owners), (mine, members) in both:
            order = np.argsort(theirs, kind="stable")
            sorted_keys = theirs[order]
            first = np.searchsorted(sorted_keys, mine, side="left")
            counts = np.searchsorted(sorted_keys, mine, side="right") - first
            starts = np.repeat(first - np.cumsum(counts) + counts, counts)
            left.append(owners[order[starts + np.arange(counts.sum())]])
            right.append(np.repeat(members, counts))
        a, b = np.concatenate(left), np.concatenate(right)
        kept = first_of_pairs(b.astype(np.uint64), a.astype(np.uint64))
        kept = kept[np.lexsort((a[kept], b[kept]))]
        return a[kept], b[kept]
