"""`gristmill plan` and `gristmill run`."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from cluster import definition as definitions
from cluster.local import LocalCluster, gpus, train_slots
from gristmill import recipe as recipes
from gristmill.artifacts import SourceIdentity, Store
from gristmill.corpus.sources import resolve_sources
from gristmill.errors import GristmillError, SourceError
from gristmill.pipeline import closure, steps_of
from jobs import launch, plan, resume, summary
from jobs.cli.app import (
    DEFAULT_STORE,
    JsonOption,
    OnOption,
    SetOption,
    StoreOption,
    absolute_store,
    app,
    say,
    say_json,
    terminal,
)
from jobs.console import Screen
from jobs.endpoint import check_completion, endpoint_of, healthy
from jobs.runs import Runs, RunState, conductor_id
from jobs.submit import Submitter

RecipeArgument = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A shipped recipe's name, a path or a URL.")
]
StagesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[STAGE]...", help="Only these stages or steps, and what they read."),
]
ResumeOption = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Extend a finished training: go on from the artifact that differs in `steps` only.",
    ),
]
ClusterOption = Annotated[
    Path,
    typer.Option("--cluster", metavar="FILE", help="The cluster definition."),
]


@app.command("plan")
def plan_command(
    recipe: RecipeArgument = "laptop",
    stages: StagesArgument = None,
    overrides: SetOption = None,
    store: StoreOption = DEFAULT_STORE,
    on: OnOption = "local",
    resumed: ResumeOption = False,
    cluster: ClusterOption = definitions.DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Show what a run would do, on what, for how long and at what price; nothing is started."""
    definition = definitions.load(cluster)
    local = on == "local"
    ready = _ready(recipe, overrides, definition, local, None, store, resumed)
    missing = ""
    sources: tuple[SourceIdentity, ...] = ()
    try:
        sources = resolve_sources(ready.corpus)
    except SourceError as error:  # what does not hang on the data can be planned all the same
        missing = str(error)
    opened = Store.open(absolute_store(store))
    made = plan.make(ready, sources, opened, definition, stages or (), local, missing)
    if as_json:
        say_json(plan.as_json(made))
    else:
        plan.show(made, terminal())


