"""The shuffle that finds copies: which pairs it links, whatever the batches and buckets."""

import random
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.corpus.dedup import Rules, jaccard, ngram_sets
from gristmill.corpus.signatures import EMPTY, file_signatures, sketch, union_signature
from tests.made_items import Texts
from tests.made_items import components as made_components

EXACT = Rules(threshold=0.7, num_hashes=125, bands=25, num_words=5, exact=True)


def components(source: Texts, num_buckets: int = 1) -> set[frozenset[int]]:
    return made_components(source, EXACT, num_buckets)


def words(seed: int, count: int = 400) -> list[str]:
    rng = random.Random(seed)
    return [f"w{rng.randrange(10**6)}" for _ in range(count)]


def with_changes(base: list[str], num: int) -> str:
    step = len(base) // max(num, 1)
    places = set(range(3, 3 + num * step, step)) if num else set()
    return " ".join(f"new{i}" if i in places else word for i, word in enumerate(base))


def test_exact_and_near_copies_hang_together_and_strangers_do_not() -> None:
    base = words(1)
    texts = [" ".join(base), with_changes(base, 2), " ".join(words(2)), " ".join(base)]
    assert components(Texts(texts, 4)) == {frozenset({0, 1, 3})}


def test_texts_too_short_for_an_ngram_are_near_nothing() -> None:
    assert components(Texts(["a b", "a c", "a b"], 2)) == {frozenset({0, 2})}


def families(seed: int) -> list[str]:
    """Some texts with near copies on both sides of the threshold, and exact ones."""
    rng = random.Random(seed)
    texts = []
    for family in range(4):
        base = words(100 * seed + family, 200)
        texts += [with_changes(base, rng.choice([0, 0, 2, 5, 7, 9, 14])) for _ in range(4)]
    rng.shuffle(texts)
    return texts


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 16), st.integers(1, 6))
def test_batches_and_buckets_do_not_matter(seed: int, size: int, num_buckets: int) -> None:
    texts = families(seed)
    assert components(Texts(texts, size), num_buckets) == components(Texts(texts, len(texts)))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000))
def test_links_are_those_of_exact_jaccard(seed: int) -> None:
    texts = families(seed)
    source = Texts(texts, len(texts))
    sets = ngram_sets(source, 0, source.ids(0, len(texts)), 5)
    linked = {
        (a, b)
        for (a, left), (b, right) in combinations(sets.items(), 2)
        if jaccard(left, right) >= 0.7
    }
    parent = {i: i for i in range(len(texts))}
    for _ in parent:
        for a, b in linked:
            parent[a] = parent[b] = min(parent[a], parent[b])
    wanted = {frozenset(i for i in parent if parent[i] == root) for root in set(parent.values())}
    assert components(source) == {group for group in wanted if len(group) > 1}


def test_only_pairs_near_the_threshold_are_decided_by_their_texts() -> None:
    base = words(5, 600)
    texts = [" ".join(base), with_changes(base, 1), " ".join(words(6))]
    source = Texts(texts, 1)
    assert components(source) == {frozenset({0, 1})}
    assert source.asked == []
    texts = [with_changes(base, 0), with_changes(base, 21)]  # 21 changes of 600: about 0.7
    source = Texts(texts, 1)
    components(source)
    assert set(source.asked) == {0, 1}


def test_without_texts_the_estimate_decides() -> None:
    base = words(7)
    source = Texts([" ".join(base), with_changes(base, 2)], 1, has_texts=False)
    assert components(source) == {frozenset({0, 1})}


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
    assert (file_signatures([""], 125, 5) == EMPTY).all()
