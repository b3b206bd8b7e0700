"""A cluster's job table without a cluster: jobs run in this process, at once, one after the other.

Stages do no work but leave a real artifact through the real job frame; a stage's exit codes can be
scripted, which is how a driver's death looks from the outside.
"""

import contextlib
import io
import shlex
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field

from jobs.stage import JobContext, Outcome, StageContext, run_service, run_stage
from jobs.submit import JobInfo


def leave_a_file(context: StageContext) -> Outcome:
    """Stand for a stage's work."""
    context.draft.storage.write_bytes("data.bin", context.step.key.encode())
    context.progress.update(1, 1, "files", loss=0.5)
    return Outcome({"files": 1})


@dataclass
class JobTable:
    """Has the methods of `jobs.submit.Submitter` that a conductor and the commands use."""

    address: str = "http://127.0.0.1:1"
    exits: dict[str, list[int]] = field(default_factory=dict)
    """Stage -> exit codes of its next attempts instead of doing the work."""
    before: Callable[[str], None] = lambda submission_id: None
    """Called with every id that is submitted, before it runs."""
    jobs: dict[str, JobInfo] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    def submit(
        self,
        entrypoint: str,
        submission_id: str,
        metadata: Mapping[str, str] | None = None,
        env_vars: Mapping[str, str] | None = None,
    ) -> str:
        self.add(submission_id, "RUNNING", dict(metadata or {}), None)
        self.before(submission_id)
        _, _, module, *argv = shlex.split(entrypoint)
        stage = module.removeprefix("jobs.")
        code = self._run(submission_id, stage, argv)
        status = "SUCCEEDED" if code == 0 else "FAILED"
        self.add(submission_id, status, dict(metadata or {}), code)
        return submission_id

    def _run(self, submission_id: str, stage: str, argv: list[str]) -> int:
        scripted = self.exits.get(stage)
        if scripted:
            self.texts[submission_id] = "error: the disk is full\n"
            return scripted.pop(0)
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            if stage == "serve":
                code = run_service(stage, lambda context: _check(context), argv)
            else:
                code = run_stage(stage, leave_a_file, argv)
        self.texts[submission_id] = output.getvalue()
        return code

    def add(self, name: str, status: str, metadata: dict[str, str], code: int | None) -> None:
        """Put a job into the table as it stands."""
        self.jobs[name] = JobInfo(name, status, "", metadata, "it ended", None, code, 1.0, None)
        self.texts.setdefault(name, "")

    def follow(self, submission_id: str) -> Generator[str, None, None]:
        yield from self.texts[submission_id].splitlines()

    def info(self, submission_id: str) -> JobInfo:
        return self.jobs[submission_id]

    def logs(self, submission_id: str) -> str:
        return self.texts[submission_id]

    def list(self) -> list[JobInfo]:
        return [*self.jobs.values()]

    def stop(self, submission_id: str) -> bool:
        job = self.jobs[submission_id]
        self.add(submission_id, "STOPPED", job.metadata, None)
        return True


def _check(context: JobContext) -> None:
    assert context.inputs
