"""The learning rate over a run, counted in tokens, so that batch size and restarts never move a stage.

`three_stage` is the paper's (section 3.4): the peak until 80 % of the tokens, then sqrt(1/10) of it,
then 1/10 from 90 % on. `wsd` holds the peak until the first boundary and falls linearly to the final
ratio. Warm-up is linear and comes first in every kind.
"""

import math

from gristmill.training.config import Schedule


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
    return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))
