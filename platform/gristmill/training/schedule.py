"""The learning rate over a run, counted in tokens, so that batch size and restarts never move a stage.

`three_stage` is the paper's (section 3.4): the peak until 80 % of the tokens, then sqrt(1/10) of it,
then 1/10 from 90 % on. `wsd` holds the peak until the first boundary and falls linearly to the final
ratio. Warm-up is linear and comes first in every kind.

The schedule is kept in the checkpoint. A training may go on from a checkpoint under another schedule
when both gave every step so far the same rate (`same_past`): so a `wsd` or `three_stage` run is extended
from its trunk, the last checkpoint at the full rate (`trunk_steps`), and many branches decay from one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gristmill.training.config import Schedule


@dataclass(frozen=True)
class Plan:
    """A schedule with the run it is for: all that decides the learning rate of each step."""

    schedule: Schedule
    peak: float
    steps: int
    tokens_per_step: int

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        each = self.tokens_per_step
        return learning_rate(self.schedule, self.peak, step * each, self.steps * each, each)

    def trunk_steps(self) -> int | None:
        """Return the steps before the rate first falls, where longer runs part from this one."""
        if self.schedule.kind not in ("three_stage", "wsd"):
            return None
        steps = math.ceil(self.schedule.boundaries[0] * self.steps)
        return steps if self.schedule.warmup_steps < steps < self.steps else None

    def same_past(self, other: Plan, steps: int) -> bool:
        """Say whether both give the first `steps` steps the same rates."""
        return self == other or all(self.rate(step) == other.rate(step) for step in range(steps))


def learning_rate(
    schedule: Schedule, peak: float, tokens: int, total_tokens: int, tokens_per_step: int
) -> float:
    """Return the learning rate of the step that starts after `tokens` of the run's `total_tokens`."""
    warmup = schedule.warmup_steps * tokens_per_step
    if tokens < warmup:
        return peak * (tokens + tokens_per_step) / (warmup + tokens_per_step)
    return peak * _ratio(schedule, tokens, total_tokens, min(warmup, total_tokens))


def _ratio(schedule: Schedule, tokens: int, total: int, warmup: int) -> float:
    share = tokens / total
    first, second = schedule.boundaries
    if schedule.kind == "constant":
        return 1.0
    if schedule.kind == "three_stage":
        return 1.0 if share < first else math.sqrt(0.1) if share < second else 0.1
    final = schedule.final_ratio
    if schedule.kind == "wsd":
        fall = max(0.0, (share - first) / (1.0 - first)) if first < 1.0 else 0.0
        return 1.0 - (1.0 - final) * min(1.0, fall)
    done = (tokens - warmup) / max(total - warmup, 1)
    if schedule.kind == "linear":
        return 1.0 - (1.0 - final) * min(1.0, done)
    return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))
