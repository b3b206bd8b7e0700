"""What a person sees while a run goes: the conductor's log drawn on a terminal, or as plain lines.

On a terminal every step has one row: state, done of total, rate, time left, loss. Elsewhere every
change of a step is a line, and progress one line every few seconds. Rates are averages since the phase
began, by the job's own clock: a log comes in bursts, and the reader's clock would make them speed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from gristmill import progress
from jobs import events
from jobs.events import StageEvent

PLAIN_EVERY_S = 5.0
SHOWN = ("loss", "tokens_per_s")
"""Figures that have a place on the screen; a stage with neither shows its first two."""

_WORDS = {
    "planned": "waiting",
    "cached": "in the store",
    "submitted": "running",
    "followed": "running (another run's job)",
    "retried": "died, submitted again",
    "done": "done",
    "failed": "failed",
    "stopped": "stopped",
}


@dataclass
class Row:
    """One step on the screen."""

    key: str
    number: int
    total_steps: int
    state: str = "waiting"
    label: str = ""
    elapsed_s: float = 0.0
    done: float = 0.0
    total: float | None = None
    unit: str = ""
    figures: dict[str, float] = field(default_factory=dict)
    began_s: float | None = None
    first: tuple[float, float] | None = None
    """(job's clock, done) of the phase's first report that had anything done."""
    last_s: float = 0.0

    def progressed(self, report: progress.Report) -> None:
        """Take in one report."""
        again = report.elapsed_s < self.last_s  # another attempt began its clock anew
        if again or report.done < self.done or report.unit != self.unit:
            self.first = None
        self.done, self.total, self.unit = report.done, report.total, report.unit
        self.figures, self.last_s = report.figures, report.elapsed_s
        if self.first is None and self.done > 0:  # what came before was preparation, not pace
            self.first = (report.elapsed_s, self.done)

    @property
    def rate(self) -> float | None:
        """Units a second since the phase began, or None while there is nothing to measure."""
        if self.first is None:
            return None
        first_s, first = self.first
        span = self.last_s - first_s
        return (self.done - first) / span if span >= 1 and self.done > first else None

    @property
    def left_s(self) -> float | None:
        """Seconds to the end at the present rate, or None when that is not known."""
        rate = self.rate
        return None if rate is None or self.total is None else (self.total - self.done) / rate

    def cells(self, now_s: float) -> list[str]:
        """Return the row's cells: step, state, done, rate, left, figures."""
        running = self.state.startswith("running")
        elapsed = now_s - self.began_s if running and self.began_s is not None else self.elapsed_s
        state = f"{self.state} {duration(elapsed)}" if elapsed >= 1 else self.state
        amount = ""
        if self.unit:
            done, total = self._amount(self.done), self.total
            amount = done if total is None else f"{done}/{self._amount(total)}"
            amount += "" if self.unit == "bytes" else f" {self.unit}"
        rate = f"{self._amount(self.rate)}/s" if running and self.rate is not None else ""
        left = duration(self.left_s) if running and self.left_s is not None else ""
        shown = [name for name in SHOWN if name in self.figures] or list(self.figures)[:2]
        figures = "  ".join(f"{name} {short(self.figures[name])}" for name in shown)
        return [f"{self.number}/{self.total_steps} {self.key}", state, amount, rate, left, figures]

    def _amount(self, value: float) -> str:
        if self.unit != "bytes":
            return short(value)
        text = short(value)
        return f"{text}B" if text[-1].isalpha() else f"{text} B"


class Screen:
    """Follows a run: give it the conductor's log, line by line."""

    def __init__(self, console: Console, *, plain: bool = False) -> None:
        """`plain` asks for lines on a terminal too, and for the errors among them."""
        self.console = console
        self._plain = plain
        self.rows: dict[str, Row] = {}
        self.failures: list[str] = []
        self._live = (
            Live(console=console, refresh_per_second=4)
            if console.is_terminal and not plain
            else None
        )
        self._plain_s: dict[str, float] = {}

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.update(self._table(), refresh=True)
            self._live.stop()

    def line(self, text: str) -> None:
        """Take in one line of the conductor's log."""
        event = events.parse(text)
        if event is not None:
            self._changed(event)
        elif (report := progress.parse(text)) is not None:
            self._progressed(report)
        elif text.startswith("error: "):
            self.failures.append(text.removeprefix("error: ").rstrip())
            if self._plain:
                self._print(text.rstrip())
        if self._live is not None:
            self._live.update(self._table())

    def _changed(self, event: StageEvent) -> None:
        row = self.rows.setdefault(event.step, Row(event.step, event.number, event.total))
        row.state = _WORDS[event.change]
        row.label = event.label or row.label
        row.elapsed_s = event.elapsed_s
        if event.change in ("submitted", "followed"):
            row.began_s = time.time()
        if self._live is None and event.change != "planned":
            cells = [f"{row.number}/{row.total_steps} {row.key}: {row.state}"]
            cells += [f"in {duration(event.elapsed_s)}"] if event.change == "done" else []
            cells += [text for text in (event.label, event.note) if text]
            self._print("  ".join(cells))

    def _progressed(self, report: progress.Report) -> None:
        row = self.rows.get(report.stage)
        if row is None:
            return
        now = time.time()
        row.progressed(report)
        finished = row.total is not None and row.done >= row.total
        last = self._plain_s.get(row.key, 0.0)
        if self._live is None and (finished or now - last >= PLAIN_EVERY_S):
            self._plain_s[row.key] = now
            name, _, amount, rate, left, figures = row.cells(now)
            left = f"{left} left" if left else ""
            self._print(
                "  ".join(cell for cell in (f"{name}:", amount, rate, left, figures) if cell)
            )

    def _print(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False)
        for heading in ("stage", "state", "done", "rate", "left", "figures"):
            table.add_column(heading, no_wrap=True)
        now = time.time()
        for row in self.rows.values():
            table.add_row(*row.cells(now))
        return table


def duration(seconds: float) -> str:
    """Return a time span in at most two units: `7 s`, `3 min 05 s`, `2 h 10 min`, `4 d 3 h`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def short(value: float) -> str:
    """Return a number in at most four figures: `0.0321`, `7`, `12.5`, `1,234`, `3.4 M`, `2.1 T`."""
    size = abs(value)
    for limit, unit in (
        (1e24, "Y"),
        (1e21, "Z"),
        (1e18, "E"),
        (1e15, "P"),
        (1e12, "T"),
        (1e9, "G"),
        (1e6, "M"),
    ):
        if size >= limit:
            return f"{value / limit:.3g} {unit}"
    if size >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"
