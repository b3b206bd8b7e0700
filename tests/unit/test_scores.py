import json

import pytest

from gristmill.evaluation.evaluate_report import page
from gristmill.evaluation.scores import Outcome, compare, not_run, score_rows


def lines(model: str, passed: list[bool]) -> list[Outcome]:
    return [
        Outcome(model, "infilling", f"r/a.py:{at}", prompt="before\n\u2588\nafter <b>", passed=ok,
                prediction="x <y>", target="return <z>", similarity=1.0 if ok else 0.5)
        for at, ok in enumerate(passed)
    ]  # fmt: skip


def bits(model: str, rates: list[float]) -> list[Outcome]:
    return [
        Outcome(model, "loss", f"r/{at}.py", bits=rate * 100, num_bytes=100)
        for at, rate in enumerate(rates)
    ]


def test_shares_and_similarities() -> None:
    exact, similar = score_rows(lines("m", [True, True, False, False]), seed=1)
    assert (exact.metric, exact.value, exact.num) == ("exact_match", 0.5, 4)
    assert exact.low == pytest.approx(0.15, abs=0.001)  # Wilson for 2 of 4
    assert (similar.metric, similar.value) == ("edit_similarity", 0.75)


def test_bits_per_byte_is_over_bytes() -> None:
    (found,) = score_rows(bits("m", [2.0, 3.0, 4.0]), seed=1)
    assert found.value == pytest.approx(3.0)
    assert found.low is not None and 2.0 <= found.low <= 3.0


def test_no_outcomes_are_no_score() -> None:
    assert score_rows([], seed=1) == []


def test_what_was_not_run_says_why() -> None:
    row = not_run("m", "humaneval", "pass@1", "no sandbox holds")
    assert row.value is None and row.reason == "no sandbox holds"
    assert json.loads(json.dumps(row.row()))["num"] == 0


def test_models_are_compared_on_the_items_they_share() -> None:
    found = compare(lines("a", [False] * 8), lines("b", [True] * 8 + [False]), seed=1)
    assert found is not None
    assert (found.first, found.second, found.difference) == ("a", "b", 1.0)
    assert found.p_value == pytest.approx(2 / 2**8)
    better = compare(bits("a", [3.0, 4.0]), bits("b", [2.5, 3.5]), seed=1)
    assert (
        better is not None and better.difference == pytest.approx(-0.5) and better.p_value is None
    )
    assert compare(lines("a", [True]), [], seed=1) is None


def test_the_report_shows_scores_reasons_and_answers_as_text() -> None:
    first, second = lines("initial", [False, False]), lines("extend", [True, False])
    rows = [*score_rows(first, seed=1), *score_rows(second, seed=1)]
    rows.append(not_run("extend", "humaneval", "pass@1", "no sandbox holds <here>"))
    pair = compare(first, second, seed=1)
    assert pair is not None
    text = page("laptop", rows, [pair], [*first, *second])
    assert "50.0 %" in text and "no sandbox holds &lt;here&gt;" in text
    assert "x &lt;y&gt;" in text and "<mark>return &lt;z&gt;</mark>" in text
    assert "<script" not in text and "http" not in text
