"""Clusters of copies, and which one survives."""

import random

import numpy as np
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.corpus.dedup import Clusters, cluster
from gristmill.corpus.shingles import ngrams
from gristmill.corpus.signatures import EMPTY, file_signatures, sketch, union_signature


def clusters_of(texts: list[str], rank: list[int] | None = None) -> Clusters:
    contents = np.array([xxhash.xxh3_64_intdigest(text.encode()) for text in texts], np.uint64)
    rank = list(range(len(texts))) if rank is None else rank
    return cluster(contents, file_signatures(texts, 112, 5), rank, bands=14, threshold=0.7)


def words(seed: int, count: int = 400) -> list[str]:
    rng = random.Random(seed)
    return [f"w{rng.randrange(10**6)}" for _ in range(count)]


def test_exact_and_near_copies_cluster_and_strangers_do_not() -> None:
    base = words(1)
    near = [*base[:200], "changed", *base[201:]]
    texts = [" ".join(base), " ".join(near), " ".join(words(2)), " ".join(base)]
    found = clusters_of(texts)
    assert found.label[0] == found.label[1] == found.label[3] != found.label[2]
    assert found.removed.tolist() == [False, True, False, True]


def test_the_survivor_follows_the_rank_not_the_order() -> None:
    text = " ".join(words(3))
    assert clusters_of([text, text, text], [5, 0, 9]).survivor.tolist() == [1, 1, 1]


def test_texts_too_short_for_a_shingle_are_near_nothing() -> None:
    found = clusters_of(["a b", "a c", "a b"])
    assert found.removed.tolist() == [False, False, True]


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(8)))
def test_clusters_do_not_depend_on_the_order_of_items(order: list[int]) -> None:
    texts = [" ".join([*words(i % 4), f"tail{i}"]) for i in range(8)]
    plain = clusters_of(texts)
    moved = clusters_of([texts[i] for i in order], [int(i) for i in order])
    survivors = {texts[i] for i in np.flatnonzero(~plain.removed)}
    assert {texts[order[i]] for i in np.flatnonzero(~moved.removed)} == survivors


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_the_estimate_follows_the_true_jaccard(share: float) -> None:
    rng = random.Random(7)
    left = rng.sample(range(10**9), 2000)
    both = left[: int(2000 * share)]
    right = both + rng.sample(range(10**9, 2 * 10**9), 2000 - len(both))
    true = len(both) / (4000 - len(both))
    a, b = (sketch(np.array(values, np.uint64), 512) for values in (left, right))
    assert np.mean(a == b) == pytest.approx(true, abs=0.09)


def test_a_union_s_sketch_is_the_minimum_of_its_parts() -> None:
    texts = [" ".join(words(i)) for i in range(3)]
    parts = [union_signature([text], 112, 5) for text in texts]
    assert np.minimum.reduce(parts).tolist() == union_signature(texts, 112, 5).tolist()


def test_an_empty_text_s_signature_is_empty() -> None:
    assert (file_signatures([""], 112, 5) == EMPTY).all()
    assert ngrams([b""], 5)[0].size == 0


def test_nothing_has_no_clusters() -> None:
    assert clusters_of([]).removed.tolist() == []
