"""Bands of signatures, and which items of a bucket are worth comparing.

Two items whose signatures agree on one whole band share a bucket. Inside a bucket every item is paired
with the bucket's first and with its neighbour: linear in the bucket, however hot. With b bands of r
slots a pair of similarity s shares a bucket with probability 1 - (1 - s^r)^b.
"""

from collections.abc import Iterator

import numpy as np

from gristmill.corpus.grouping import Indices, first_of_pairs, groups
from gristmill.corpus.shingles import U64, mix
from gristmill.corpus.signatures import EMPTY, Signatures


def band_keys(signatures: Signatures, bands: int) -> Iterator[tuple[U64, Indices]]:
    """Yield for each band the keys and the rows of the items that have something in it.

    A band is `num_hashes // bands` slots; slots left over serve the comparison alone.
    """
    rows = signatures.shape[1] // bands
    for band in range(bands):
        part = signatures[:, band * rows : (band + 1) * rows]
        members = np.flatnonzero((part != EMPTY).any(axis=1))
        keys = np.full(len(members), band, dtype=np.uint64)
        for column in range(rows):
            keys = mix(keys * np.uint64(0x100000001B3) ^ part[members, column].astype(np.uint64))
        yield keys, members


def candidates(keys: U64, ids: U64) -> tuple[U64, U64]:
    """Return the pairs worth comparing, smaller id first, each pair once.

    `ids` of one key must be in ascending order, as batches in turn give them.
    """
    order, starts = groups(keys)
    first_at = np.repeat(starts, np.diff(starts, append=len(order)))
    others = np.flatnonzero(first_at != np.arange(len(order)))
    members = ids[order]
    left = np.concatenate((members[first_at[others]], members[others - 1]))
    right = np.concatenate((members[others], members[others]))
    kept = first_of_pairs(left, right)
    return left[kept], right[kept]


def repeats(keys: U64, ids: U64) -> tuple[U64, U64]:
    """Return every id whose key an earlier id has, and that key's first id."""
    order, starts = groups(keys)
    first_at = np.repeat(starts, np.diff(starts, append=len(order)))
    others = np.flatnonzero(first_at != np.arange(len(order)))
    members = ids[order]
    return members[others], members[first_at[others]]
