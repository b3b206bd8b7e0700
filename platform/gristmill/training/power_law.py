"""Power laws over a few measured sizes, with what they are worth.

    y = floor + scale * x ** -exponent        the floor is what no size takes away; it may be fixed at 0

Least squares of relative errors. For a given exponent floor and scale are linear, so exponents are tried
on a grid that is refined around the best: no start to choose, no local minimum. The interval is a
bootstrap of the residuals, 95 %, seeded; the leave-one-out error is the honest figure: each point predicted by the law
of the others, the ends of the range (extrapolations) included. A law through three free parameters
needs four points to say anything, one without a floor three.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gristmill.errors import TrainingError
from gristmill.evaluation.estimates import Estimate

RESAMPLES = 200
EXPONENTS = (-2.0, 4.0)
GRID = 121
Values = NDArray[np.float64]


@dataclass(frozen=True)
class PowerLaw:
    """A fitted law."""

    floor: float
    scale: float
    exponent: float

    def at(self, x: float) -> float:
        """Return the law's value."""
        return float(self.floor + self.scale * x**-self.exponent)


@dataclass(frozen=True)
class Fit:
    """A law with its intervals and its leave-one-out error."""

    law: PowerLaw
    exponent: Estimate
    floor: Estimate
    left_out: tuple[float, ...]
    """For each point, how far the law of the others misses it, as a share of its value."""

    @property
    def error(self) -> float:
        """Root mean square of `left_out`."""
        return math.sqrt(sum(miss * miss for miss in self.left_out) / len(self.left_out))

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "floor": self.law.floor,
            "scale": self.law.scale,
            "exponent": self.law.exponent,
            "exponent_interval": [self.exponent.low, self.exponent.high],
            "floor_interval": [self.floor.low, self.floor.high],
            "leave_one_out": list(self.left_out),
            "leave_one_out_error": self.error,
        }


def fit(x: Sequence[float], y: Sequence[float], *, floor: bool = True, seed: int = 0) -> Fit:
    """Fit a law to points of positive values. Raises TrainingError for too few points."""
    sizes, values = np.asarray(x, float), np.asarray(y, float)
    needed = 4 if floor else 3
    if len(np.unique(sizes)) < needed or len(sizes) != len(values):
        raise TrainingError(
            f"a power law with {needed - 1} free parameters needs {needed} sizes, "
            f"found {len(np.unique(sizes))}; sweep more sizes"
        )
    if not (np.all(sizes > 0) and np.all(values > 0)):
        raise TrainingError("a power law is fitted to positive values; found one that is not")
    law = _law(sizes, values, floor)
    told = np.array([law.at(size) for size in sizes])
    residuals = values / told - 1.0
    residuals *= math.sqrt(
        len(sizes) / max(len(sizes) - (needed - 1), 1)
    )  # those of a fit are small
    rng = np.random.default_rng(seed)
    drawn = [
        _law(sizes, told * (1.0 + rng.choice(residuals, len(sizes))), floor)
        for _ in range(RESAMPLES)
    ]
    left_out = []
    for number, size in enumerate(sizes):
        others = np.arange(len(sizes)) != number
        guess = _law(sizes[others], values[others], floor).at(float(size))
        left_out.append((guess - values[number]) / values[number])
    return Fit(
        law,
        _estimate(law.exponent, [each.exponent for each in drawn]),
        _estimate(law.floor, [each.floor for each in drawn]),
        tuple(float(miss) for miss in left_out),
    )


def _law(sizes: Values, values: Values, floor: bool) -> PowerLaw:
    """Return the best law, x in units of its geometric mean while it is looked for."""
    unit = math.exp(float(np.mean(np.log(sizes))))
    x = sizes / unit
    low, high = EXPONENTS
    while True:
        grid = np.linspace(low, high, GRID)
        floors, scales, errors = _linear(x, values, grid, floor)
        best = int(np.argmin(errors))
        step = grid[1] - grid[0]
        if step < 1e-6:
            exponent = float(grid[best])
            return PowerLaw(float(floors[best]), float(scales[best]) * unit**exponent, exponent)
        low, high = grid[best] - 2 * step, grid[best] + 2 * step


def _linear(
    x: Values, values: Values, exponents: Values, floor: bool
) -> tuple[Values, Values, Values]:
    """Return the best floor and scale for each exponent, neither below 0, and the squared error."""
    power = x[None, :] ** -exponents[:, None] / values  # [exponents, points], relative
    one = np.broadcast_to(1.0 / values, power.shape)
    pp, oo, po = (power**2).sum(1), (one**2).sum(1), (power * one).sum(1)
    p, o = power.sum(1), one.sum(1)
    alone = p / pp
    floors, scales = np.zeros_like(alone), alone
    if floor:
        det = np.maximum(pp * oo - po * po, 1e-300)
        both_floor, both_scale = (o * pp - p * po) / det, (p * oo - o * po) / det
        good = (both_floor > 0) & (both_scale > 0)
        floors, scales = np.where(good, both_floor, 0.0), np.where(good, both_scale, alone)
    errors = ((floors[:, None] * one + scales[:, None] * power - 1.0) ** 2).sum(1)
    return floors, scales, errors


def _estimate(value: float, drawn: Sequence[float]) -> Estimate:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(value, float(low), float(high), len(drawn))
