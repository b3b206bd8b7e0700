"""What a person sees: numbers, rows, plain lines."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from gristmill.progress import Report
from jobs.console import Row, Screen, duration, short
from jobs.events import StageEvent, parse


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (185, "3 min 05 s"), (7800, "2 h 10 min"), (356400, "4 d 3 h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7, "7"),
        (0.0321, "0.0321"),
        (12.52, "12.5"),
        (1234.4, "1,234"),
        (3.41e6, "3.41 M"),
        (2.1e12, "2.1 T"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert short(value) == text


def test_rate_and_time_left_are_averages_by_the_jobs_clock() -> None:
    row = Row("pretrain", 1, 1, state="running", began_s=0.0)
    for second in range(0, 101, 10):  # all read at once: a log comes in bursts
        row.progressed(Report("pretrain", second * 0.64, 100, "steps", second, {"loss": 2.5}))
    assert row.rate == pytest.approx(0.64)
    assert row.left_s == pytest.approx(36 / 0.64)
    assert row.cells(100.0) == [
        "1/1 pretrain", "running 1 min 40 s", "64/100 steps", "0.64/s", "56 s", "loss 2.5",
    ]  # fmt: skip


def test_a_leap_at_the_end_is_no_speed_and_bytes_have_their_unit() -> None:
    row = Row("corpus", 1, 1, state="running", began_s=0.0)
    for second, done in ((1, 1e6), (31, 6.57e6), (31.001, 9.55e6)):
        row.progressed(Report("corpus", done, 9.55e6, "bytes", second, {}))
    assert row.cells(31.0)[2:4] == ["9.55 MB/9.55 MB", "284,991 B/s"]


def test_another_attempt_starts_a_new_rate() -> None:
    row = Row("corpus", 1, 1, state="running")
    row.progressed(Report("corpus", 10, 100, "files", 50, {}))
    row.progressed(Report("corpus", 20, 100, "files", 5, {}))
    assert row.rate is None


def test_a_new_phase_starts_a_new_rate() -> None:
    row = Row("corpus", 1, 1, state="running")
    row.progressed(Report("corpus", 50, 100, "MB", 0, {}))
    row.progressed(Report("corpus", 90, 100, "MB", 1, {}))
    row.progressed(Report("corpus", 1, 30, "files", 2, {}))
    assert row.rate is None and row.left_s is None


def _event(change: str, **more: object) -> str:
    return StageEvent("corpus", change, 1, 2, **more).line()  # type: ignore[arg-type]


def _progress(done: float) -> str:
    values = {"stage": "corpus", "done": done, "total": 10, "unit": "files", "elapsed_s": 1.0}
    return "@progress " + json.dumps(values)


def test_without_a_terminal_every_change_is_a_line() -> None:
    out = io.StringIO()
    with Screen(Console(file=out, width=100)) as screen:
        for line in (
            _event("planned"),
            _event("submitted", job="corpus-1-1"),
            "an ordinary line",
            _progress(1),
            _progress(2),
            _progress(10),
            _event("done", label="small-corpus@abc", elapsed_s=61.0),
            "error: it broke",
        ):
            screen.line(line)
    lines = out.getvalue().splitlines()
    assert lines[0] == "1/2 corpus: running"
    assert [line.split("  ")[1] for line in lines[1:-1]] == ["1/10 files", "10/10 files"]
    assert lines[-1] == "1/2 corpus: done  in 1 min 01 s  small-corpus@abc"
    assert screen.failures == ["it broke"]


def test_on_a_terminal_every_step_is_a_row() -> None:
    out = io.StringIO()
    with Screen(Console(file=out, width=120, force_terminal=True)) as screen:
        for line in (_event("planned"), _event("submitted"), _progress(4)):
            screen.line(line)
    assert "1/2 corpus" in out.getvalue() and "4/10 files" in out.getvalue()


@given(note=st.text(max_size=20), number=st.integers(1, 99))
def test_events_come_back(note: str, number: int) -> None:
    event = StageEvent("tokens:extend", "failed", number, 99, note=note)
    assert parse("(driver) " + event.line()) == event


def test_other_lines_are_no_events() -> None:
    assert parse("@progress {}") is None
    assert parse("@stage {") is None
    assert parse('@stage {"unknown": 1}') is None
