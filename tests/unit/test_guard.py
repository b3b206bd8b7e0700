"""The guard: what stands out is harm, what is usual is not, and too many in a row are counted."""

import math
import random

import pytest

from gristmill.training.config import Guard
from gristmill.training.guard import SpikeGuard


def test_what_is_no_number_is_harm_from_the_first_step() -> None:
    guard = SpikeGuard(Guard())
    assert guard.harm(math.nan) == "the loss is nan"
    assert guard.harm(math.inf) == "the loss is inf"
    assert guard.harm(1e9) is None  # nothing to compare with


def test_a_spike_is_told_from_noise() -> None:
    guard = SpikeGuard(Guard(sigmas=6, window=64))
    chance = random.Random(1)
    for _ in range(500):
        loss = 3.0 + 0.1 * chance.gauss(0, 1)
        assert guard.harm(loss) is None
        guard.take(loss)
    assert "past" in str(guard.harm(3.9))
    assert guard.harm(3.4) is None
    assert SpikeGuard(Guard(sigmas=0), guard.taken).harm(1e9) is None


def test_memory_is_the_window_and_comes_back() -> None:
    guard = SpikeGuard(Guard(window=8), [float(n) for n in range(100)])
    assert list(guard.taken) == [92, 93, 94, 95, 96, 97, 98, 99]
    assert guard.harm(150.0) == SpikeGuard(Guard(window=8), guard.taken).harm(150.0) is not None


@pytest.mark.parametrize("most", [1, 3])
def test_skips_in_a_row_are_counted_and_one_update_ends_the_row(most: int) -> None:
    guard = SpikeGuard(Guard(max_skips=most))
    assert [guard.skip() for _ in range(most)] == [False] * (most - 1) + [True]
    guard.take(1.0)
    assert guard.skip() is (most == 1)
