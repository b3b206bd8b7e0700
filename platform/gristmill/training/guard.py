"""The guard: an update that would do harm is left out, counted, and named.

Harm is a loss or a gradient that is no number, and a loss that stands out from those before it by more
than `sigmas` standard deviations of the last `window` (at least a quarter of them must be there). A step
left out takes its samples and its place in the schedule, and changes neither weights nor moments. After
`max_skips` in a row the run ends. What is remembered is read back from the metrics after a restart, so
that a resumed run decides as the uninterrupted one.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Iterable

from gristmill.training.config import Guard


class SpikeGuard:
    """Judges one loss after the other; every rank holds the same."""

    def __init__(self, guard: Guard, losses: Iterable[float] = ()) -> None:
        """Begin, or go on after `losses` that were taken."""
        self.guard = guard
        self.taken = deque(losses, maxlen=guard.window)
        self.in_a_row = 0

    def harm(self, loss: float) -> str | None:
        """Return what is wrong with a loss, or None."""
        if not math.isfinite(loss):
            return f"the loss is {loss}"
        if not self.guard.sigmas or len(self.taken) < max(2, self.guard.window // 4):
            return None
        mean, spread = statistics.fmean(self.taken), statistics.pstdev(self.taken)
        limit = mean + self.guard.sigmas * spread
        if loss <= limit:
            return None
        return (
            f"the loss is {loss:.4f}, past {limit:.4f} (mean {mean:.4f} of {len(self.taken)} steps)"
        )

    def take(self, loss: float) -> None:
        """Remember the loss of an update that was made."""
        self.taken.append(loss)
        self.in_a_row = 0

    def skip(self) -> bool:
        """Count an update that was left out; say whether that was one too many in a row."""
        self.in_a_row += 1
        return self.in_a_row >= self.guard.max_skips
