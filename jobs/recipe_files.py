"""Where recipes are found: shipped ones by name, others by path or URL."""

from collections.abc import Iterable
from pathlib import Path

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
        folder, _, name = where.rpartition("/")
        text = Storage.open(folder).read_bytes(name).decode()
        return recipes.parse(text, overrides, origin=where)
    named = SHIPPED / f"{where}.yaml"
    if named.is_file():
        return recipes.load(named, overrides)
    if Path(where).is_file():
        return recipes.load(where, overrides)
    raise RecipeError(f"no recipe '{where}': shipped are {', '.join(shipped())}; or give a path")
