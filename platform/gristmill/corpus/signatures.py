"""MinHash signatures of files and of repositories, over the word n-grams of `shingles`.

A file's signature is rensa's R-MinHash (the only place that knows that package): the share of equal
slots estimates the Jaccard similarity of two files' n-gram sets. A repository's is one-permutation
MinHash, because it must be merged from pieces: the element-wise minimum of two is exactly the
signature of their union. Both depend on the n-grams alone, not on order, batch or machine.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from rensa import RMinHash

from gristmill.corpus.shingles import U64, mix, ngrams

Signatures = npt.NDArray[np.uint32]
EMPTY = np.uint32(0xFFFFFFFF)
_SEED = 42


def file_signatures(texts: Sequence[str], num_hashes: int, num_words: int) -> Signatures:
    """Return one row of `num_hashes` slots a text; a text too short for one n-gram is all EMPTY."""
    if not texts:
        return np.zeros((0, num_hashes), dtype=np.uint32)
    hashes, offsets = ngrams([text.encode() for text in texts], num_words)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(hashes, offsets, num_hashes, _SEED)
    rows = np.array(matrix.to_rows(), dtype=np.uint32).reshape(len(texts), num_hashes)
    rows[np.diff(offsets) == 0] = EMPTY
    return rows


def union_signature(texts: Sequence[str], num_hashes: int, num_words: int) -> Signatures:
    """Return the one-permutation signature of all texts together; merge two by `np.minimum`."""
    hashes, _ = ngrams([text.encode() for text in texts], num_words)
    return sketch(hashes, num_hashes)


def sketch(hashes: U64, num_hashes: int) -> Signatures:
    """Return the smallest value that falls into each of `num_hashes` slots; EMPTY where none does."""
    slots = np.full(num_hashes, EMPTY, dtype=np.uint32)
    mixed = mix(hashes + np.uint64(_SEED))
    where = ((mixed >> np.uint64(32)) % np.uint64(num_hashes)).astype(np.int64)
    np.minimum.at(slots, where, (mixed & np.uint64(0xFFFFFFFE)).astype(np.uint32))
    return slots


def similarity(left: Signatures, right: Signatures) -> npt.NDArray[np.float64]:
    """Return the estimated Jaccard similarity of rows; slots that both leave empty do not count."""
    both_empty = (left == EMPTY) & (right == EMPTY)
    equal = np.count_nonzero((left == right) & ~both_empty, axis=-1)
    counted = left.shape[-1] - np.count_nonzero(both_empty, axis=-1)
    return np.asarray(equal / np.maximum(counted, 1), dtype=np.float64)
