"""Runs: a recipe being carried out, as files in the store at `{store}/.runs/<run>/`.

    recipe.yaml     the recipe as it was resolved at submission: overrides in, paths absolute
    state.json      RunState; the command line writes the first, the conductor every later one
    logs/<job>.log  each stage's log, copied when the stage ends, because a cluster forgets its logs

State lives in the store, not in an actor: it outlives the cluster, and any machine that sees the store
can read it. A live run's conductor rewrites the state every few seconds; a live state that is old
belongs to a conductor that died, and counts as lost.
"""

from __future__ import annotations

import getpass
import os
import secrets
import time
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from gristmill import recipe as recipes
from gristmill.errors import StoreError
from gristmill.storage import Storage

FOLDER = ".runs"
LOST_AFTER_S = 90.0
"""A live state this old has no conductor any more; the conductor writes every 10 seconds."""

StepStatus = Literal["waiting", "cached", "running", "done", "failed", "stopped"]
RunStatus = Literal["queued", "running", "succeeded", "failed", "stopped", "lost"]
LIVE = ("queued", "running")


class StepState(BaseModel):
    """Where one step of a run is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    stage: str
    fingerprint: str
    status: StepStatus = "waiting"
    job: str = ""
    attempt: int = 0
    label: str = ""
    started_s: float | None = None
    ended_s: float | None = None
    note: str = ""


class RunState(BaseModel):
    """`state.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    recipe: str
    owner: str
    store: str
    created_s: float
    updated_s: float
    status: RunStatus = "queued"
    stages: tuple[str, ...] = ()
    """Stages or step keys that were asked for; empty means all."""
    address: str = ""
    """The cluster's dashboard, as whoever submitted the run reached it."""
    steps: tuple[StepState, ...] = ()
    message: str = ""

    @property
    def current(self) -> StepState | None:
        """The step that runs now, or None."""
        return next((step for step in self.steps if step.status == "running"), None)

    def seen(self, now_s: float) -> RunStatus:
        """Return the status as a reader should see it: a live state that is old is lost."""
        old = now_s - self.updated_s > LOST_AFTER_S
        return "lost" if self.status in LIVE and old else self.status


@dataclass(frozen=True)
class Runs:
    """All runs of one store."""

    storage: Storage

    @staticmethod
    def open(url: str) -> Runs:
        """Open the runs of a store. Raises StoreError."""
        return Runs(Storage.open(url).child(FOLDER))

    def create(self, state: RunState, recipe: recipes.Recipe) -> str:
        """Write a new run's recipe and first state; return the recipe's URL. Raises StoreError."""
        path = f"{state.run}/recipe.yaml"
        self.storage.write_bytes(path, recipes.dump(recipe).encode())
        self.write(state)
        return self.recipe_url(state.run)

    def recipe_url(self, run: str) -> str:
        """Return where a run's resolved recipe lies."""
        return self.storage.child(f"{run}/recipe.yaml").url

    def recipe(self, run: str) -> recipes.Recipe:
        """Return a run's resolved recipe. Raises StoreError, RecipeError."""
        text = self.storage.read_bytes(f"{run}/recipe.yaml").decode()
        return recipes.parse(text, origin=self.recipe_url(run))

    def write(self, state: RunState) -> None:
        """Replace a run's state as a whole, stamped with the present time."""
        stamped = state.model_copy(update={"updated_s": time.time()})
        self.storage.write_bytes(
            f"{state.run}/state.json", stamped.model_dump_json(indent=1).encode()
        )

    def read(self, run: str) -> RunState:
        """Return a run's state. Raises StoreError."""
        path = f"{run}/state.json"
        try:
            return RunState.model_validate_json(self.storage.read_bytes(path))
        except ValidationError as error:
            raise StoreError(
                f"{self.storage.url}/{path} is damaged; delete the run's folder, its artifacts "
                f"stay: {error}"
            ) from error

    def states(self) -> list[RunState]:
        """Return every run's state, oldest first."""
        names = [
            name for name in self.storage.folders() if self.storage.exists(f"{name}/state.json")
        ]
        return sorted((self.read(name) for name in names), key=lambda state: state.created_s)

    def find(self, name: str) -> RunState:
        """Return the run of this name, of an unambiguous beginning of it, or `last`. Raises StoreError."""
        states = self.states()
        if name == "last" and states:
            return states[-1]
        found = [state for state in states if state.run.startswith(name)]
        exact = [state for state in found if state.run == name]
        if len(exact or found) == 1:
            return (exact or found)[0]
        known = ", ".join(state.run for state in (found or states)[-5:]) or "none"
        what = "is ambiguous" if found else "is not there"
        raise StoreError(f"run '{name}' {what} in {self.storage.url}; runs: {known}")

    def live(self) -> list[RunState]:
        """Return the runs that a conductor is carrying out now."""
        now = time.time()
        return [state for state in self.states() if state.seen(now) in LIVE]

    def write_log(self, run: str, job: str, text: str) -> None:
        """Keep a job's log with the run."""
        self.storage.write_bytes(f"{run}/logs/{job}.log", text.encode())

    def read_log(self, run: str, job: str) -> str | None:
        """Return a kept log, or None when there is none (yet)."""
        path = f"{run}/logs/{job}.log"
        if not self.storage.exists(path):
            return None
        return self.storage.read_bytes(path).decode(errors="replace")


def new_state(
    recipe: recipes.Recipe, store: str, stages: tuple[str, ...], address: str
) -> RunState:
    """Return the first state of a new run of a recipe, named so that it sorts by time."""
    now = time.time()
    stamp = time.strftime("%m%d-%H%M%S", time.gmtime(now))
    return RunState(
        run=f"{recipe.name}-{stamp}-{secrets.token_hex(2)}",
        recipe=recipe.name,
        owner=owner(),
        store=store,
        created_s=now,
        updated_s=now,
        stages=stages,
        address=address,
    )


def conductor_id(run: str) -> str:
    """Return the submission id of a run's conductor."""
    return f"run-{run}"


def owner() -> str:
    """Return who submits: `GRISTMILL_OWNER`, else the login name."""
    try:
        return os.environ.get("GRISTMILL_OWNER") or getpass.getuser()
    except (KeyError, OSError):  # a container's user id may have no name
        return f"uid-{os.getuid()}"
