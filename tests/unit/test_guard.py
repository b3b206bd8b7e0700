"""No training file is a near copy of a held-out one, even where the shuffle missed the pair."""

import random

import numpy as np

from gristmill.corpus.config import HeldOut
from gristmill.corpus.dedup import Rules
from gristmill.corpus.exchange import HeldExchange
from gristmill.corpus.guard import Guard
from gristmill.corpus.split import Boundary, Eligible
from tests.made_items import Texts

RULES = Rules(threshold=0.7, num_hashes=125, bands=25, num_words=5, exact=True)


def words(seed: int, count: int = 300) -> list[str]:
    rng = random.Random(seed)
    return [f"w{rng.randrange(10**6)}" for _ in range(count)]


def changed(base: list[str], num: int) -> str:
    step = len(base) // max(num, 1)
    places = set(range(3, 3 + num * step, step)) if num else set()
    return " ".join(f"new{i}" if i in places else word for i, word in enumerate(base))


def guard_of(source: Texts, held: list[int], keys: list[int], rules: Rules = RULES) -> Guard:
    guard = Guard(HeldExchange(), Boundary(Eligible(HeldOut(), None), None), rules)
    guard.send(0, source.items(0), np.array(held, np.int64), np.array(keys, np.uint64), source)
    return guard


def near(source: Texts, held: list[int], keys: list[int], rules: Rules = RULES) -> dict[int, str]:
    training = np.array([row for row in range(len(source.all)) if row not in held])
    own = np.array([1000 + row for row in training], np.uint64)
    guard = guard_of(source, held, keys, rules)
    return dict(guard.near(0, source.items(0), training, own, source))


def test_near_copies_on_either_side_of_the_threshold_are_told_apart() -> None:
    base = words(1)
    # n changes of 296 5-grams touch 5 n: 8 give (296 - 40) / (296 + 40) = 0.76, 12 give 0.66
    source = Texts([changed(base, 0), changed(base, 8), changed(base, 12), " ".join(words(2))], 4)
    assert near(source, [0], [5]) == {1: "0000:0000"}


def test_every_pair_just_above_the_threshold_is_found() -> None:
    texts = []
    for seed in range(60):
        base = words(seed)
        texts += [changed(base, 0), changed(base, 10)]  # 0.71
    source = Texts(texts, len(texts))
    held = list(range(0, len(texts), 2))
    assert sorted(near(source, held, held)) == list(range(1, len(texts), 2))


def test_a_file_of_a_held_out_file_s_cluster_goes_without_asking() -> None:
    source = Texts([" ".join(words(1)), " ".join(words(2))], 2)
    assert near(source, [0], [1001]) == {1: "0000:0000"}


def test_nothing_held_out_drops_nothing() -> None:
    source = Texts([" ".join(words(1))] * 2, 2)
    assert near(source, [], []) == {}
