"""Exact and near duplicates: clusters of copies, and which one of each survives.

Candidates share a band of their signatures; each pair is verified on the whole signatures, so that
the threshold means what it says. Inside a bucket every member is compared with the bucket's first and
with its neighbour: linear in the bucket, however hot. Components are scipy's. The survivor depends on
the items alone (rank: permissive licence, larger, earlier by repository and path), never on order,
workers or union-find roots.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from gristmill.corpus.shingles import U64, mix
from gristmill.corpus.signatures import EMPTY, Signatures, similarity

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Clusters:
    """Each item's cluster and the item of that cluster that survives."""

    label: Indices
    survivor: Indices
    """By item: the index of its cluster's survivor (itself when it survives)."""

    @property
    def removed(self) -> npt.NDArray[np.bool_]:
        """Which items are copies of another that stays."""
        return np.asarray(self.survivor != np.arange(len(self.survivor)))


def cluster(
    contents: U64, signatures: Signatures, rank: Sequence[int], *, bands: int, threshold: float
) -> Clusters:
    """Cluster items whose contents are equal or whose signatures agree to the threshold.

    `rank` orders the items: the smallest of a cluster survives. Empty signatures are near nothing.
    """
    num_items = len(contents)
    if num_items == 0:
        return Clusters(np.zeros(0, np.int64), np.zeros(0, np.int64))
    left, right = _equal_contents(contents)
    for keys, members in _bands(signatures, bands):
        first, second = _pairs(keys, members)
        near = similarity(signatures[first], signatures[second]) >= threshold
        left = np.concatenate((left, first[near]))
        right = np.concatenate((right, second[near]))
    edges = coo_array((np.ones(len(left), dtype=bool), (left, right)), shape=(num_items, num_items))
    _, label = connected_components(edges, directed=False)
    ranks = np.asarray(rank, dtype=np.int64)
    best_first = np.lexsort((ranks, label))
    is_first = np.ones(num_items, dtype=bool)
    is_first[1:] = label[best_first][1:] != label[best_first][:-1]
    survivor_of_label = best_first[is_first]
    return Clusters(label.astype(np.int64), survivor_of_label[label].astype(np.int64))


def _equal_contents(contents: U64) -> tuple[Indices, Indices]:
    order = np.argsort(contents, kind="stable")
    same = contents[order][1:] == contents[order][:-1]
    return order[:-1][same].astype(np.int64), order[1:][same].astype(np.int64)


def _bands(signatures: Signatures, bands: int) -> list[tuple[U64, Indices]]:
    """Return for each band the key and the index of every item that has something in it."""
    if len(signatures) == 0:
        return []
    rows = signatures.shape[1] // bands
    found = []
    for band in range(bands):
        part = signatures[:, band * rows : (band + 1) * rows]
        members = np.flatnonzero((part != EMPTY).any(axis=1)).astype(np.int64)
        keys = np.full(len(members), band, dtype=np.uint64)
        for column in range(rows):
            keys = mix(keys * np.uint64(0x100000001B3) ^ part[members, column].astype(np.uint64))
        found.append((keys, members))
    return found


def _pairs(keys: U64, members: Indices) -> tuple[Indices, Indices]:
    """Return the pairs worth comparing: each member with its bucket's first and with its neighbour."""
    order = np.argsort(keys, kind="stable")
    keys, members = keys[order], members[order]
    same = keys[1:] == keys[:-1]
    is_first = np.concatenate(([True], ~same)) if len(keys) else np.zeros(0, dtype=bool)
    first_at = np.maximum.accumulate(np.where(is_first, np.arange(len(keys)), 0))
    others = np.flatnonzero(~is_first)
    left = np.concatenate((members[first_at[others]], members[others - 1]))
    right = np.concatenate((members[others], members[others]))
    return left, right
