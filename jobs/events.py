"""Stage events: what a conductor says on its standard output, for whoever follows the run.

One line `@stage {json}` for each change of a step; between them the stages' own `@progress` lines pass
through. Everything else on a conductor's output is for people.
"""

import json
from dataclasses import asdict, dataclass
from typing import Literal

MARK = "@stage "

Change = Literal[
    "planned", "cached", "submitted", "followed", "done", "retried", "failed", "stopped"
]


@dataclass(frozen=True)
class StageEvent:
    """One change of one step of a run."""

    step: str
    change: Change
    number: int
    """Place of the step in the run, from 1."""
    total: int
    job: str = ""
    label: str = ""
    """The artifact, as `name@version`, once there is one."""
    elapsed_s: float = 0.0
    note: str = ""
    """Why, for a person: the failure, or whose job is followed."""

    def line(self) -> str:
        """Return the event as a line of the conductor's log."""
        return MARK + json.dumps(asdict(self))


def parse(line: str) -> StageEvent | None:
    """Return the event in a log line, or None when the line is something else."""
    at = line.find(MARK)
    if at < 0:
        return None
    try:
        return StageEvent(**json.loads(line[at + len(MARK) :]))
    except (json.JSONDecodeError, TypeError):
        return None
