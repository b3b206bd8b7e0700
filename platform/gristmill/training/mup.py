"""muP: learning rates and first values that stay right when the model gets wider (arXiv 2203.03466).

A learning rate tuned at `mup_base_width` channels serves a wider model when, with m = width / base,

    hidden matrices (attention's four, SwiGLU's three)   spread * m**-0.5   rate / m
    the head                                             spread / m         rate / m
    embeddings and norms                                 spread             rate

which is the paper's Table 3, for Adam. Nothing is multiplied inside the model, so that it stays Llama
exactly: therefore the head must be a matrix of its own (a tied one is an embedding too, and would need
a multiplier), and a head of attention keeps its size over the widths, which makes 1/sqrt(d) a constant.
At m = 1, and without `mup_base_width`, everything is as it always was, to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import nn

RATE = "rate_scale"
"""The key of an optimizer group that says what its learning rate is multiplied by."""


@dataclass(frozen=True)
class Mup:
    """The rules at one width."""

    ratio: float
    """Width over the width that was tuned."""

    @staticmethod
    def of(width: int, base_width: int | None) -> Mup:
        """Return the rules of a width; without a base it is its own."""
        return Mup(1.0 if base_width is None else width / base_width)

    def spread(self, name: str) -> float:
        """Return what a weight's initial standard deviation is multiplied by."""
        if _is_head(name):
            return 1.0 / self.ratio
        return self.ratio**-0.5 if _is_hidden(name) else 1.0

    def rate(self, name: str) -> float:
        """Return what a weight's learning rate is multiplied by."""
        return 1.0 / self.ratio if _is_head(name) or _is_hidden(name) else 1.0

    def groups(
        self, named: Iterable[tuple[str, nn.Parameter]], groups: Iterable[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """Return the optimizer groups, parted by rate where a group's weights have several."""
        scales = {id(weight): self.rate(name) for name, weight in named}
        found: list[dict[str, Any]] = []
        for group in groups:
            by_scale: dict[float, list[nn.Parameter]] = {}
            for weight in group["params"]:
                by_scale.setdefault(scales[id(weight)], []).append(weight)
            found += [
                {**group, "params": weights, RATE: scale} for scale, weights in by_scale.items()
            ] or [group]
        return found


def _is_head(name: str) -> bool:
    return name.endswith("lm_head.weight")


def _is_hidden(name: str) -> bool:
    return name.endswith("_proj.weight")
