"""Where recipes are found, and how they are made fit to travel: shipped ones by name, others by path or URL."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gristmill import recipe as recipes
from gristmill.errors import RecipeError
from gristmill.storage import Storage

SHIPPED = Path(__file__).parent / "recipes"


def shipped() -> list[str]:
    """Return the names of the shipped recipes."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def load_recipe(where: str, overrides: Iterable[str] = ()) -> recipes.Recipe:
    """Load a recipe by shipped name, local path or URL. Raises RecipeError."""
    if "://" in where:
        base, question, query = where.partition("?")
        folder, _, name = base.rpartition("/")
        text = Storage.open(f"{folder}{question}{query}").read_bytes(name).decode()
        return recipes.parse(text, overrides, origin=where)
    named = SHIPPED / f"{where}.yaml"
    if named.is_file():
        return recipes.load(named, overrides)
    if Path(where).is_file():
        return recipes.load(where, overrides)
    raise RecipeError(f"no recipe '{where}': shipped are {', '.join(shipped())}; or give a path")


def absolute(recipe: recipes.Recipe, base: Path) -> recipes.Recipe:
    """Return the recipe with every relative path resolved against `base`, so that any job finds it.

    Names of bundled sets stay names: an entry of `instructions` or `decontaminate` counts as a path
    when it has a slash or a suffix.
    """
    changes: dict[str, Any] = {}
    values = recipe.model_dump(mode="json")
    sources = values["corpus"]["sources"]
    for source in sources:
        if "path" in source:
            source["path"] = _absolute(source["path"], base)
        if "paths" in source:
            source["paths"] = [_absolute(path, base) for path in source["paths"]]
    changes["corpus.sources"] = sources
    for key in ("corpus.decontaminate", "finetune.instructions"):
        section, field = key.split(".")
        if values[section] is not None:
            changes[key] = [
                _absolute(item, base) if "/" in item or Path(item).suffix else item
                for item in values[section][field]
            ]
    score = values["corpus"]["score"]
    if score is not None:
        changes["corpus.score.model"] = _absolute(score["model"], base)
    for key in ("tokenizer.from_model", "pretrain.initial_model"):
        section, field = key.split(".")
        if values[section] is not None and values[section][field]:
            changes[key] = _absolute(values[section][field], base)
    return recipes.with_values(recipe, changes)


def _absolute(path: str, base: Path) -> str:
    return path if "://" in path else str((base / Path(path).expanduser()).absolute())
