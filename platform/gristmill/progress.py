"""Progress: one small interface that a terminal draws and a job writes as structured lines.

A stage calls `update(done, total, unit, **figures)` as often as it likes. In a job the report
becomes a line `@progress {json}` on standard output (at most one a second, the last one always);
whoever follows the job's log draws it. Rates and the time left are computed by the one who draws.
"""

import json
import sys
import time
from dataclasses import dataclass, field
from typing import Protocol, TextIO

MARK = "@progress "


class Progress(Protocol):
    """Where a stage says how far it is."""

    def update(
        self, done: float, total: float | None = None, unit: str = "items", **figures: float
    ) -> None:
        """Report `done` of `total` `unit`s, and figures such as `loss`; never raises."""


class NoProgress:
    """Says nothing: for notebooks and tests."""

    def update(
        self, done: float, total: float | None = None, unit: str = "items", **figures: float
    ) -> None:
        """Do nothing."""


@dataclass
class LineProgress:
    """Writes `@progress {json}` lines, at most one every `interval_s`, and always a finishing one."""

    stage: str
    stream: TextIO = field(default_factory=lambda: sys.stdout)
    interval_s: float = 1.0
    _last_s: float = field(default=0.0, init=False)
    _started_s: float = field(default_factory=time.time, init=False)

    def update(
        self, done: float, total: float | None = None, unit: str = "items", **figures: float
    ) -> None:
        """Write one line if the last is old enough or the stage is complete."""
        now = time.time()
        if now - self._last_s < self.interval_s and (total is None or done < total):
            return
        self._last_s = now
        report = {
            "stage": self.stage,
            "done": done,
            "total": total,
            "unit": unit,
            "elapsed_s": round(now - self._started_s, 3),
            **figures,
        }
        print(MARK + json.dumps(report), file=self.stream, flush=True)


@dataclass(frozen=True)
class Report:
    """One progress line, read back."""

    stage: str
    done: float
    total: float | None
    unit: str
    elapsed_s: float
    figures: dict[str, float]


def parse(line: str) -> Report | None:
    """Return the report in a job's log line, or None when the line is ordinary output."""
    at = line.find(MARK)
    if at < 0:
        return None
    try:
        values = json.loads(line[at + len(MARK) :])
        return Report(
            stage=str(values.pop("stage")),
            done=float(values.pop("done")),
            total=None if (total := values.pop("total")) is None else float(total),
            unit=str(values.pop("unit")),
            elapsed_s=float(values.pop("elapsed_s")),
            figures={name: float(value) for name, value in values.items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
