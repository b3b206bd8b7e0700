import struct

from gristmill.training.sweep_arms import arms_of
from gristmill.training.sweep_figure import draw
from gristmill.training.sweep_report import Point, TrialRow, best_of, name_of, page, rule_of

MEASURES = ("fim_bits_per_byte", "infilling_exact_match", "l2r_bits_per_byte")


def row(
    trial: int,
    rate: float,
    score: float | None,
    status: str = "finished",
    seed: int = 1,
    label: str = "",
) -> TrialRow:
    values = {"tokens.fim.rate": rate, "seed": seed}
    return TrialRow(trial, values, status, "ran its 10 steps", 10, 1000, score, label)


def point(trial: int, step: int, bits: float) -> Point:
    figures = (bits + 0.5, 0.01 * step, bits)
    return Point(trial, step, step * 100, 3.0, dict(zip(MEASURES, figures, strict=True)))


def test_the_best_trial_ran_to_the_end() -> None:
    rows = [
        row(0, 0.0, 3.0),
        row(1, 0.5, 2.5),
        row(2, 1.0, 2.0, "stopped"),
        row(3, 0.7, None, "failed"),
    ]
    assert best_of(rows) == rows[1]
    assert best_of(rows[2:]) is None


def test_seeds_of_one_point_are_judged_together() -> None:
    rows = [
        row(0, 0.0, 2.0, seed=1),
        row(1, 0.0, 4.0, seed=2),
        row(2, 0.5, 2.8, seed=1),
        row(3, 0.5, 2.9, seed=2),
    ]
    assert best_of(rows) == rows[2]


def test_a_point_is_named_in_short_words() -> None:
    values = {"tokens.fim.rate": 0.5, "pretrain.learning_rate": 3e-3, "seed": 7}
    assert name_of(values, seeds=False) == "fim.rate 0.5, learning_rate 0.003"
    assert name_of(values, seeds=True) == "fim.rate 0.5, learning_rate 0.003, seed 7"
    assert row(0, 0.5, 1.0, label="0.5 PSM").name == "0.5 PSM"


def test_the_score_is_the_mean_of_both_skills() -> None:
    assert point(0, 1, 2.0).score == 2.25
    assert rule_of(MEASURES).startswith("lowest mean of FIM bits/byte and l2r bits/byte among")
    assert rule_of(["l2r_bits_per_byte"]).startswith("lowest l2r bits/byte among")


def test_the_figure_is_a_png_of_three_panels() -> None:
    rows = [row(0, 0.0, 3.0), row(1, 0.5, 2.5), row(2, 1.0, 2.0, "stopped")]
    points = [point(trial, step, 3 - 0.1 * step) for trial in range(3) for step in (1, 2, 3)]
    data = draw(rows, points, MEASURES)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    assert width > 2 * height
    assert draw(rows, points, MEASURES) == data
    assert draw(rows, points[:-1], MEASURES) != data


def test_seeds_become_a_band_and_a_row_of_ends() -> None:
    rows = [row(0, 0.0, 3.0, seed=1), row(1, 0.0, 3.2, seed=2)]
    points = [point(trial, step, 3 + trial - 0.1 * step) for trial in range(2) for step in (1, 2)]
    alone = draw(rows[:1], points[:2], MEASURES)
    together = draw(rows, points, MEASURES)
    assert together != alone
    ends = draw(rows, points, MEASURES, arms_of(rows, points, MEASURES))
    assert struct.unpack(">I", ends[20:24]) > struct.unpack(">I", together[20:24])


def test_the_page_names_the_best_and_what_failed() -> None:
    rows = [row(0, 0.0, 3.0), row(1, 0.5, None, "failed")]
    points = [point(0, 1, 2.75)]
    text = page("laptop", rows, points, best_of(rows), b"png", 12, MEASURES)
    assert "Best: <b>fim.rate 0</b>" in text
    assert "failed" in text and "data:image/png;base64,cG5n" in text and "12 held-out files" in text
    assert "<script" not in text
    assert "No trial ran to its end" in page("laptop", rows[1:], [], None, b"png", 12, MEASURES)
