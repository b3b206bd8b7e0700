import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gristmill.evaluation.estimates import (
    bootstrap_mean,
    bootstrap_ratio,
    edit_similarity,
    exact_match,
    mcnemar,
    paired_difference,
    pass_at_k,
    wilson,
)


@pytest.mark.parametrize(("successes", "num"), [(0, 20), (1, 7), (8, 20), (20, 20), (300, 1000)])
def test_wilson_agrees_with_scipy(successes: int, num: int) -> None:
    truth = stats.binomtest(successes, num).proportion_ci(0.95, method="wilson")
    found = wilson(successes, num)
    assert found.value == successes / num
    assert found.low == pytest.approx(truth.low, abs=1e-9)
    assert found.high == pytest.approx(truth.high, abs=1e-9)


def test_wilson_of_nothing_says_nothing() -> None:
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)


def test_bootstrap_covers_a_normal_mean_as_scipy_does() -> None:
    values = list(np.random.default_rng(3).normal(5, 2, 400))
    found = bootstrap_mean(values, seed=1)
    truth = stats.t.interval(0.95, 399, np.mean(values), stats.sem(values))
    assert found.value == pytest.approx(np.mean(values))
    assert (found.low, found.high) == pytest.approx(truth, abs=0.03)
    assert found == bootstrap_mean(values, seed=1)


def test_bootstrap_ratio_weighs_items_by_their_size() -> None:
    assert bootstrap_ratio([10, 1], [1, 9]).value == pytest.approx(1.1)
    assert math.isnan(bootstrap_ratio([], []).value)


@pytest.mark.parametrize(("n", "c", "k"), [(5, 2, 1), (5, 2, 3), (6, 0, 2), (6, 6, 2), (7, 3, 4)])
def test_pass_at_k_is_the_share_of_draws_with_a_correct_one(n: int, c: int, k: int) -> None:
    draws = list(itertools.combinations(range(n), k))
    truth = sum(any(i < c for i in draw) for draw in draws) / len(draws)
    assert pass_at_k(n, c, k) == pytest.approx(truth)


def test_pass_at_k_refuses_more_draws_than_samples() -> None:
    with pytest.raises(ValueError, match="pass@6"):
        pass_at_k(5, 2, 6)


def test_mcnemar_agrees_with_the_binomial_test() -> None:
    first = [True] * 12 + [False] * 3 + [True] * 5
    second = [False] * 12 + [True] * 3 + [True] * 5
    assert mcnemar(first, second) == pytest.approx(stats.binomtest(3, 15).pvalue)
    assert mcnemar(first, first) == 1.0


def test_a_paired_difference_is_sharper_than_two_intervals() -> None:
    base = list(np.random.default_rng(0).normal(3, 1, 50))
    found = paired_difference(base, [value - 0.1 for value in base])
    assert found.value == pytest.approx(-0.1)
    assert found.high < 0


def test_exact_match_ignores_white_space_around() -> None:
    assert exact_match("  return x\n", "return x")
    assert not exact_match("return  x", "return x")


def test_edit_similarity_is_rapidfuzz_ratio() -> None:
    # values printed by rapidfuzz.fuzz.ratio(a, b) / 100
    assert edit_similarity("this is a test", "this is a test!") == pytest.approx(0.9655172413793104)
    assert edit_similarity("kitten", "sitting") == pytest.approx(0.6153846153846154)
    assert edit_similarity("", "") == 1.0


@given(st.text("abc ", max_size=12), st.text("abc ", max_size=12))
def test_edit_similarity_is_the_longest_common_subsequence(a: str, b: str) -> None:
    left, right = a.strip(), b.strip()
    table = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i, x in enumerate(left):
        for j, y in enumerate(right):
            table[i + 1][j + 1] = (
                table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
            )
    total = len(left) + len(right)
    truth = 1.0 if total == 0 else 2 * table[-1][-1] / total
    assert edit_similarity(a, b) == pytest.approx(truth)
    assert edit_similarity(a, b) == edit_similarity(b, a)
