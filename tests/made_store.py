"""A store with a small corpus and its tokenizer, made without Ray, for tests of what comes after them."""

from pathlib import Path

from gristmill.artifacts import Store
from gristmill.corpus.sources import resolve_sources
from gristmill.pipeline import Step, steps_of
from gristmill.recipe import Recipe, parse
from gristmill.tokens.bpe import train
from jobs.stage import Outcome, StageContext, carry_out
from tests.made_corpus import document, write_documents

TEXT = """\
import math


def area_{0}(radius):
    # a circle
    if radius < {0}:
        raise ValueError("too small")
    return math.pi * radius ** 2


def total_{0}(values):
    result = {0}
    for value in values:
        result += area_{0}(value)
    return result
"""


def made_store(
    folder: Path, recipe_text: str, *, resolve: bool = False
) -> tuple[Store, Recipe, dict[str, Step]]:
    """Return a store that holds the recipe's `corpus` and `tokenizer`, and the recipe's steps.

    With `resolve` the recipe's sources are looked up, as a job does, so that a job finds the same.
    """
    recipe = parse(recipe_text)
    sources = resolve_sources(recipe.corpus) if resolve else ()
    steps = steps_of(recipe, sources)
    store = Store.open(str(folder))
    carry_out(steps["corpus"], steps, store, sources, _corpus)
    carry_out(steps["tokenizer"], steps, store, sources, _tokenizer)
    return store, recipe, steps


def _corpus(context: StageContext) -> Outcome:
    write_documents(
        context.draft.storage,
        [
            document(
                {f"a/{number}.py": TEXT.replace("{0}", str(number)) * 2},
                f"r{number % 4}",
                "train" if number % 4 else "held_out",
            )
            for number in range(40)
        ],
    )
    return Outcome()


def _tokenizer(context: StageContext) -> Outcome:
    texts = [TEXT.replace("{0}", str(number)) for number in range(40)]
    train(texts, context.recipe.tokenizer.vocab_size).save(context.draft.storage)
    return Outcome()
