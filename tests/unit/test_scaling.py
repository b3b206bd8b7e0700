import pytest

from gristmill.training.power_law import PowerLaw
from gristmill.training.scaling import scaling_of
from gristmill.training.sweep_arms import arms_of
from gristmill.training.sweep_report import Point, TrialRow

SIZES = (100_000, 200_000, 400_000, 800_000)
LAW = PowerLaw(0.8, 40.0, 0.3)
MEASURES = ("l2r_bits_per_byte", "infilling_exact_match")


def made(sizes: tuple[int, ...]) -> tuple[list[TrialRow], list[Point]]:
    """Return two learning rates a size: the better one, which falls with the size, and twice that."""
    rows: list[TrialRow] = []
    points: list[Point] = []
    for size in sizes:
        for times in (1.0, 2.0):
            rate = times * 3e-3 * (size / 1e5) ** -0.5
            number = len(rows)
            values = {"model.size": f"s{size}", "pretrain.learning_rate": rate, "seed": 1}
            row = TrialRow(number, values, "finished", "", 10, 1000, 1.0, parameters=size)
            figures = {"l2r_bits_per_byte": times * LAW.at(size), "infilling_exact_match": 0.1}
            rows.append(row)
            points.append(Point(number, 10, 1000, 2.0, figures))
    return rows, points


def test_sizes_give_a_law_of_the_best_arms_and_of_their_rate() -> None:
    rows, points = made(SIZES)
    found = scaling_of(rows, arms_of(rows, points, MEASURES), MEASURES)
    assert list(found) == ["l2r_bits_per_byte"]
    told = found["l2r_bits_per_byte"]
    assert told["parameters"] == list(SIZES)
    assert told["values"] == pytest.approx([LAW.at(size) for size in SIZES])
    assert told["law"]["exponent"] == pytest.approx(0.3, rel=1e-3)
    assert told["learning_rate_law"]["exponent"] == pytest.approx(0.5, rel=1e-3)


def test_too_few_sizes_give_no_law() -> None:
    rows, points = made(SIZES[:2])
    assert scaling_of(rows, arms_of(rows, points, MEASURES), MEASURES) == {}
    rows, points = made(SIZES[:3])
    told = scaling_of(rows, arms_of(rows, points, MEASURES), MEASURES)["l2r_bits_per_byte"]
    assert "law" not in told and "learning_rate_law" in told
