"""The learning rate: the paper's stages in tokens, warm-up, and no shift with the batch."""

import math

import pytest

from gristmill.training.config import Schedule
from gristmill.training.schedule import learning_rate


def at(schedule: Schedule, step: int, steps: int = 100, per_step: int = 10) -> float:
    return learning_rate(schedule, 1.0, step * per_step, steps * per_step, per_step)


def test_three_stages_of_the_paper() -> None:
    schedule = Schedule(kind="three_stage", warmup_steps=4)
    assert [at(schedule, step) for step in range(5)] == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert at(schedule, 79) == 1.0
    assert at(schedule, 80) == at(schedule, 89) == pytest.approx(math.sqrt(0.1))
    assert at(schedule, 90) == at(schedule, 99) == pytest.approx(0.1)


def test_the_others_end_at_their_ratio() -> None:
    cosine = Schedule(kind="cosine", warmup_steps=0, final_ratio=0.2)
    assert at(cosine, 0) == 1.0
    assert at(cosine, 50) == pytest.approx(0.6)
    assert at(cosine, 100) == pytest.approx(0.2)
    wsd = Schedule(kind="wsd", warmup_steps=0, boundaries=(0.5, 0.9), final_ratio=0.0)
    assert at(wsd, 50) == 1.0
    assert at(wsd, 75) == pytest.approx(0.5)
    assert at(wsd, 100) == pytest.approx(0.0)
    assert at(Schedule(kind="constant", warmup_steps=0), 99) == 1.0


@pytest.mark.parametrize("kind", ["three_stage", "cosine", "wsd", "constant"])
def test_a_batch_of_twice_the_size_moves_no_stage(kind: str) -> None:
    schedule = Schedule(kind=kind, warmup_steps=0)  # type: ignore[arg-type]
    for share in (0.0, 0.3, 0.82, 0.96):
        small = at(schedule, round(share * 100), 100, 10)
        assert small == pytest.approx(at(schedule, round(share * 100) // 2, 50, 20), abs=0.02)
