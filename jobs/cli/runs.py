"""`gristmill status`, `logs` and `stop`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated

import typer
from rich.table import Table

from gristmill.errors import ClusterError, GristmillError
from gristmill.pipeline import POOLS
from jobs import launch
from jobs.cli.app import (
    DEFAULT_STORE,
    JsonOption,
    StoreOption,
    absolute_store,
    app,
    say,
    say_json,
    terminal,
)
from jobs.console import Screen, duration
from jobs.runs import LIVE, Runs, RunState, conductor_id
from jobs.submit import JobInfo, Submitter

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's name, a beginning of it, or `last`.")
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--on", metavar="ADDRESS", help="The cluster; default: the one the run was given."
    ),
]


@dataclass(frozen=True)
class StatusRow:
    """One run, as `status` lists it."""

    run: str
    owner: str
    status: str
    stage: str
    age_s: float
    queue: int | None
    """0 when the pool is this run's, else how many runs asked for the pool before it; None when over."""
    store: str
    message: str


@app.command("status")
def status_command(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Only this run, or those that begin so.")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    on: AddressOption = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also the runs that are over, beyond the last ten.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the runs of a store, or with --on all runs on a cluster, whoever started them."""
    rows = _cluster_rows(on) if on else _store_rows(Runs.open(absolute_store(store)).states())
    rows = [row for row in rows if run is None or row.run.startswith(run)]
    rows = rows if everything or as_json else rows[-10:]
    if as_json:
        say_json([asdict(row) for row in rows])
        return
    if not rows:
        say(f"no runs in {absolute_store(store)}" if on is None else f"no runs on {on}")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("run", "owner", "status", "stage", "age", "queue", "message"):
        table.add_column(heading, no_wrap=heading != "message")
    for row in rows:
        queue = "" if row.queue is None else "running" if row.queue == 0 else f"{row.queue} before"
        table.add_row(
            row.run, row.owner, row.status, row.stage, duration(row.age_s), queue, row.message[:200]
        )
    terminal().print(table)


def _store_rows(states: list[RunState]) -> list[StatusRow]:
    now = time.time()
    live = [state for state in states if state.seen(now) in LIVE]
    rows = []
    for state in states:
        current = state.current
        ended = next((step for step in reversed(state.steps) if step.status != "waiting"), None)
        stage = current or ended
        done = sum(step.status in ("done", "cached") for step in state.steps)
        where = "" if stage is None else f"{stage.key} ({done}/{len(state.steps)} done)"
        queue = _before(state, live) if state.seen(now) in LIVE else None
        rows.append(
            StatusRow(
                state.run, state.owner, state.seen(now), where, now - state.created_s, queue,
                state.store, state.message,
            )
        )  # fmt: skip
    return rows


def _before(state: RunState, live: list[RunState]) -> int:
    """Return how many live runs asked for the same cluster's pool before this one's current step."""
    current = state.current
    if current is None or current.started_s is None:
        return 0
    pool = POOLS[current.stage]
    jobs = {
        step.job
        for other in live
        if other.address == state.address
        and (step := other.current) is not None
        and POOLS[step.stage] == pool
        and step.job != current.job
        and (step.started_s or 0.0) < current.started_s
    }
    return len(jobs)


def _cluster_rows(address: str) -> list[StatusRow]:
    """Return every run on a cluster: from its store where that can be read, else from the job alone."""
    found = launch.reach(address).list()
    conductors = [job for job in found if job.metadata.get("kind") == "run"]
    stages = [job for job in found if job.metadata.get("kind") == "stage" and not job.done]
    rows = []
    for job in conductors:
        current = next((s for s in stages if s.metadata.get("run") == job.metadata["run"]), None)
        current = current or _followed(job, stages)
        before = [
            other
            for other in stages
            if current is not None
            and POOLS[other.metadata["stage"]] == POOLS[current.metadata["stage"]]
            and (other.start_time_s or 0.0) < (current.start_time_s or 0.0)
        ]
        rows.append(
            StatusRow(
                run=job.metadata["run"],
                owner=job.metadata.get("owner", ""),
                status=job.status.lower(),
                stage="" if current is None else current.metadata["step"],
                age_s=time.time() - (job.start_time_s or time.time()),
                queue=None if job.done else len(before),
                store=job.metadata.get("store", ""),
                message="" if job.status != "FAILED" else job.failure(),
            )
        )
    return rows


def _followed(conductor: JobInfo, stages: list[JobInfo]) -> JobInfo | None:
    """Return the other run's job that this run follows, as its state in the store says."""
    if conductor.done:
        return None
    try:
        state = Runs.open(conductor.metadata["store"]).read(conductor.metadata["run"])
    except GristmillError:  # a store that this machine cannot read: the job list is all there is
        return None
    job = state.current.job if state.current is not None else ""
    return next((stage for stage in stages if stage.id == job), None)


@app.command("logs")
def logs_command(
    run: RunArgument = "last",
    step: Annotated[
        str | None, typer.Argument(metavar="[STEP]", help="One step's own log.")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    on: AddressOption = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until it ends.")] = False,
) -> None:
    """Print a run's log, or one step's; while it lives from the cluster, afterwards from the store."""
    runs = Runs.open(absolute_store(store))
    state = runs.find(run)
    job = conductor_id(state.run) if step is None else _job_of(state, step)
    kept = runs.read_log(state.run, job)
    show = say if step is not None else _as_shown()
    jobs = None if kept is not None else _reached(on or state.address)
    if jobs is None:
        if kept is None:
            raise ClusterError(
                f"the log of {job} went with its cluster at {state.address}; the steps' own logs are "
                f"kept: gristmill logs {state.run} STEP"
            )
        for line in kept.splitlines():
            show(line)
    elif follow:
        with contextlib.closing(jobs.follow(job)) as lines:
            for line in lines:
                show(line.rstrip("\n"))
    else:
        for line in jobs.logs(job).splitlines():
            show(line)


def _as_shown() -> Callable[[str], None]:
    """Return what prints a conductor's line as whoever follows the run sees it."""
    screen = Screen(terminal(), plain=True)
    return screen.line


def _job_of(state: RunState, step: str) -> str:
    jobs = {item.key: item.job for item in state.steps if item.job}
    if step not in jobs:
        known = ", ".join(jobs) or "none"
        raise GristmillError(f"step '{step}' of {state.run} has no log; steps with one: {known}")
    return jobs[step]


def _reached(address: str) -> Submitter | None:
    try:
        return launch.reach(address)
    except ClusterError:
        return None


@app.command("stop")
def stop_command(
    run: RunArgument = "last",
    store: StoreOption = DEFAULT_STORE,
    on: AddressOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop a run. What it made is kept; a stage that another live run follows goes on."""
    runs = Runs.open(absolute_store(store))
    state = runs.find(run)
    if state.seen(time.time()) not in LIVE:
        raise GristmillError(f"run {state.run} is not running: it is {state.seen(time.time())}")
    stopped = launch.stop_run(state, runs, launch.reach(on or state.address))
    if as_json:
        say_json({"run": state.run, "stopped": stopped})
    else:
        say(f"run {state.run} is stopped; the next `gristmill run` goes on from what it made")