@app.command("run")
def run_command(
    recipe: RecipeArgument = "laptop",
    stages: StagesArgument = None,
    overrides: SetOption = None,
    store: StoreOption = DEFAULT_STORE,
    on: OnOption = "local",
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="With --on: follow the run, or detach at once.")
    ] = True,
    resumed: ResumeOption = False,
    serve: Annotated[
        bool,
        typer.Option(
            "--serve/--no-serve",
            help="Leave the endpoint up until Ctrl-C, or end once a completion was checked "
            "(with --on: leave the stage out).",
        ),
    ] = True,
    host: Annotated[
        str | None, typer.Option("--host", help="Address the endpoint listens on.")
    ] = None,
    cluster: ClusterOption = definitions.DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Carry out a recipe; what is in the store already is not made again."""
    definition = definitions.load(cluster)
    local = on == "local"
    ready = _ready(recipe, overrides, definition, local, host, store, resumed)
    url = absolute_store(store)
    if local:
        code = _run_here(ready, definition, url, stages or [], serve, as_json)
    else:
        ready = ready if serve else recipes.with_values(ready, {"serve": None})
        code = _run_there(ready, on, url, stages or [], wait, as_json)
    raise typer.Exit(code)


def _ready(
    where: str,
    overrides: list[str] | None,
    definition: definitions.ClusterDefinition,
    local: bool,
    host: str | None,
    store: str,
    resumed: bool,
) -> recipes.Recipe:
    gpu = gpus() > 0 if local else definition.pools["train"].gpus > 0
    slots = train_slots(definition, local=local)
    recipe = launch.prepare(where, overrides or (), gpu=gpu, host=host, train_slots=slots)
    if resumed:
        sources = resolve_sources(recipe.corpus)
        recipe = resume.extend_finished(recipe, sources, Store.open(absolute_store(store)))
    return recipe


def _run_there(
    recipe: recipes.Recipe, on: str, store: str, stages: list[str], wait: bool, as_json: bool
) -> int:
    jobs = launch.reach(on)
    state = launch.start_run(recipe, store, stages, jobs)
    if as_json:
        say_json(state.model_dump())
    else:
        say(f"run {state.run} is submitted to {on}")
        for verb in ("logs", "status", "stop"):
            say(f"  gristmill {verb} {state.run} --store {store} --on {on}")
    if not wait or as_json:
        return 0
    try:
        _follow(jobs, state)
    except KeyboardInterrupt:
        say(f"detached; run {state.run} goes on")
        return 0
    return _ended(recipe, Runs.open(store).read(state.run), as_json=False, note="")


def _run_here(
    recipe: recipes.Recipe,
    definition: definitions.ClusterDefinition,
    store: str,
    stages: list[str],
    serve: bool,
    as_json: bool,
) -> int:
    steps = closure(steps_of(recipe, resolve_sources(recipe.corpus)), stages)
    chosen = {step.stage for step in steps}
    running = LocalCluster.find()
    if "serve" in chosen and running is None:
        launch.check_port(recipe)
    Store.open(store).check_writable()
    signal.signal(signal.SIGTERM, _as_interrupt)
    if running is None:
        say("starting the local cluster", aside=as_json)
    with contextlib.nullcontext(running) if running else LocalCluster.start(definition) as cluster:
        jobs = Submitter(cluster.address, {**os.environ, **cluster.env})
        state = launch.start_run(recipe, store, stages, jobs)
        say(f"run {state.run}; Ray's dashboard: {cluster.address}", aside=as_json)
        runs = Runs.open(store)
        try:
            _follow(jobs, state, aside=as_json)
            state = runs.read(state.run)
            up = state.status == "succeeded" and "serve" in chosen
            note = check_completion(endpoint_of(recipe)) if up else ""
            code = _ended(recipe, state, as_json, note)
            if up and running is not None:
                say(
                    "the cluster was up before this run and stays up, its endpoint too",
                    aside=as_json,
                )
            elif up and serve:
                _hold(endpoint_of(recipe))
            return code
        except KeyboardInterrupt:
            _stop(runs.read(state.run), runs, jobs)
            return 0 if runs.read(state.run).status == "succeeded" else 130


def _follow(jobs: Submitter, state: RunState, *, aside: bool = False) -> None:
    lines = jobs.follow(conductor_id(state.run))
    with Screen(terminal(aside=aside)) as screen, contextlib.closing(lines):
        for line in lines:
            screen.line(line)


def _ended(recipe: recipes.Recipe, state: RunState, as_json: bool, note: str) -> int:
    figures = summary.gather(recipe, state, note)
    if as_json:
        say_json(summary.as_json(figures))
    else:
        summary.show(figures, terminal())
    return {"succeeded": 0, "stopped": 130}.get(state.status, 1)


def _hold(endpoint: str) -> None:
    say(f"the endpoint stays up at {endpoint} until Ctrl-C")
    misses = 0
    while misses < 3:
        time.sleep(5)
        misses = 0 if healthy(endpoint) else misses + 1
    raise GristmillError(
        f"the endpoint at {endpoint} stopped answering; the artifacts are safe: "
        "gristmill run brings it up again"
    )


def _stop(state: RunState, runs: Runs, jobs: Submitter) -> None:
    if state.status == "succeeded":
        say("stopping the endpoint and the cluster")
        return
    print(f"stopping run {state.run}; Ctrl-C again kills it at once", file=sys.stderr)
    try:
        launch.stop_run(state, runs, jobs)
        say("stopped; what was made is kept, and the next `gristmill run` goes on from there")
    except KeyboardInterrupt:
        say("killed; what was made is kept")


def _as_interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
