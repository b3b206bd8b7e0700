"""What a sweep says: its trials and curves, and the best point.

The best trial is the one with the lowest score at the end of its curve, among those that ran to the
end; the score is the mean of the bits per byte that the sweep measures: of left to right and of the
filled-in middle, usually, so that neither skill is bought with the other (the paper's own reason for a
FIM rate of 0.5, section 3.1.2). Bits per byte, not exact match, because a small model's exact match is
too coarse to choose by. The page is made here, the picture in `sweep_figure.py`, the arms with their
intervals in `sweep_arms.py`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from gristmill.evaluation.page import document, table

WORDS = {
    "fim_bits_per_byte": "FIM bits/byte",
    "infilling_exact_match": "exact match",
    "l2r_bits_per_byte": "l2r bits/byte",
    "cross_file_bits_per_byte": "cross-file bits/byte",
    "cross_file_gain_bits": "saved by the imported file, bits/byte",
}
"""What a measure is called in a table."""


@dataclass(frozen=True)
class Point:
    """One measure of one trial."""

    trial: int
    step: int
    tokens: int
    loss: float
    figures: Mapping[str, float]
    """By measure."""

    @property
    def score(self) -> float:
        """What trials are judged by; less is better."""
        return score_of(self.figures)


@dataclass(frozen=True)
class TrialRow:
    """How one trial went."""

    trial: int
    values: dict[str, Any]
    """The grid point: dotted recipe keys, the seed among them."""
    status: str
    """finished, stopped (by the scheduler) or failed."""
    reason: str
    """Why it ended, in words."""
    steps: int
    tokens: int
    score: float | None
    """At its last measure."""
    label: str = ""
    """What its point is called; empty when its values say it."""
    began_at: int = 0
    """The step of another trial's checkpoint that it parted from; 0 for none."""
    parameters: int = 0
    """Weights of its model."""
    curve: Mapping[str, str] = field(default_factory=dict)
    """Where its metrics and its TensorBoard folder lie in the artifact."""

    @property
    def name(self) -> str:
        """The point's name, the same for all its seeds."""
        return self.label or name_of(self.values, seeds=False)


def score_of(figures: Mapping[str, float]) -> float:
    """Return the mean of the figures that are bits per byte."""
    judged = [value for name, value in figures.items() if name.endswith("bits_per_byte")]
    return sum(judged) / len(judged)


def rule_of(measures: Sequence[str]) -> str:
    """Say in words what trials are judged by."""
    judged = [WORDS[name] for name in measures if name.endswith("bits_per_byte")]
    of = judged[0] if len(judged) == 1 else f"mean of {' and '.join(judged)}"
    return f"lowest {of} among the trials that ran to the end"


def best_of(trials: Sequence[TrialRow]) -> TrialRow | None:
    """Return the best trial by `rule_of`, a point's seeds judged together; None when none finished."""
    points: dict[str, list[TrialRow]] = {}
    for row in trials:
        if row.status == "finished" and row.score is not None:
            points.setdefault(row.name, []).append(row)
    if not points:
        return None
    most = max(len(rows) for rows in points.values())
    whole = [rows for rows in points.values() if len(rows) == most]
    best = min(whole, key=lambda rows: sum(row.score or 0.0 for row in rows) / len(rows))
    return min(best, key=lambda row: row.trial)


def name_of(values: Mapping[str, Any], *, seeds: bool) -> str:
    """Return a grid point in short words: `fim.rate 0.5, learning_rate 0.003`."""
    parts = [
        f"{_short(key)} {_number(value)}" for key, value in values.items() if key != "seed" or seeds
    ]
    return ", ".join(parts) or "the recipe itself"


def page(
    recipe: str,
    trials: Sequence[TrialRow],
    points: Sequence[Point],
    best: TrialRow | None,
    figure: bytes,
    num_files: int,
    measures: Sequence[str],
) -> str:
    """Return the report as one HTML page."""
    chosen = None if best is None else [row.trial for row in trials].index(best.trial)
    picture = base64.b64encode(figure).decode()
    words = (
        "No trial ran to its end, so no recipe is recommended."
        if best is None
        else f"Best: <b>{escape(best.name)}</b>, the {rule_of(measures)}. "
        "It stands in <code>best.yaml</code>: "
        "<code>gristmill run best.yaml</code> trains it in full."
    )
    body = (
        f"<p>{words}</p>"
        f'<figure><img alt="Curves of every trial" src="data:image/png;base64,{picture}"></figure>'
        f'<p class="soft">Measured on the same {num_files} held-out files for every trial. Bits per '
        "byte: less is better. Exact match: a whole line, greedy, by teacher forcing. Bands and bars "
        "are 95 % intervals over seeds (Student's t); the table by arm, with differences to the "
        "first, is in <code>arms.csv</code>.</p>"
        f"<h2>Trials</h2>{table(*_table(trials, points, measures), chosen)}"
    )
    return document(f"Sweep of {recipe}", body)


def _table(
    trials: Sequence[TrialRow], points: Sequence[Point], measures: Sequence[str]
) -> tuple[list[str], list[list[str]]]:
    """Return heads and rows, one a trial."""
    last = {point.trial: point for point in points}
    keys = list(dict.fromkeys(key for row in trials for key in row.values))
    labelled = any(row.label for row in trials)
    rows = []
    for row in trials:
        point = last.get(row.trial)
        measured = ["\u2013"] * (len(measures) + 1)
        if point is not None:
            measured = [_figure(name, point.figures[name]) for name in measures]
            measured.append(f"{point.score:.3f}")
        rows.append(
            [
                str(row.trial),
                *([escape(row.label)] if labelled else []),
                *(escape(_number(row.values.get(key, ""))) for key in keys),
                f"{row.tokens:,}",
                *measured,
                f"{escape(row.status)}<br><small>{escape(row.reason)}</small>",
            ]
        )
    heads = ["trial", *(["arm"] if labelled else []), *(escape(_short(key)) for key in keys)]
    heads += ["tokens", *(WORDS[name] for name in measures), "judged by", "how it ended"]
    return heads, rows


def _figure(measure: str, value: float) -> str:
    return f"{100 * value:.1f} %" if measure == "infilling_exact_match" else f"{value:.3f}"


def _short(key: str) -> str:
    return key.split(".", 1)[1] if "." in key else key


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
