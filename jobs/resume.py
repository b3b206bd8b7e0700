"""Extending a finished training: `gristmill run --resume` with more `steps` and everything else equal.

The recipe's section is given the fingerprint of the finished artifact to go on from (`resume_from`),
which is identity: what was trained in two goes is another artifact than what was trained in one, and
its lineage says so. The first training stage that was extended is the one that resumes; those after it
start anew from its model.
"""

from __future__ import annotations

from typing import Any

from gristmill import recipe as recipes
from gristmill.artifacts import Artifact, SourceIdentity, Store
from gristmill.errors import RecipeError
from gristmill.pipeline import Step, steps_of
from gristmill.tags import MODEL_STAGES

FREE = ("steps", "resume_from", "schedule")
"""What may differ between a finished training and its extension."""


def extend_finished(
    recipe: recipes.Recipe, sources: tuple[SourceIdentity, ...], store: Store
) -> recipes.Recipe:
    """Return the recipe with its first extended training stage resumed. Raises RecipeError."""
    steps = steps_of(recipe, sources)
    for stage in MODEL_STAGES:
        step = steps.get(stage)
        if step is None or step.config.get("steps") is None:
            continue
        base = shorter(step, steps, store)
        if base is not None:
            return recipes.with_values(recipe, {f"{stage}.resume_from": base.record.fingerprint})
        if store.find(step.fingerprint) is None:
            break  # this stage is made from nothing, so nothing after it can be extended
    raise RecipeError(
        f"nothing to resume: {store.storage.url} has no finished training of this recipe with fewer "
        "steps and everything else equal; raise one, e.g. --set pretrain.steps=400, or leave --resume "
        "out (an interrupted run continues by itself)"
    )


def shorter(step: Step, steps: dict[str, Step], store: Store) -> Artifact | None:
    """Return the longest finished training that differs from the step only by having fewer steps."""
    inputs = sorted(steps[key].fingerprint for key in step.inputs)
    found = [
        artifact
        for artifact in store.list()
        if artifact.record.stage == step.stage
        and artifact.record.config.get("resume_from") is None
        and _fixed(artifact.record.config) == _fixed(step.config)
        and sorted(item.fingerprint for item in artifact.record.inputs.values()) == inputs
        and (artifact.record.config.get("steps") or step.config["steps"]) < step.config["steps"]
    ]
    return max(found, key=lambda artifact: artifact.record.config["steps"], default=None)


def _fixed(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in FREE}
