"""What a sweep says: its trials and curves, the best point, and the figure like the paper's Figure 3.

The best trial is the one with the lowest score at the end of its curve, among those that ran to the
end; the score is the mean of left-to-right and FIM-middle bits per byte, so that neither skill is
bought with the other (the paper's own reason for a FIM rate of 0.5, section 3.1.2). Bits per byte, not
exact match, because a small model's exact match is too coarse to choose by. The page is made here, the
picture in `sweep_figure.py`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from gristmill.evaluation.page import document, table

MEASURES = ("fim_bits_per_byte", "l2r_bits_per_byte", "infilling_exact_match")
RULE = (
    "lowest mean of left-to-right and FIM-middle bits per byte among the trials that ran to the end"
)


@dataclass(frozen=True)
class Point:
    """One measure of one trial."""

    trial: int
    step: int
    tokens: int
    loss: float
    fim_bits_per_byte: float
    l2r_bits_per_byte: float
    infilling_exact_match: float

    @property
    def score(self) -> float:
        """What trials are judged by; less is better."""
        return score_of(asdict(self))


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


def score_of(figures: Mapping[str, float]) -> float:
    """Return the mean of the two bits per byte."""
    return (figures["l2r_bits_per_byte"] + figures["fim_bits_per_byte"]) / 2


def best_of(trials: Sequence[TrialRow]) -> TrialRow | None:
    """Return the best trial by `RULE`, seeds of one point judged together; None when none finished."""
    points: dict[str, list[TrialRow]] = {}
    for row in trials:
        if row.status == "finished" and row.score is not None:
            points.setdefault(name_of(row.values, seeds=False), []).append(row)
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
) -> str:
    """Return the report as one HTML page."""
    last = {point.trial: point for point in points}
    keys = list(dict.fromkeys(key for row in trials for key in row.values))
    rows, chosen = [], None
    for number, row in enumerate(trials):
        chosen = number if best is not None and row.trial == best.trial else chosen
        point = last.get(row.trial)
        measured = (
            ["\u2013"] * 4
            if point is None
            else [
                f"{point.fim_bits_per_byte:.3f}",
                f"{point.l2r_bits_per_byte:.3f}",
                f"{point.score:.3f}",
                f"{100 * point.infilling_exact_match:.1f} %",
            ]
        )
        rows.append(
            [
                str(row.trial),
                *(escape(_number(row.values.get(key, ""))) for key in keys),
                f"{row.tokens:,}",
                *measured,
                f"{escape(row.status)}<br><small>{escape(row.reason)}</small>",
            ]
        )
    heads = ["trial", *(escape(_short(key)) for key in keys), "tokens"]
    heads += ["FIM bits/byte", "l2r bits/byte", "mean", "exact match", "how it ended"]
    picture = base64.b64encode(figure).decode()
    words = (
        "No trial ran to its end, so no recipe is recommended."
        if best is None
        else f"Best: <b>{escape(name_of(best.values, seeds=False))}</b>, the {RULE}. "
        "It stands in <code>best.yaml</code>: "
        "<code>gristmill run best.yaml</code> trains it in full."
    )
    body = (
        f"<p>{words}</p>"
        f'<figure><img alt="Curves of every trial" src="data:image/png;base64,{picture}"></figure>'
        f'<p class="soft">Measured on the same {num_files} held-out files for every trial. Bits per '
        "byte: less is better. Exact match: a whole line, greedy, by teacher forcing.</p>"
        f"<h2>Trials</h2>{table(heads, rows, chosen)}"
    )
    return document(f"Sweep of {recipe}", body)


def _short(key: str) -> str:
    return key.split(".", 1)[1] if "." in key else key


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
