"""What every job module shares: find the step, find its inputs, do the work, leave the artifact.

A job module is `work(context) -> Outcome` and two lines of `main`. It runs the same way under
`gristmill run`, under `ray job submit --working-dir . -- python -m jobs.corpus --recipe R --store S`,
and from a shell: the recipe and the store say everything. A step whose fingerprint is in the store is
not run again. The exit code is 0, the error's (1, or 2: the recipe is wrong), or 70 for an error that nobody
foresaw; the conductor submits a job again after the last kind only.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ray.exceptions import RayTaskError

from gristmill import recipe as recipes
from gristmill.artifacts import Artifact, Draft, SourceIdentity, Store
from gristmill.corpus.sources import resolve_sources
from gristmill.errors import GristmillError, RecipeError, StoreError
from gristmill.pipeline import POOLS, Step, steps_of
from gristmill.progress import LineProgress, Progress
from gristmill.storage import Storage
from jobs.identity import code_identity
from jobs.recipe_files import load_recipe

log = logging.getLogger(__name__)

Sources = tuple[SourceIdentity, ...]

DIED = 70
"""Exit code of a job that met an error nobody foresaw, a lost node say: worth another attempt."""

CHECKPOINTS = "checkpoints"
"""Where a training keeps them in its artifact; a resumed one begins with those of the one it extends."""

METRICS = "metrics.jsonl"
"""What a training says of its steps; goes with the checkpoints."""


@dataclass(frozen=True)
class JobContext:
    """All that a job's work may know."""

    step: Step
    inputs: Mapping[str, Artifact]
    """By step key, e.g. `corpus`, `tokens:extend`."""
    store: Store
    progress: Progress
    sources: tuple[SourceIdentity, ...]

    @property
    def recipe(self) -> recipes.Recipe:
        """The recipe as this step sees it, `auto` values resolved."""
        return self.step.recipe

    def input(self, stage: str) -> Artifact:
        """Return the one artifact of a stage among the inputs, whichever of its steps made it."""
        found = [key for key in self.inputs if key.split(":")[0] == stage]
        assert len(found) == 1, f"step {self.step.key} reads {found}"
        return self.inputs[found[0]]

    @property
    def label_selector(self) -> dict[str, str]:
        """What the job's tasks and actors ask Ray for: the pool, never a machine type."""
        return {"pool": POOLS[self.step.stage]}


@dataclass(frozen=True, kw_only=True)
class StageContext(JobContext):
    """The context of a job that leaves an artifact."""

    draft: Draft
    """Write files under `draft.storage`; what an interrupted attempt left there is still there."""


@dataclass(frozen=True)
class Outcome:
    """What goes into the record beside the files."""

    counts: dict[str, int] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)


def run_stage(
    stage: str, work: Callable[[StageContext], Outcome], argv: Sequence[str] | None = None
) -> int:
    """Carry out one step as a job and return the exit code; the body of every job module's `main`."""

    def body(step: Step, steps: Mapping[str, Step], store: Store, sources: Sources) -> None:
        artifact = carry_out(step, steps, store, sources, work)
        print(f"{step.key}: {artifact.label} in {artifact.storage.url}", flush=True)

    return _run(stage, body, argv)


def run_service(
    stage: str, work: Callable[[JobContext], None], argv: Sequence[str] | None = None
) -> int:
    """Carry out a step that leaves no artifact (an endpoint) every time, and return the exit code.

    It works with those of its inputs that are there; without any it has nothing to do.
    """

    def body(step: Step, steps: Mapping[str, Step], store: Store, sources: Sources) -> None:
        inputs = present_inputs(step, steps, store) or find_inputs(step, steps, store)
        work(JobContext(step, inputs, store, LineProgress(step.key), sources))

    return _run(stage, body, argv)


def _run(
    stage: str,
    body: Callable[[Step, Mapping[str, Step], Store, Sources], None],
    argv: Sequence[str] | None,
) -> int:
    arguments = _parser(stage).parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        recipe = load_recipe(arguments.recipe, arguments.set)
        store = Store.open(arguments.store)
        sources = resolve_sources(recipe.corpus)
        steps = steps_of(recipe, sources, gpu=arguments.gpu)
        step = _choose(steps, arguments.step or stage, stage)
        body(step, steps, store, sources)
        return 0
    except GristmillError as error:
        told = error.cause if isinstance(error, RayTaskError) else error  # the task's own words
        print(f"error: {told}", file=sys.stderr, flush=True)
        return error.exit_code
    except Exception:  # nobody raised it on purpose: say all there is, and let the conductor retry
        log.exception("stage %s died", stage)
        return DIED


