"""The picture of a sweep, like the paper's Figure 3: one panel a measure, one line an arm, over tokens.

An arm is a point of the sweep; its seeds are drawn as their mean. The colour says the setting of the
first key that varies (the FIM rate, usually), the dash that of the others together; arms with labels
of their own have a colour each. With several seeds a second row says how the arms stand at the end:
each seed a dot, the mean with its 95 % interval over seeds. The band around a line is that interval
too. Panels are as wide as the seeds lie, not as the intervals: of few seeds these may pass the edge,
and then have no end. A line that the scheduler stopped ends in a cross.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from gristmill.training.sweep_arms import Arm, t_interval
from gristmill.training.sweep_report import Point, TrialRow

_PANELS = {
    "fim_bits_per_byte": ("Fill in the middle", "bits per byte of the middle \u2193"),
    "infilling_exact_match": ("Single-line infilling", "exact match, % \u2191"),
    "l2r_bits_per_byte": ("Left to right", "bits per byte \u2193"),
    "cross_file_bits_per_byte": ("Names of an imported file", "bits per byte of the names \u2193"),
    "cross_file_gain_bits": ("What the imported file saves", "bits per byte of the names \u2191"),
}
_SHARES = ("infilling_exact_match",)
_COLOURS = ("#3b6fb6", "#d08a2e", "#2f8f83", "#b3403a", "#8457a8", "#6b7280", "#9a6b3f", "#c2568f")
_DASHES: tuple[Any, ...] = ("-", (0, (4, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
_MARKERS = ("o", "s", "^", "D")


def draw(
    trials: Sequence[TrialRow],
    points: Sequence[Point],
    measures: Sequence[str],
    arms: Sequence[Arm] = (),
) -> bytes:
    """Return the figure as PNG; `arms` of several seeds get the second row."""
    several = any(len(arm.seeds) > 1 for arm in arms)
    height = 4.1 + (0.9 + 0.34 * len(arms) if several else 0.0)
    figure = Figure(figsize=(3.9 * len(measures), height), dpi=150, layout="constrained")
    rows = 2 if several else 1
    ratios = [3.3, 0.6 + 0.34 * len(arms)] if several else [1.0]
    grid = figure.subplots(rows, len(measures), squeeze=False, height_ratios=ratios)
    styles = _styles(trials)
    for axes, measure in zip(grid[0], measures, strict=True):
        for name, style in styles.items():
            members = [row for row in trials if row.name == name]
            _line(axes, members, points, measure, style)
        _frame(axes, measure)
        _fit(axes.set_ylim, [point.figures[measure] for point in points], measure, 0.06)
    if several:
        for number, (axes, measure) in enumerate(zip(grid[1], measures, strict=True)):
            _ends(axes, arms, measure, styles, named=number == 0)
    handles = [Line2D([], [], label=name, **style, markersize=5) for name, style in styles.items()]
    if any(row.status == "stopped" for row in trials):
        handles.append(
            Line2D([], [], color="#444", marker="x", linestyle="", label="stopped by the scheduler")
        )
    columns = min(5, len(handles))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=9,
        handlelength=3.2,
    )  # fmt: skip
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": "gristmill"})
    return stream.getvalue()


def _frame(axes: Any, measure: str) -> None:
    """Give a panel of curves its words and axes."""
    title, label = _PANELS[measure]
    axes.set_title(title, fontsize=11, loc="left", fontweight="bold")
    axes.set_ylabel(label, fontsize=9)
    axes.set_xlabel("tokens seen", fontsize=9)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tokens(value)))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlim(left=0)
    _plain(axes)


def _fit(set_limits: Any, values: Sequence[float], measure: str, margin: float) -> None:
    """Set a panel's limits to where values lie, with a margin as a share of their range."""
    scale = 100.0 if measure in _SHARES else 1.0
    low, high = scale * min(values), scale * max(values)
    room = margin * (high - low) or 0.05 * abs(high) or 1.0
    set_limits(0.0 if measure in _SHARES else low - room, high + room)


def _plain(axes: Any) -> None:
    axes.tick_params(labelsize=8.5, colors="#444")
    axes.grid(color="#e6e9ee", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#aab2bd")


def _ends(
    axes: Any,
    arms: Sequence[Arm],
    measure: str,
    styles: Mapping[str, Mapping[str, Any]],
    *,
    named: bool,
) -> None:
    """Draw each arm's seeds, mean and interval at the end of training, the first arm on top."""
    scale = 100.0 if measure in _SHARES else 1.0
    for place, arm in enumerate(arms):
        colour = styles[arm.label]["color"]
        estimate = arm.estimates[measure]
        if math.isfinite(estimate.low):
            low, high = scale * estimate.low, scale * estimate.high
            axes.plot([low, high], [place, place], color=colour, linewidth=1.6)
            axes.plot([low, high], [place, place], "|", color=colour, markersize=7, mew=1.6)
        values = [scale * value for value in arm.values[measure]]
        axes.plot(values, [place] * len(values), "o", color=colour, alpha=0.45, markersize=4)
        mean = [scale * estimate.value]
        axes.plot(mean, [place], "D", color=colour, markersize=5.5)
    _fit(axes.set_xlim, [value for arm in arms for value in arm.values[measure]], measure, 0.4)
    axes.set_ylim(len(arms) - 0.5, -0.5)
    axes.set_yticks(range(len(arms)), [arm.label for arm in arms] if named else [""] * len(arms))
    axes.set_xlabel(f"at the end: {_PANELS[measure][1]}", fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    _plain(axes)


def _styles(trials: Sequence[TrialRow]) -> dict[str, dict[str, Any]]:
    """Return how each arm is drawn, by its name."""
    points = {row.name: row.values for row in trials}
    keys = list(dict.fromkeys(key for values in points.values() for key in values if key != "seed"))
    varied = [key for key in keys if len({str(values.get(key)) for values in points.values()}) > 1]
    first, others = varied[:1], varied[1:]
    own = any(row.label for row in trials)

    def place(name: str, chosen: Sequence[str]) -> str:
        return str([points[name].get(key) for key in chosen])

    colours = list(dict.fromkeys(name if own else place(name, first) for name in points))
    dashes = list(dict.fromkeys("" if own else place(name, others) for name in points))
    styles = {}
    for name in points:
        dash = dashes.index("" if own else place(name, others))
        colour = colours.index(name if own else place(name, first))
        styles[name] = {
            "color": _COLOURS[colour % len(_COLOURS)],
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
    scale = 100.0 if measure in _SHARES else 1.0
    curves = [
        [(point.step, point.tokens, scale * point.figures[measure]) for point in points
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
    found = [t_interval([value for _, value in by_step[step]]) for step in steps]
    y = [estimate.value for estimate in found]
    axes.plot(x, y, markersize=4.5, **style)
    sure = [at for at, estimate in enumerate(found) if math.isfinite(estimate.low)]
    if sure:
        low, high = [found[at].low for at in sure], [found[at].high for at in sure]
        axes.fill_between(
            [x[at] for at in sure], low, high, color=style["color"], alpha=0.12, linewidth=0
        )
    for row, curve in zip(members, curves, strict=True):
        if row.status == "stopped" and curve:
            _, tokens, value = curve[-1]
            axes.plot([tokens], [value], marker="x", markersize=10, color=style["color"], mew=2)


def _tokens(value: float) -> str:
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.0f}"
