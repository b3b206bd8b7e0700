"""The picture of a sweep, like the paper's Figure 3: one panel a measure, one line a trial, over tokens.

The colour says the setting of the first key that varies (the FIM rate, usually), the dash that of the
others together. Seeds of one point are drawn as their mean with a band from lowest to highest. A line
that the scheduler stopped ends in a cross.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from gristmill.training.sweep_report import Point, TrialRow, name_of

_PANELS = (
    ("fim_bits_per_byte", "Fill in the middle", "bits per byte of the middle \u2193"),
    ("l2r_bits_per_byte", "Left to right", "bits per byte \u2193"),
    ("infilling_exact_match", "Single-line infilling", "exact match, % \u2191"),
)
_COLOURS = ("#3b6fb6", "#d08a2e", "#2f8f83", "#b3403a", "#8457a8", "#6b7280", "#9a6b3f", "#c2568f")
_DASHES: tuple[Any, ...] = ("-", (0, (4, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
_MARKERS = ("o", "s", "^", "D")


def draw(trials: Sequence[TrialRow], points: Sequence[Point]) -> bytes:
    """Return the figure as PNG."""
    figure = Figure(figsize=(11.5, 4.1), dpi=150, layout="constrained")
    panels = figure.subplots(1, len(_PANELS))
    styles = _styles(trials)
    for axes, (measure, title, label) in zip(panels, _PANELS, strict=True):
        for name, style in styles.items():
            members = [row for row in trials if name_of(row.values, seeds=False) == name]
            _line(axes, members, points, measure, style)
        axes.set_title(title, fontsize=11, loc="left", fontweight="bold")
        axes.set_ylabel(label, fontsize=9)
        axes.set_xlabel("tokens seen", fontsize=9)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tokens(value)))
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlim(left=0)
        axes.tick_params(labelsize=8.5, colors="#444")
        axes.grid(color="#e6e9ee", linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color("#aab2bd")
        if measure == "infilling_exact_match":
            axes.set_ylim(bottom=0, top=max(1.0, axes.get_ylim()[1]))
    handles = [Line2D([], [], label=name, **style, markersize=5) for name, style in styles.items()]
    if any(row.status == "stopped" for row in trials):
        handles.append(
            Line2D([], [], color="#444", marker="x", linestyle="", label="stopped by the scheduler")
        )
    columns = min(4, len(handles))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=9,
        handlelength=3.2,
    )  # fmt: skip
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": "gristmill"})
    return stream.getvalue()


def _styles(trials: Sequence[TrialRow]) -> dict[str, dict[str, Any]]:
    """Return how each grid point is drawn, by its name."""
    points = {name_of(row.values, seeds=False): row.values for row in trials}
    keys = list(dict.fromkeys(key for values in points.values() for key in values if key != "seed"))
    varied = [key for key in keys if len({str(values.get(key)) for values in points.values()}) > 1]
    first, others = varied[:1], varied[1:]

    def place(values: Mapping[str, Any], chosen: Sequence[str]) -> str:
        return str([values.get(key) for key in chosen])

    colours = list(dict.fromkeys(place(values, first) for values in points.values()))
    dashes = list(dict.fromkeys(place(values, others) for values in points.values()))
    styles = {}
    for name, values in points.items():
        dash = dashes.index(place(values, others))
        styles[name] = {
            "color": _COLOURS[colours.index(place(values, first)) % len(_COLOURS)],
            "linestyle": _DASHES[dash % len(_DASHES)],
            "marker": _MARKERS[dash % len(_MARKERS)],
            "linewidth": 1.9,
        }
    return styles


def _line(
    axes: Any,
    members: Sequence[TrialRow],
    points: Sequence[Point],
    measure: str,
    style: Mapping[str, Any],
) -> None:
    scale = 100.0 if measure == "infilling_exact_match" else 1.0
    curves = [
        [(point.step, point.tokens, scale * getattr(point, measure)) for point in points
         if point.trial == row.trial]
        for row in members
    ]  # fmt: skip
    by_step: dict[int, list[tuple[int, float]]] = {}
    for curve in curves:
        for step, tokens, value in curve:
            by_step.setdefault(step, []).append((tokens, value))
    if not by_step:
        return
    steps = sorted(by_step)
    x = [sum(tokens for tokens, _ in by_step[step]) / len(by_step[step]) for step in steps]
    y = [sum(value for _, value in by_step[step]) / len(by_step[step]) for step in steps]
    axes.plot(x, y, markersize=4.5, **style)
    if len(members) > 1:
        low = [min(value for _, value in by_step[step]) for step in steps]
        high = [max(value for _, value in by_step[step]) for step in steps]
        axes.fill_between(x, low, high, color=style["color"], alpha=0.15, linewidth=0)
    for row, curve in zip(members, curves, strict=True):
        if row.status == "stopped" and curve:
            _, tokens, value = curve[-1]
            axes.plot([tokens], [value], marker="x", markersize=10, color=style["color"], mew=2)


def _tokens(value: float) -> str:
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.0f}"
