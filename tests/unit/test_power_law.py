import numpy as np
import pytest

from gristmill.errors import TrainingError
from gristmill.training.power_law import PowerLaw, fit

SIZES = [1e5, 2e5, 4e5, 1e6, 2e6, 5e6]
PLANTED = PowerLaw(0.8, 40.0, 0.3)


def test_a_planted_law_is_found() -> None:
    found = fit(SIZES, [PLANTED.at(size) for size in SIZES])
    assert found.law.exponent == pytest.approx(0.3, rel=1e-3)
    assert found.law.floor == pytest.approx(0.8, rel=1e-3)
    assert found.law.at(1e8) == pytest.approx(PLANTED.at(1e8), rel=1e-3)
    assert found.error < 1e-4


def test_planted_exponents_lie_in_the_interval_under_noise() -> None:
    held = 0
    for seed in range(5):
        noise = np.exp(np.random.default_rng(seed).normal(0.0, 0.005, len(SIZES)))
        measured = [PLANTED.at(size) * float(n) for size, n in zip(SIZES, noise, strict=True)]
        found = fit(SIZES, measured, seed=seed)
        held += found.exponent.low <= 0.3 <= found.exponent.high
        assert 0.0 < found.error < 0.1
    assert held >= 4


def test_without_a_floor_it_is_a_line_in_logarithms() -> None:
    found = fit(SIZES, [3e-3 * (size / 1e6) ** -0.5 for size in SIZES], floor=False)
    assert found.law.floor == 0.0 and found.law.exponent == pytest.approx(0.5)
    assert found.floor.low == found.floor.high == 0.0


def test_a_point_beside_the_law_shows_in_the_error() -> None:
    measured = [PLANTED.at(size) for size in SIZES]
    measured[2] *= 1.2
    found = fit(SIZES, measured)
    assert abs(found.left_out[2]) > 0.1
    assert found.as_json()["leave_one_out_error"] == found.error


def test_too_few_or_impossible_points_are_refused() -> None:
    with pytest.raises(TrainingError, match="needs 4 sizes, found 3"):
        fit(SIZES[:3], [1.0, 0.9, 0.8])
    with pytest.raises(TrainingError, match="positive"):
        fit(SIZES[:4], [1.0, 0.9, 0.0, 0.5])
