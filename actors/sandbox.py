"""A sandbox on a worker: proven when it starts, then it judges answers, two at a time a processor."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import ray

from gristmill.errors import SandboxError
from gristmill.evaluation.benchmark import Task, find
from gristmill.evaluation.sandbox import Sandbox, open_sandbox
from gristmill.evaluation.scores import Outcome


@ray.remote
class SandboxWorker:
    """Runs generated programs; holds none where no sandbox does."""

    def __init__(self) -> None:
        self.reason = ""
        self.sandbox: Sandbox | None = None
        try:
            self.sandbox = open_sandbox()
        except SandboxError as error:
            self.reason = str(error)

    def held_by(self) -> tuple[str, str]:
        """Return what holds programs here, and the reason when nothing does."""
        return ("", self.reason) if self.sandbox is None else (self.sandbox.describe(), "")

    def lacks(self, benchmarks: Sequence[str]) -> dict[str, str]:
        """Return why this machine cannot judge a benchmark, for those that it cannot."""
        found = {name: find(name).missing() for name in benchmarks}
        return {name: why for name, why in found.items() if why}

    def judge(self, tasks: Sequence[Task], outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Return the outcomes with their verdicts."""

        def one(task: Task, outcome: Outcome) -> Outcome:
            verdict = find(outcome.benchmark).judge(task, outcome.prediction, self.sandbox)
            return replace(outcome, passed=verdict.passed, reason=verdict.reason, kind=verdict.kind)

        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(one, tasks, outcomes))
