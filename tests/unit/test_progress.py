"""Progress lines are written sparingly and read back."""

import io

from gristmill.progress import LineProgress, parse


def test_a_line_comes_back_as_a_report() -> None:
    stream = io.StringIO()
    LineProgress("pretrain", stream).update(3, 10, "steps", loss=2.5)
    report = parse("(pid=1) " + stream.getvalue())
    assert report is not None
    assert (report.stage, report.done, report.total, report.unit) == ("pretrain", 3, 10, "steps")
    assert report.figures == {"loss": 2.5}


def test_lines_are_rare_but_the_last_is_always_written() -> None:
    stream = io.StringIO()
    progress = LineProgress("corpus", stream, interval_s=60)
    for done in range(11):
        progress.update(done, 10)
    reports = [parse(line) for line in stream.getvalue().splitlines()]
    assert [report.done for report in reports if report] == [0, 10]


def test_an_unknown_total_is_kept_unknown() -> None:
    stream = io.StringIO()
    LineProgress("corpus", stream).update(5)
    report = parse(stream.getvalue())
    assert report is not None and report.total is None


def test_other_lines_are_no_reports() -> None:
    assert parse("epoch 1") is None
    assert parse("@progress {broken") is None
    assert parse('@progress {"stage": "x"}') is None
    assert parse("@progress [1]") is None
