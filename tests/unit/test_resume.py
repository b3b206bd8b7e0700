"""Extending a finished training."""

from pathlib import Path

import pytest

from gristmill.artifacts import Artifact, Store
from gristmill.corpus.sources import resolve_sources
from gristmill.errors import RecipeError
from gristmill.pipeline import steps_of
from gristmill.recipe import Recipe, parse
from jobs.resume import extend_finished
from jobs.stage import Outcome, StageContext, carry_out

TEXT = """
name: small
corpus: {sources: [{kind: installed, names: [typer]}]}
model: {size: tiny}
pretrain: {batch_sequences: 4, learning_rate: 1e-3, steps: 10}
finetune: {instructions: [alpaca-seed], steps: 2}
"""


def _train(context: StageContext) -> Outcome:
    storage = context.draft.storage
    if context.step.stage == "pretrain":
        begun = len(storage.folders("checkpoints"))
        storage.write_bytes(f"checkpoints/step-{context.step.config['steps']}/w", b"w")
        return Outcome({"begun": begun})
    return Outcome()


def _make(recipe: Recipe, store: Store) -> dict[str, Artifact]:
    sources = resolve_sources(recipe.corpus)
    steps = steps_of(recipe, sources)
    return {key: carry_out(step, steps, store, sources, _train) for key, step in steps.items()}


def test_an_extension_begins_with_the_finished_checkpoints(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    first = _make(parse(TEXT), store)
    longer = parse(TEXT, ["pretrain.steps=25"])
    extended = extend_finished(longer, resolve_sources(longer.corpus), store)
    second = _make(extended, store)
    record = second["pretrain"].record
    assert record.counts == {"begun": 1}
    assert record.inputs["resumed"] == first["pretrain"].reference
    assert second["pretrain"].storage.folders("checkpoints") == ["step-10", "step-25"]
    assert second["tokens"] == first["tokens"]
    assert second["finetune"] != first["finetune"]
    again = extend_finished(longer, resolve_sources(longer.corpus), store)
    assert again == extended, "the same command is a cache hit"
    assert _make(longer, store)["pretrain"].record.counts == {"begun": 0}, "without --resume: anew"


@pytest.mark.parametrize("overrides", [[], ["pretrain.steps=5"], ["pretrain.steps=25", "seed=7"]])
def test_nothing_to_resume_says_so(tmp_path: Path, overrides: list[str]) -> None:
    store = Store.open(str(tmp_path))
    _make(parse(TEXT), store)
    recipe = parse(TEXT, overrides)
    with pytest.raises(RecipeError, match=r"nothing to resume: .* raise one"):
        extend_finished(recipe, resolve_sources(recipe.corpus), store)
