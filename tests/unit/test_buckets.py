"""Bands, and the pairs of a bucket."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gristmill.corpus.buckets import band_keys, candidates, repeats
from gristmill.corpus.signatures import EMPTY


def test_rows_that_agree_on_a_band_share_its_key_only() -> None:
    rows = np.arange(24, dtype=np.uint32).reshape(2, 12)
    rows[1, 4:8] = rows[0, 4:8]
    keys = [keys.tolist() for keys, _ in band_keys(rows, 3)]
    assert [a == b for a, b in keys] == [False, True, False]
    assert len({key for pair in keys for key in pair}) == 5


def test_an_empty_band_is_in_no_bucket_and_left_over_slots_are_in_no_band() -> None:
    rows = np.full((2, 7), EMPTY, dtype=np.uint32)
    rows[1, 6] = 1
    assert [len(members) for _, members in band_keys(rows, 3)] == [0, 0, 0]


@given(st.lists(st.integers(0, 6), max_size=60))
def test_a_bucket_is_connected_by_pairs_linear_in_its_size(keys: list[int]) -> None:
    ids = np.arange(len(keys), dtype=np.uint64) * 3
    left, right = candidates(np.array(keys, dtype=np.uint64), ids)
    pairs = set(zip(left.tolist(), right.tolist(), strict=True))
    assert len(pairs) == len(left) <= 2 * len(keys)
    assert all(keys[a // 3] == keys[b // 3] and a < b for a, b in pairs)
    for key in set(keys):
        members = [3 * row for row, value in enumerate(keys) if value == key]
        assert {(members[0], other) for other in members[1:]} <= pairs
        assert set(pairwise(members)) <= pairs


def test_repeats_name_the_first() -> None:
    ids, firsts = repeats(np.array([5, 6, 5, 5], np.uint64), np.array([1, 2, 3, 4], np.uint64))
    assert sorted(zip(ids.tolist(), firsts.tolist(), strict=True)) == [(3, 1), (4, 1)]
