"""What a sweep over model sizes says of larger ones: a power law a measure, and one of the best rate.

Of each size the best arm counts, by the mean over its seeds, so that a size is not judged by a learning
rate that suits another. A law of bits per byte has a floor and needs four sizes; the best learning rate
is a power of the size without one and needs three. What the laws are worth is in their intervals and
leave-one-out errors (`power_law.py`). Sizes are all weights, embeddings included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gristmill.training.power_law import fit
from gristmill.training.sweep_arms import Arm
from gristmill.training.sweep_report import TrialRow

LEARNING_RATE = "pretrain.learning_rate"


def scaling_of(
    trials: Sequence[TrialRow], arms: Sequence[Arm], measures: Sequence[str]
) -> dict[str, Any]:
    """Return the laws by measure as plain values; empty for a sweep of fewer than three sizes."""
    by_name = {row.name: row for row in trials}
    found: dict[str, Any] = {}
    for measure in [name for name in measures if name.endswith("bits_per_byte")]:
        best: dict[int, Arm] = {}
        for arm in arms:
            size = by_name[arm.label].parameters
            known = best.get(size)
            if known is None or _mean(arm, measure) < _mean(known, measure):
                best[size] = arm
        sizes = sorted(best)
        told: dict[str, Any] = {
            "parameters": sizes,
            "arms": [best[size].label for size in sizes],
            "values": [_mean(best[size], measure) for size in sizes],
        }
        rates = [by_name[best[size].label].values.get(LEARNING_RATE) for size in sizes]
        varied = all(isinstance(rate, float) for rate in rates)
        if len(sizes) >= 4:
            told["law"] = fit(sizes, told["values"]).as_json()
        if len(sizes) >= 3 and varied:
            told["learning_rate_law"] = fit(sizes, rates, floor=False).as_json()  # type: ignore[arg-type]
        if len(told) > 3:
            found[measure] = told
    return found


def _mean(arm: Arm, measure: str) -> float:
    return arm.estimates[measure].value
