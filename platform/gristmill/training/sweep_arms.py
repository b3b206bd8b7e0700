"""A sweep's arms: each point over its seeds, at the end of training, with what chance may have done.

The interval is Student's t over the seeds, 95 %, two-sided: it says how far the mean would move with
other first weights and another order of samples. It knows nothing of other held-out files or another
corpus, which are the same for every trial. A difference is taken seed by seed against the first arm,
whose trials had the same first weights, and has an interval of its own: two arms may differ surely
though their intervals overlap. Trials that did not run to the end are left out.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.stats import t as student

from gristmill.evaluation.estimates import Estimate
from gristmill.training.sweep_report import Point, TrialRow

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Arm:
    """One point of a sweep."""

    label: str
    seeds: tuple[int, ...]
    values: Mapping[str, tuple[float, ...]]
    """By measure, one figure a seed."""
    estimates: Mapping[str, Estimate]
    """By measure, the mean and its interval."""
    differences: Mapping[str, Estimate]
    """By measure, the mean difference to the first arm over the seeds both have; empty for the first."""


def t_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Return the mean with Student's interval; of one value the interval is unbounded."""
    num = len(values)
    if num == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    mean = math.fsum(values) / num
    if num == 1:
        return Estimate(mean, -math.inf, math.inf, 1)
    variance = math.fsum((value - mean) ** 2 for value in values) / (num - 1)
    half = float(student.ppf(0.5 + confidence / 2, num - 1)) * math.sqrt(variance / num)
    return Estimate(mean, mean - half, mean + half, num)


def arms_of(
    trials: Sequence[TrialRow], points: Sequence[Point], measures: Sequence[str]
) -> list[Arm]:
    """Return the arms in the order of the trials, from those that ran to the end."""
    last = {point.trial: point for point in points}
    by_label: dict[str, dict[int, Mapping[str, float]]] = {}
    for row in trials:
        runs = by_label.setdefault(row.name, {})
        if row.status == "finished" and row.trial in last:
            runs[int(row.values.get("seed", 0))] = last[row.trial].figures
    found: list[Arm] = []
    first: Mapping[int, Mapping[str, float]] | None = None
    for label, runs in by_label.items():
        if not runs:
            continue
        values = {name: tuple(runs[seed][name] for seed in runs) for name in measures}
        found.append(
            Arm(
                label,
                tuple(runs),
                values,
                {name: t_interval(values[name]) for name in measures},
                {} if first is None else _differences(runs, first, measures),
            )
        )
        first = runs if first is None else first
    return found


def _differences(
    runs: Mapping[int, Mapping[str, float]],
    first: Mapping[int, Mapping[str, float]],
    measures: Sequence[str],
) -> dict[str, Estimate]:
    both = [seed for seed in runs if seed in first]
    return {
        name: t_interval([runs[seed][name] - first[seed][name] for seed in both])
        for name in measures
    }


def as_json(arms: Sequence[Arm]) -> list[dict[str, Any]]:
    """Return the arms as plain values; a bound that is not finite is None."""
    return [
        {
            "arm": arm.label,
            "seeds": list(arm.seeds),
            "measures": {
                name: {
                    "values": list(arm.values[name]),
                    **_plain(estimate),
                    "difference": _plain(arm.differences[name]) if arm.differences else None,
                }
                for name, estimate in arm.estimates.items()
            },
        }
        for arm in arms
    ]


def as_csv(arms: Sequence[Arm]) -> str:
    """Return one line an arm and measure: mean and interval, difference to the first and interval."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    heads = ["arm", "measure", "seeds", "mean", "low", "high"]
    writer.writerow([*heads, "difference", "difference_low", "difference_high"])
    for arm in arms:
        for name, estimate in arm.estimates.items():
            difference = arm.differences.get(name)
            cells = [arm.label, name, len(arm.seeds), *_cells(estimate)]
            writer.writerow([*cells, *(_cells(difference) if difference else ["", "", ""])])
    return text.getvalue()


def _plain(estimate: Estimate) -> dict[str, float | None]:
    bounds = {"mean": estimate.value, "low": estimate.low, "high": estimate.high}
    return {name: value if math.isfinite(value) else None for name, value in bounds.items()}


def _cells(estimate: Estimate) -> list[str]:
    values = (estimate.value, estimate.low, estimate.high)
    return [f"{value:.6g}" if math.isfinite(value) else "" for value in values]
