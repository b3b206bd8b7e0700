"""A run seen from who starts it: made ready, submitted, followed, stopped.

Nothing here knows what a stage does. The run's recipe and state are in the store before its conductor
is submitted, so whatever dies afterwards, the next `gristmill run` finds what was made.
"""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from cluster.local import default_state
from gristmill import recipe as recipes
from gristmill.errors import ClusterError, GristmillError
from gristmill.pipeline import resolve_auto, resolve_rounds
from jobs.endpoint import check_free
from jobs.recipe_files import absolute, load_recipe
from jobs.runs import Runs, RunState, conductor_id, new_state
from jobs.submit import Submitter

STOP_S = 10.0
"""How long a conductor that was told to stop is waited for."""


def prepare(
    where: str,
    overrides: Iterable[str],
    *,
    gpu: bool,
    host: str | None = None,
    train_slots: int = 1,
) -> recipes.Recipe:
    """Return the recipe as it will run: overrides in, paths absolute, precisions and budgets definite.

    `train_slots` is how many workers the train pool takes when all of it is there.

    Raises RecipeError.
    """
    recipe = absolute(load_recipe(where, overrides), Path.cwd())
    if host is not None and recipe.serve is not None:
        recipe = recipes.with_values(recipe, {"serve.host": host})
    return resolve_rounds(resolve_auto(recipe, gpu=gpu), train_slots)


def check_port(recipe: recipes.Recipe) -> None:
    """Raise ClusterError when the endpoint's port on this machine is taken."""
    if recipe.serve is None:
        return
    check_free(recipe.serve.host, recipe.serve.port)


def start_run(
    recipe: recipes.Recipe, store: str, stages: Sequence[str], jobs: Submitter
) -> RunState:
    """Write a new run into the store and submit its conductor. Raises StoreError, ClusterError."""
    runs = Runs.open(store)
    state = new_state(recipe, store, tuple(stages), jobs.address)
    runs.create(state, recipe)
    metadata = {
        "kind": "run",
        "run": state.run,
        "recipe": state.recipe,
        "owner": state.owner,
        "store": store,
    }
    try:
        jobs.submit(
            shlex.join(["python", "-m", "jobs.conduct", "--run", state.run, "--store", store]),
            conductor_id(state.run),
            metadata,
            {},
        )
    except GristmillError as error:
        runs.write(state.model_copy(update={"status": "failed", "message": str(error)}))
        raise
    return state


def stop_run(state: RunState, runs: Runs, jobs: Submitter) -> list[str]:
    """Stop a run's conductor, and its stage unless another live run follows it; return the ids stopped.

    Raises ClusterError when the cluster cannot be reached.
    """
    stopped = []
    conductor = conductor_id(state.run)
    if any(view.id == conductor and not view.done for view in jobs.list()):
        jobs.stop(conductor)
        _await_end(conductor, jobs)  # what it submits until then is on the list below
        stopped.append(conductor)
    live = {view.id for view in jobs.list() if not view.done}
    state = runs.read(state.run)
    shared = {
        other.current.job
        for other in runs.live()
        if other.run != state.run and other.current is not None
    }
    for step in state.steps:
        if step.job in live and step.status in ("running", "stopped") and step.job not in shared:
            jobs.stop(step.job)
            stopped.append(step.job)
    if state.status in ("queued", "running"):
        runs.write(state.model_copy(update={"status": "stopped", "message": "stopped on request"}))
    return stopped


def _await_end(job: str, jobs: Submitter) -> None:
    """Wait for a job that was told to stop; Ray kills it when it takes longer than a few seconds."""
    end_s = time.monotonic() + STOP_S
    while not jobs.info(job).done and time.monotonic() < end_s:
        time.sleep(0.2)


def reach(address: str) -> Submitter:
    """Connect to a cluster by its dashboard's address; a local one's token is found by itself.

    Raises ClusterError when nobody answers.
    """
    scheme, colons, _ = address.partition("://")
    if not colons:
        address = f"http://{address}"
    elif scheme not in ("http", "https"):
        raise ClusterError(
            f"cluster {address}: Ray's job API is reached by http; give the dashboard's address, "
            "e.g. http://127.0.0.1:8265"
        )
    for path in sorted(default_state().glob("*/state.json")):
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # that cluster is ending, or was killed while it wrote
            continue
        if state.get("address") == address.rstrip("/"):
            token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": state["token_file"]}
            return Submitter(address, {**os.environ, **token})
    return Submitter(address)
