"""A store whose recipe has everything that `serve` needs: tiny random models with a lineage, no Ray."""

from collections.abc import Callable
from pathlib import Path

from gristmill.artifacts import Store
from gristmill.corpus.sources import resolve_sources
from gristmill.pipeline import Step, steps_of
from gristmill.recipe import Recipe, parse
from jobs.stage import Outcome, StageContext, carry_out
from tests.model_folder import sized_model, tiny_model


def served_store(
    folder: Path, port: int, seed: int = 1, size: str | None = None
) -> tuple[Store, Recipe, dict[str, Step]]:
    """Return a store with a completion and a chat model, their recipe (`made`) and its steps.

    `size` names the completion model's; without it both are tiny.
    """
    recipe = parse(recipe_text(port, seed))
    sources = resolve_sources(recipe.corpus)
    steps = steps_of(recipe, sources)
    store = Store.open(str(folder))
    for key in ("corpus", "tokenizer", "tokens"):
        carry_out(steps[key], steps, store, sources, lambda context: Outcome())
    for key in ("pretrain", "finetune"):
        make = _sized(size) if size is not None and key == "pretrain" else _model
        carry_out(steps[key], steps, store, sources, make)
    return store, recipe, steps


def recipe_text(port: int, seed: int = 1, scaling: str = "max_replicas: 2") -> str:
    """Return the recipe; another seed makes other models of the same names."""
    return f"""
name: made
seed: {seed}
corpus: {{sources: [{{kind: installed, names: [idna]}}]}}
pretrain: {{steps: 1, batch_sequences: 1}}
finetune: {{steps: 1, batch_sequences: 1}}
serve: {{port: {port}, {scaling}, max_batch: 4, max_queued: 8, cache_tokens: 8192, follow_s: 0.5}}
"""


def _sized(size: str) -> Callable[[StageContext], Outcome]:
    def make(context: StageContext) -> Outcome:
        local = context.draft.storage.local()
        assert local is not None
        sized_model(local / "model", size, seed=context.recipe.seed)
        return Outcome(counts={"steps": 1})

    return make


def _model(context: StageContext) -> Outcome:
    local = context.draft.storage.local()
    assert local is not None
    tiny_model(local / "model", seed=context.recipe.seed)
    return Outcome(counts={"steps": 1})
