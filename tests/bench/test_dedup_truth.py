"""Near copies against exact Jaccard similarity, on successive versions of real packages.

    .venv/bin/python -m pytest tests/bench/test_dedup_truth.py -m truth -s

Truth: for every pair of files that share a word 5-gram, the Jaccard similarity of their 5-gram sets
(`near_copies`, one row a choice of parameters). A pair is found when it shares a band and is decided
near; it is together when it ends in one cluster. Printed by distance from the threshold: a pair at the
threshold is the hardest, and the estimate alone spreads too far there for any usual number of slots
(0.0286 with 256), which is why pairs near it are decided by their 5-gram sets.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from gristmill.corpus.buckets import band_keys
from gristmill.corpus.config import Dedup
from gristmill.corpus.dedup import Rules
from gristmill.corpus.shingles import ngrams
from gristmill.corpus.signatures import EMPTY, file_signatures, similarity
from tests.bench.near_copies import texts
from tests.made_items import Texts, components

pytestmark = pytest.mark.truth

DEFAULT = Dedup()
THRESHOLD = DEFAULT.threshold
CHOICES = (
    Rules(THRESHOLD, 112, 14, 5, exact=False),
    Rules(THRESHOLD, 120, 20, 5, exact=True),
    Rules(THRESHOLD, DEFAULT.num_hashes, DEFAULT.bands, 5, exact=False),
    Rules(THRESHOLD, DEFAULT.num_hashes, DEFAULT.bands, 5, exact=True),
    Rules(THRESHOLD, 252, 42, 5, exact=False),
)
RANGES = {"0.65-0.75": (0.65, 0.75), "0.6-0.8": (0.6, 0.8), "0.4-1": (0.4, 1.01)}


@dataclass(frozen=True)
class Pairs:
    """Pairs of different files with their exact similarity."""

    left: np.ndarray
    right: np.ndarray
    jaccard: np.ndarray


@pytest.fixture(scope="module")
def files() -> list[str]:
    return sorted({text for text in texts() if len(text) < 60_000})


@pytest.fixture(scope="module")
def pairs(files: list[str]) -> Pairs:
    hashes, offsets = ngrams([text.encode() for text in files], 5)
    owner = np.repeat(np.arange(len(files)), np.diff(offsets))
    each, column = np.unique(hashes, return_inverse=True)
    once = np.unique(owner * len(each) + column)
    owner, column = once // len(each), once % len(each)
    shape = (len(files), len(each))
    matrix = csr_array((np.ones(len(owner), np.int32), (owner, column)), shape=shape)
    return Pairs(*(np.concatenate(part) for part in zip(*_similar(matrix), strict=True)))


def _similar(matrix: csr_array) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    sizes = np.asarray(matrix.sum(axis=1)).ravel()
    turned = matrix.T.tocsr()
    for start in range(0, matrix.shape[0], 200):
        common = (matrix[start : start + 200] @ turned).tocoo()
        left, right = common.row + start, common.col
        jaccard = common.data / (sizes[left] + sizes[right] - common.data)
        kept = (left < right) & (jaccard >= 0.4)
        yield left[kept], right[kept], jaccard[kept]


def found_pairs(files: list[str], pairs: Pairs, rules: Rules) -> tuple[np.ndarray, float]:
    """Say which pairs are found, and how many bands a file sends."""
    signatures = file_signatures(files, rules.num_hashes, rules.num_words)
    shares_band = np.zeros(len(pairs.left), dtype=bool)
    sent = 0
    for keys, members in band_keys(signatures, rules.bands):
        key = np.full(len(files), EMPTY, dtype=np.uint64)
        key[members] = keys
        sent += len(members)
        shares_band |= key[pairs.left] == key[pairs.right]
    estimate = similarity(signatures[pairs.left], signatures[pairs.right])
    near = estimate >= rules.threshold
    if rules.exact:
        unsure = np.abs(estimate - rules.threshold) <= rules.margin
        near[unsure] = pairs.jaccard[unsure] >= rules.threshold
    return shares_band & near, sent / len(files)


def together(files: list[str], pairs: Pairs, groups: set[frozenset[int]]) -> np.ndarray:
    label = np.arange(len(files))
    for group in groups:
        label[list(group)] = min(group)
    return label[pairs.left] == label[pairs.right]


def rates(wanted: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    both = np.count_nonzero(wanted & found)
    return both / max(np.count_nonzero(found), 1), both / max(np.count_nonzero(wanted), 1)


def test_precision_and_recall_against_exact_jaccard(files: list[str], pairs: Pairs) -> None:
    wanted = pairs.jaccard >= THRESHOLD
    print(f"\n{len(files)} files, {sum(map(len, files)) / 1e6:.0f} MB, {len(wanted)} pairs >= 0.4")
    counts = {
        name: (int((inside & wanted).sum()), int(inside.sum()))
        for name, (low, high) in RANGES.items()
        for inside in [(pairs.jaccard >= low) & (pairs.jaccard < high)]
    }
    print("pairs (at or above the threshold, all):", counts)
    print(
        f"{'slots x bands, decided by':32s} {'B/file':>6s}  precision and recall of pairs in range"
    )
    for rules in CHOICES:
        found, sent = found_pairs(files, pairs, rules)
        line = []
        for name, (low, high) in RANGES.items():
            inside = (pairs.jaccard >= low) & (pairs.jaccard < high)
            precision, recall = rates(wanted[inside], found[inside])
            line.append(f"{name}: {precision:.3f} {recall:.3f}")
            if rules == CHOICES[3]:
                assert precision >= 0.95 and recall >= 0.95, name
        by = "5-gram sets" if rules.exact else "estimate"
        name = f"{rules.num_hashes} x {rules.bands}, {by}"
        print(f"{name:32s} {16 * sent:6.0f}  {'   '.join(line)}")


def test_clusters_against_components_of_exact_jaccard(files: list[str], pairs: Pairs) -> None:
    near = pairs.jaccard >= THRESHOLD
    ends = (pairs.left[near], pairs.right[near])
    shape = (len(files), len(files))
    _, label = connected_components(coo_array((np.ones(near.sum()), ends), shape=shape))
    wanted = label[pairs.left] == label[pairs.right]
    groups = components(Texts(files, 1000), CHOICES[3], num_buckets=4)
    found = together(files, pairs, groups)
    precision, recall = rates(wanted, found)
    direct = found[near].mean()
    kept_wanted = len(set(label.tolist()))
    kept = len(files) - sum(len(group) - 1 for group in groups)
    print(f"\nclusters: precision {precision:.4f}, recall {recall:.4f} of pairs >= 0.4;")
    print(f"pairs at or above the threshold that are together: {direct:.4f}")
    print(f"files kept: {kept}, by exact components {kept_wanted}, of {len(files)}")
    assert precision >= 0.95 and recall >= 0.95 and direct >= 0.95
    assert abs(kept - kept_wanted) <= 0.02 * len(files)
