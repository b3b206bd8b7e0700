import pytest
import torch
from transformers.generation.logits_process import RepetitionPenaltyLogitsProcessor

from gristmill.inference.sampling import SamplingParams, sample
from gristmill.inference.steering import steer

LOGITS_RV = torch.tensor([[2.0, -1.0, 0.5, 0.0, 1.0]])
HISTORY = ([4, 1, 0, 0], 2)  # the prompt is 4 1, the answer so far 0 0


def steered(**asked: object) -> torch.Tensor:
    return steer(LOGITS_RV, [SamplingParams(**asked)], [HISTORY])[0]  # type: ignore[arg-type]


def test_nothing_asked_changes_nothing() -> None:
    assert steer(LOGITS_RV, [SamplingParams()], [HISTORY]) is LOGITS_RV


def test_repetition_is_transformers_rule_over_prompt_and_answer() -> None:
    theirs = RepetitionPenaltyLogitsProcessor(1.3)(torch.tensor([HISTORY[0]]), LOGITS_RV.clone())
    assert torch.equal(steered(repetition_penalty=1.3), theirs[0])


def test_frequency_and_presence_count_the_answer_alone() -> None:
    bent = steered(frequency_penalty=0.5, presence_penalty=0.25)
    assert bent.tolist() == pytest.approx([2.0 - 2 * 0.5 - 0.25, -1.0, 0.5, 0.0, 1.0])


def test_a_bias_is_added_and_decides() -> None:
    bent = steered(logit_bias=((3, 5.0), (99, 1.0)))
    assert bent.tolist() == [2.0, -1.0, 0.5, 5.0, 1.0]
    assert sample(bent[None], [SamplingParams()], [0]) == [3]


def test_min_p_leaves_only_what_is_probable_enough() -> None:
    rows = LOGITS_RV.expand(400, -1)
    asked = [SamplingParams(temperature=1.0, min_p=0.3)] * 400
    probabilities = torch.softmax(LOGITS_RV[0], -1)
    wanted = {i for i, p in enumerate(probabilities) if p >= 0.3 * probabilities.max()}
    assert set(sample(rows, asked, list(range(400)))) == wanted == {0, 4}