def carry_out(
    step: Step,
    steps: Mapping[str, Step],
    store: Store,
    sources: tuple[SourceIdentity, ...],
    work: Callable[[StageContext], Outcome],
) -> Artifact:
    """Return the step's artifact, made now unless the store has it. Raises GristmillError."""
    made = store.find(step.fingerprint)
    if made is not None:
        return made
    inputs = find_inputs(step, steps, store)
    draft = store.draft(step.name, step.fingerprint, keep=True)
    extended = _extended(step, store)
    if extended is not None:
        inputs["resumed"] = extended
        _begin_as(extended.storage, draft.storage)
    progress = LineProgress(step.key)
    context = StageContext(step, inputs, store, progress, sources, draft=draft)
    outcome = work(context)
    return draft.commit(
        step.stage,
        step.config,
        {key: artifact.reference for key, artifact in inputs.items()},
        code_identity(),
        sources=sources if step.stage == "corpus" else (),
        counts=outcome.counts,
        metrics=outcome.metrics,
    )


def _begin_as(extended: Storage, draft: Storage) -> None:
    """Copy an extended training's checkpoints and metrics, until the draft has a checkpoint of its own.

    Asked so, and not by whether anything is there, a copy that was interrupted is made again.
    """
    if set(draft.folders(CHECKPOINTS)) <= set(extended.folders(CHECKPOINTS)):
        draft.copy_from(extended, CHECKPOINTS)
        if extended.exists(METRICS):
            draft.copy_from(extended, METRICS)


def _extended(step: Step, store: Store) -> Artifact | None:
    """Return the finished training that the step goes on from (`run --resume`). Raises StoreError."""
    mark = step.config.get("resume_from")
    if mark is None:
        return None
    artifact = store.find(mark)
    if artifact is None:
        raise StoreError(
            f"step {step.key} extends a training that is no longer in {store.storage.url} "
            f"(fingerprint {mark[:12]}); run without --resume to train from the start"
        )
    return artifact


def find_inputs(step: Step, steps: Mapping[str, Step], store: Store) -> dict[str, Artifact]:
    """Return the artifacts a step reads. Raises RecipeError naming the stage that must run first."""
    inputs: dict[str, Artifact] = {}
    for key in step.inputs:
        artifact = store.find(steps[key].fingerprint)
        if artifact is None:
            raise RecipeError(
                f"step {step.key} reads {key}, which is not in {store.storage.url}; "
                f"run it first: gristmill run {step.recipe.name} {key}"
            )
        inputs[key] = artifact
    return inputs


def present_inputs(step: Step, steps: Mapping[str, Step], store: Store) -> dict[str, Artifact]:
    """Return those of the artifacts a step reads that are in the store."""
    found = {key: store.find(steps[key].fingerprint) for key in step.inputs}
    return {key: artifact for key, artifact in found.items() if artifact is not None}


def _choose(steps: Mapping[str, Step], key: str, stage: str) -> Step:
    if key not in steps:
        raise RecipeError(f"the recipe has no step '{key}'; steps are {', '.join(steps)}")
    if steps[key].stage != stage:
        raise RecipeError(f"step '{key}' is of stage {steps[key].stage}, not {stage}")
    return steps[key]


def _parser(stage: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m jobs.{stage}")
    parser.add_argument("--recipe", required=True, help="shipped recipe's name, a path or a URL")
    parser.add_argument("--store", required=True, help="local path or URL of the store")
    parser.add_argument("--step", help="step key; default: the stage itself")
    parser.add_argument("--set", action="append", default=[], metavar="a.b=c", help="override")
    parser.add_argument("--gpu", action="store_true", help="the train pool has GPUs")
    parser.set_defaults(gpu=os.environ.get("GRISTMILL_GPU") == "1")
    return parser
