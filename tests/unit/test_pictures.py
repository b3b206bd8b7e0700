"""Bars, histograms and import graphs of the report."""

import re

from gristmill.corpus import pictures


def test_bars_are_as_long_as_their_values() -> None:
    drawn = pictures.bars([("a<b", 4.0, "four"), ("c", 1.0, "one"), ("d", 0.0, "none")])
    assert re.findall(r"--w:([\d.]+)%", drawn) == ["100.0", "25.0", "0.3"]
    assert "a&lt;b" in drawn and pictures.bars([]) == ""


def test_columns_and_shares_add_up() -> None:
    assert re.findall(r"--h:([\d.]+)%", pictures.columns([("x", 2.0), ("y", 1.0)])) == [
        "100.0",
        "50.0",
    ]
    drawn = pictures.stacked([("MIT", 3.0), ("BSD", 1.0)])
    assert re.findall(r"width:([\d.]+)%", drawn) == ["75.00", "25.00"]


def test_arcs_lead_back_above_and_ahead_below() -> None:
    files = ["a", "b", "c"]
    drawn = pictures.import_graph(files, [("b", "a"), ("a", "c"), ("c", "c"), ("c", "gone")])
    assert drawn.count("<path") == 2 and drawn.count("<circle") == 3
    assert "var(--c0)" in drawn and "var(--c4)" in drawn
    assert "c: imported by 1" in drawn and "b: imported by 0" in drawn
