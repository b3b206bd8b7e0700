import json
import math
from dataclasses import replace

import pytest
import torch

from gristmill.evaluation.benchmark import find
from gristmill.evaluation.continuations import log_likelihoods
from gristmill.evaluation.engine_source import EngineSource
from gristmill.evaluation.examiner import Examiner
from gristmill.model.config import ModelSection
from gristmill.tokens.bpe import train

TEXT = "Which planet is nearest to the Sun? The nearest planet is Mercury, then comes Venus.\n"


@pytest.fixture(scope="module")
def source() -> EngineSource:
    tokenizer = train([TEXT] * 3, 300)
    return Examiner.untrained("m", tokenizer, ModelSection(size="tiny"), 1, 256, None).source


def _by_hand(source: EngineSource, given: str, text: str) -> float:
    """Add up what one plain forward pass says of each token."""
    before = [*source.begins, *source.tokenizer.encode(given)]
    whole = [*source.begins, *source.tokenizer.encode(given + text)]
    assert whole[: len(before)] == before, "this text joins no token across the seam"
    end = source.engine.model
    from gristmill.model.attention import PackedAttention, positions_of

    with torch.inference_mode():
        hidden = end(
            torch.tensor(whole), positions_of([0, len(whole)]),
            PackedAttention([0, len(whole)], torch.device("cpu")),
        )  # fmt: skip
        logs = end.logits(hidden)[:, : source.tokenizer.num_tokens].float().log_softmax(-1)
    return sum(float(logs[at - 1, whole[at]]) for at in range(len(before), len(whole)))


def test_a_likelihood_is_the_sum_over_its_tokens(source: EngineSource) -> None:
    pairs = [("Which planet?", " Mercury"), ("Which planet?", " Venus, then")]
    found = log_likelihoods(
        source.engine.model, source.tokenizer, pairs, source.begins, source.window
    )
    for (given, text), value in zip(pairs, found, strict=True):
        assert math.isclose(value, _by_hand(source, given, text), abs_tol=1e-3)


def test_what_is_too_long_loses_its_start(source: EngineSource) -> None:
    long = [(TEXT * 50, " Mercury")]
    (value,) = log_likelihoods(source.engine.model, source.tokenizer, long, source.begins, 64)
    assert -200 < value < 0


def test_our_engine_answers_questions_with_choices(source: EngineSource) -> None:
    known = find("arc@small")
    tasks = list(known.load(None))
    written = replace(tasks[0], prompt=replace(tasks[0].prompt, choices=(), max_new_tokens=2))
    wanted = [(at, 0) for at in range(5)]
    answers = {at: raw for at, _, raw in source.answers([*tasks, written], wanted, 0)}
    assert len(answers) == 5
    for at, task in enumerate(tasks):
        assert len(json.loads(answers[at])) == len(task.prompt.choices)
        assert known.judge(task, answers[at], None).kind in ("", "wrong")
