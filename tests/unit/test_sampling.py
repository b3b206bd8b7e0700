from collections import Counter
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.inference.sampling import SamplingParams, logprobs, sample, uniform

LOGITS_RV = torch.tensor([[0.0, 1.0, 2.0, 3.0], [3.0, 2.0, 1.0, 0.0]])


def _draws(params: SamplingParams, num: int, logits_V: torch.Tensor) -> Counter[int]:
    rows = logits_V.expand(num, -1)
    return Counter(sample(rows, [params] * num, list(range(num))))


def test_temperature_zero_is_greedy():
    assert sample(LOGITS_RV, [SamplingParams()] * 2, [0, 0]) == [3, 0]


def test_draws_follow_the_probabilities():
    num = 4000
    counts = _draws(SamplingParams(temperature=1.0, seed=5), num, LOGITS_RV[0])
    wanted = torch.softmax(LOGITS_RV[0], dim=-1).tolist()
    for token, probability in enumerate(wanted):
        assert counts[token] / num == pytest.approx(probability, abs=0.025)


def test_temperature_sharpens():
    warm = _draws(SamplingParams(temperature=2.0), 2000, LOGITS_RV[0])[3]
    cold = _draws(SamplingParams(temperature=0.5), 2000, LOGITS_RV[0])[3]
    assert warm < cold


def test_top_k_and_top_p_leave_only_the_most_probable():
    assert set(_draws(SamplingParams(temperature=5.0, top_k=2), 500, LOGITS_RV[0])) == {2, 3}
    # the probabilities are .03 .09 .24 .64: 0.8 needs two tokens, 0.5 one
    assert set(_draws(SamplingParams(temperature=1.0, top_p=0.8), 500, LOGITS_RV[0])) == {2, 3}
    assert set(_draws(SamplingParams(temperature=1.0, top_p=0.5), 500, LOGITS_RV[0])) == {3}


def test_top_p_needs_more_than_the_candidates_of_a_flat_vocabulary():
    flat_V = torch.zeros(5000)
    seen = _draws(SamplingParams(temperature=1.0, top_p=0.9), 3000, flat_V)
    assert 1500 < len(seen) < 4500  # far above the 1024 that are looked at first


@given(st.integers(0, 2**48), st.integers(0, 5), st.integers(0, 6))
@settings(max_examples=40, deadline=None)
def test_a_choice_depends_on_its_row_alone(seed, number, place):
    torch.manual_seed(seed % 1000)
    rows_RV = torch.randn(7, 50)
    params = SamplingParams(temperature=0.9, top_p=0.95, seed=seed)
    together = sample(rows_RV, [params] * 7, [number] * 7)
    alone = sample(rows_RV[place : place + 1], [params], [number])
    assert together[place] == alone[0]


def test_uniform_spreads_and_repeats():
    values = [uniform(3, number) for number in range(1000)]
    assert all(0 <= value < 1 for value in values)
    assert sum(values) / 1000 == pytest.approx(0.5, abs=0.03)
    assert values == [uniform(3, number) for number in range(1000)]
    assert values != [uniform(4, number) for number in range(1000)]


def test_logprobs_are_of_the_raw_logits():
    params = SamplingParams(temperature=3.0, logprobs=2)
    found = logprobs(LOGITS_RV, [1, 0], [params, replace(params, logprobs=None)])
    wanted = torch.log_softmax(LOGITS_RV[0], dim=-1)
    assert found[1] is None
    assert found[0] is not None
    assert found[0].logprob == pytest.approx(float(wanted[1]))
    assert [token for token, _ in found[0].top] == [3, 2]
