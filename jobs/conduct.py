"""The conductor: one job that carries out a run, submitting every stage as a Ray job of its own.

    laptop    python -m jobs.conduct --run RUN --store ./store      (on the cluster RAY_ADDRESS names)
    cluster   submitted by `gristmill run`, as the job `run-<run>`

It plans the steps, passes over those that are in the store, submits the others one after the other and
follows their logs. A stage's job is called `<stage>-<fingerprint[:8]>-<attempt>`: one that is live on
the cluster already, this user's or another's, is followed instead of submitted twice.

Who retries what: tasks, actors and training workers are the job's own business. Here only a job that
ended without saying why (its driver or node died, an exception nobody raised on purpose) is submitted
again, at most twice; exit code 1 is a job that said why, 2 a wrong recipe, and neither is retried.
The state in the store is rewritten every few seconds; on SIGTERM the stages it owns are stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import FrameType

from gristmill import progress
from gristmill.artifacts import Artifact, Store
from gristmill.corpus.sources import resolve_sources
from gristmill.errors import GristmillError, JobError
from gristmill.pipeline import Step, closure, steps_of
from jobs.events import Change, StageEvent
from jobs.runs import Runs, RunState, RunStatus, StepState, StepStatus, conductor_id
from jobs.submit import JobInfo, Submitter

MORE_ATTEMPTS = 2
"""Submissions after the first, for a job that died without saying why."""
SAID_WHY = (1, 2)
BEAT_S = 10.0
NO_ARTIFACT = ("serve",)
"""Stages that leave nothing in the store and are carried out every time."""


class Stopped(Exception):
    """Somebody asked the run to stop."""


def stage_job_id(step: Step, attempt: int) -> str:
    """Return the submission id of one attempt at a step: its idempotency key on a cluster."""
    return f"{step.stage}-{step.fingerprint[:8]}-{attempt}"


@dataclass
class Conductor:
    """One run on its way. `jobs` reaches the cluster, `runs` and `store` the store."""

    runs: Runs
    store: Store
    jobs: Submitter
    state: RunState
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _told: list[str] = field(default_factory=list)
    """The events so far: the run's own log, which is kept in the store when it ends."""

    def carry_out(self) -> int:
        """Carry out the run and return the exit code; the state in the store tells the rest."""
        status: RunStatus = "failed"
        message = ""
        code = 1
        with self._beating():
            try:
                for step in self._planned():
                    self._make(step)
                status, code = "succeeded", 0
            except Stopped:
                status, message, code = "stopped", "stopped on request", 130
                self._stop_current()
            except GristmillError as error:
                message, code = str(error), error.exit_code
                self._close_current("failed", message)
            except (
                Exception
            ) as error:  # nobody foresaw it: say all there is, and leave no live state
                traceback.print_exc()
                message = f"the conductor died: {error!r}; run again to go on from what was made"
                self._close_current("failed", message)
        self._save(status=status, message=message)
        if message:
            print(f"error: {message}", file=sys.stderr, flush=True)
            self._told.append(f"error: {message}")
        self.runs.write_log(self.state.run, conductor_id(self.state.run), "\n".join(self._told))
        return code

    def _planned(self) -> list[Step]:
        recipe = self.runs.recipe(self.state.run)
        steps = steps_of(recipe, resolve_sources(recipe.corpus))
        chosen = closure(steps, self.state.stages)
        states = tuple(
            StepState(key=step.key, stage=step.stage, fingerprint=step.fingerprint)
            for step in chosen
        )
        self._save(status="running", steps=states)
        for step in chosen:
            self._say(step, "planned")
        return chosen

    def _make(self, step: Step) -> None:
        made = None if step.stage in NO_ARTIFACT else self.store.find(step.fingerprint)
        if made is not None:
            self._set(step, status="cached", label=made.label)
            self._say(step, "cached", label=made.label)
            return
        tries = 0
        while True:
            job = self._begin(step)
            with contextlib.closing(self.jobs.follow(job)) as lines:
                for line in lines:
                    if progress.parse(line) is not None:
                        print(line.rstrip("\n"), flush=True)
            view = self.jobs.info(job)
            log = self._keep_log(job)
            if view.status == "SUCCEEDED":
                self._finish(step, job, log)
                return
            tries += 1
            if view.exit_code in SAID_WHY or tries > MORE_ATTEMPTS:
                raise JobError(_why(step, view, log, tries))
            self._say(step, "retried", job=job, note=view.failure())

    def _begin(self, step: Step) -> str:
        """Submit the step's next attempt, or find the live one that makes the same artifact."""
        prefix = stage_job_id(step, 0)[:-1]
        attempts = {
            int(view.id.removeprefix(prefix)): view
            for view in self.jobs.list()
            if view.id.startswith(prefix) and view.id.removeprefix(prefix).isdigit()
        }
        # a job that writes into another store makes nothing for this run
        ours = [
            number
            for number, view in attempts.items()
            if not view.done and view.metadata.get("store") == self.state.store
        ]
        attempt = max(ours) if ours else max(attempts, default=0) + 1
        live = attempts.get(attempt)
        job = stage_job_id(step, attempt)
        self._set(step, status="running", job=job, attempt=attempt, started_s=time.time())
        if live is None:
            live = self._submit(step, job)
        if live is None:
            self._say(step, "submitted", job=job)
        else:
            whose = live.metadata.get("owner", "somebody")
            self._say(step, "followed", job=job, note=f"submitted by {whose}")
        return job

    def _submit(self, step: Step, job: str) -> JobInfo | None:
        """Submit a job; return another conductor's of the same id when that came first."""
        try:
            self.jobs.submit(self._entrypoint(step), job, self._metadata(step), {})
        except JobError:
            first = [view for view in self.jobs.list() if view.id == job and not view.done]
            if not first:
                raise
            return first[0]
        return None

    def _finish(self, step: Step, job: str, log: str) -> None:
        label = ""
        if step.stage not in NO_ARTIFACT:
            made = self.store.find(step.fingerprint)
            if made is None:
                raise JobError(
                    f"job {job} ended well, but {self.store.storage.url} has no artifact with "
                    f"fingerprint {step.fingerprint[:12]}: the job sees another store or other sources "
                    "than the conductor; give a store and sources that every node reaches"
                )
            _leave_log(made, log)
            label = made.label
        self._set(step, status="done", label=label, ended_s=time.time())
        self._say(step, "done", job=job, label=label)

    def _entrypoint(self, step: Step) -> str:
        recipe = self.runs.recipe_url(self.state.run)
        words = ["--recipe", recipe, "--store", self.state.store, "--step", step.key]
        return f"python -m jobs.{step.stage} {shlex.join(words)}"

    def _metadata(self, step: Step) -> dict[str, str]:
        return {
            "kind": "stage",
            "run": self.state.run,
            "recipe": self.state.recipe,
            "owner": self.state.owner,
            "store": self.state.store,
            "stage": step.stage,
            "step": step.key,
            "fingerprint": step.fingerprint,
        }

    def _keep_log(self, job: str) -> str:
        text = self.jobs.logs(job)
        self.runs.write_log(self.state.run, job, text)
        return text

    def _stop_current(self) -> None:
        current = self.state.current
        if current is None:
            return
        shared = [
            other.run
            for other in self.runs.live()
            if other.run != self.state.run
            and other.current is not None
            and other.current.job == current.job
        ]
        note = f"left to {shared[0]}, which follows it too" if shared else "stopped on request"
        live = {view.id for view in self.jobs.list() if not view.done}
        if not shared and current.job in live:
            self.jobs.stop(current.job)
        self._close_current("stopped", note)

    def _close_current(self, status: StepStatus, note: str) -> None:
        current = self.state.current
        if current is None:
            return
        update = {"status": status, "note": note, "ended_s": time.time()}
        closed = current.model_copy(update=update)
        self._save(steps=tuple(closed if s.key == current.key else s for s in self.state.steps))
        change: Change = "stopped" if status == "stopped" else "failed"
        self._event(current.key, change, job=current.job, note=note)

    def _set(self, step: Step, **changes: object) -> None:
        steps = tuple(
            state.model_copy(update=changes) if state.key == step.key else state
            for state in self.state.steps
        )
        self._save(steps=steps)

    def _save(self, **changes: object) -> None:
        with self._lock:
            self.state = self.state.model_copy(update=changes)
            self.runs.write(self.state)

    def _say(
        self, step: Step, change: Change, job: str = "", label: str = "", note: str = ""
    ) -> None:
        self._event(step.key, change, job, label, note)

    def _event(
        self, key: str, change: Change, job: str = "", label: str = "", note: str = ""
    ) -> None:
        keys = [state.key for state in self.state.steps]
        at = self.state.steps[keys.index(key)]
        elapsed = 0.0 if at.started_s is None else time.time() - at.started_s
        event = StageEvent(
            key, change, keys.index(key) + 1, len(keys), job, label, round(elapsed, 1), note
        )
        self._told.append(event.line())
        print(event.line(), flush=True)

    @contextlib.contextmanager
    def _beating(self) -> Iterator[None]:
        """Rewrite the state every few seconds, so that readers can tell a live run from a lost one."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(BEAT_S):
                self._save()

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _why(step: Step, view: JobInfo, log: str, tries: int) -> str:
    """Return one message for a failed stage: the job's own last error line where it has one."""
    said = [line for line in log.splitlines() if line.startswith("error: ")]
    cause = said[-1].removeprefix("error: ") if said else view.failure()
    again = f" after {tries} attempts" if tries > 1 else ""
    return f"stage {step.key} failed{again}: {cause} (gristmill logs RUN {step.key} shows all)"


def _leave_log(artifact: Artifact, log: str) -> None:
    artifact.storage.write_bytes("job.log", log.encode())


def _on_sigterm(signum: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: stopping is not to be stopped
    raise Stopped


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out the run that `--run` names and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m jobs.conduct")
    parser.add_argument("--run", required=True, help="name of the run")
    parser.add_argument("--store", required=True, help="local path or URL of the store")
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        runs = Runs.open(arguments.store)
        state = runs.read(arguments.run)
        return Conductor(runs, Store.open(arguments.store), Submitter.here(), state).carry_out()
    except GristmillError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return error.exit_code


if __name__ == "__main__":
    raise SystemExit(main())
