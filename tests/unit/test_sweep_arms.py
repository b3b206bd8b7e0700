import csv
import io
import math

import pytest
from scipy import stats

from gristmill.training.sweep_arms import arms_of, as_csv, as_json, t_interval
from gristmill.training.sweep_report import Point, TrialRow

MEASURES = ("fim_bits_per_byte", "infilling_exact_match")


def trial(number: int, label: str, seed: int, status: str = "finished") -> TrialRow:
    values = {"tokens.fim.rate": 0.5, "seed": seed}
    return TrialRow(number, values, status, "ran its 2 steps", 2, 200, 2.0, label)


def point(number: int, step: int, bits: float, exact: float) -> Point:
    figures = {"fim_bits_per_byte": bits, "infilling_exact_match": exact}
    return Point(number, step, 100 * step, 3.0, figures)


def test_the_interval_is_students() -> None:
    values = [2.0, 2.5, 3.5, 3.1]
    found = t_interval(values)
    low, high = stats.t.interval(0.95, 3, loc=found.value, scale=stats.sem(values))
    assert (found.low, found.high, found.num) == pytest.approx((low, high, 4))
    alone = t_interval([2.0])
    assert alone.value == 2.0 and alone.low == -math.inf and alone.num == 1
    assert math.isnan(t_interval([]).value)


def test_the_interval_holds_the_mean_as_often_as_it_says() -> None:
    draws = stats.norm.rvs(loc=1.0, scale=0.3, size=(2000, 3), random_state=7)
    held = sum(found.low <= 1.0 <= found.high for found in map(t_interval, draws.tolist()))
    assert 0.935 < held / 2000 < 0.965


def test_arms_are_compared_seed_by_seed_at_their_common_end() -> None:
    trials = [
        trial(0, "0", 1), trial(1, "0.5", 1), trial(2, "0", 2), trial(3, "0.5", 2),
        trial(4, "0", 3), trial(5, "0.5", 3, "stopped"),
    ]  # fmt: skip
    points = [point(number, 1, 9.0, 0.0) for number in range(6)]
    ends = {0: 2.0, 1: 1.9, 2: 3.0, 3: 2.9, 4: 4.0}
    points += [point(number, 2, bits, 0.25) for number, bits in ends.items()]
    first, second = arms_of(trials, points, MEASURES)
    assert (first.label, first.seeds, first.values["fim_bits_per_byte"]) == (
        "0", (1, 2, 3), (2.0, 3.0, 4.0),
    )  # fmt: skip
    assert first.differences == {}
    assert second.seeds == (1, 2)
    difference = second.differences["fim_bits_per_byte"]
    assert (difference.value, difference.low, difference.high) == pytest.approx((-0.1, -0.1, -0.1))
    assert second.estimates["fim_bits_per_byte"].high > 5.0


def test_an_arm_without_a_finished_trial_is_left_out() -> None:
    assert arms_of([trial(0, "0", 1, "failed")], [], MEASURES) == []


def test_tables_hold_every_arm_and_measure() -> None:
    trials = [trial(0, "0", 1), trial(1, "0.5", 1)]
    arms = arms_of(trials, [point(0, 2, 2.0, 0.1), point(1, 2, 1.5, 0.2)], MEASURES)
    rows = list(csv.DictReader(io.StringIO(as_csv(arms))))
    assert [(row["arm"], row["measure"], row["mean"]) for row in rows] == [
        ("0", "fim_bits_per_byte", "2"), ("0", "infilling_exact_match", "0.1"),
        ("0.5", "fim_bits_per_byte", "1.5"), ("0.5", "infilling_exact_match", "0.2"),
    ]  # fmt: skip
    assert rows[2]["difference"] == "-0.5" and rows[2]["low"] == ""
    plain = as_json(arms)
    assert plain[1]["measures"]["fim_bits_per_byte"]["difference"] == {
        "mean": -0.5, "low": None, "high": None,
    }  # fmt: skip
