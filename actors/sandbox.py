"""A sandbox on a worker: proven when it starts, then it judges completions one by one."""

from collections.abc import Sequence
from dataclasses import replace

import ray

from gristmill.errors import SandboxError
from gristmill.evaluation import humaneval
from gristmill.evaluation.sandbox import open_sandbox
from gristmill.evaluation.scores import Outcome


@ray.remote
class SandboxWorker:
    """Runs generated programs; holds none where no sandbox does."""

    def __init__(self) -> None:
        self.reason = ""
        try:
            self.sandbox = open_sandbox()
        except SandboxError as error:
            self.reason = str(error)

    def held_by(self) -> tuple[str, str]:
        """Return what holds programs here, and the reason when nothing does."""
        if self.reason:
            return "", self.reason
        record = self.sandbox.record()
        return f"{record['backend']} ({record['level']}), {record['python']}", ""

    def judge(self, tasks: Sequence[humaneval.Task], outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Return the outcomes with their verdicts."""
        verdicts = [
            humaneval.check(task, outcome.raw, self.sandbox)
            for task, outcome in zip(tasks, outcomes, strict=True)
        ]
        return [
            replace(outcome, passed=verdict.passed, reason=verdict.reason)
            for outcome, verdict in zip(outcomes, verdicts, strict=True)
        ]
