"""A recipe: one typed description of a run, and the YAML it is read from.

A recipe is one YAML file, one section a stage. It is read into frozen, strict models; an unknown key
is an error that names the nearest known key. `overrides` are `a.b=c` pairs with YAML values. Shipped
recipes (`jobs/recipes/*.yaml`) are named by their file's stem.
"""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, Field, ValidationError

from gristmill.corpus.config import CorpusSection
from gristmill.errors import RecipeError
from gristmill.evaluation.config import EvaluateSection
from gristmill.model.config import ModelSection
from gristmill.section import Section
from gristmill.serving.config import ServeSection
from gristmill.serving.index_config import IndexSection
from gristmill.tokens.config import TokenizerSection, TokensSection
from gristmill.training.config import (
    ExtendSection,
    FinetuneSection,
    PretrainSection,
    SweepSection,
)


class Recipe(Section):
    """A run. A section left out is a stage left out; `corpus`, `tokenizer`, `model` are always there."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    description: str = ""
    seed: int = 1234
    corpus: CorpusSection
    tokenizer: TokenizerSection = TokenizerSection()
    tokens: TokensSection = TokensSection()
    model: ModelSection = ModelSection()
    index: IndexSection | None = None
    pretrain: PretrainSection | None = None
    extend: ExtendSection | None = None
    finetune: FinetuneSection | None = None
    sweep: SweepSection | None = None
    evaluate: EvaluateSection | None = None
    serve: ServeSection | None = None


class _Loader(yaml.SafeLoader):
    """YAML 1.2 numbers: `1e-5` is a float, as everybody who writes a learning rate expects."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d[\d_]*\.?\d*|\.\d+)([eE][-+]?\d+)?$|^[-+]?\.(inf|Inf)$|^\.(nan|NaN)$"),
    list("-+0123456789."),
)
_Loader.yaml_implicit_resolvers = {
    # ints before our floats, or `12` would be a float
    first: sorted(pairs, key=lambda pair: pair[0] != "tag:yaml.org,2002:int")
    for first, pairs in _Loader.yaml_implicit_resolvers.items()
}


def parse_yaml(text: str) -> Any:
    """Parse YAML with YAML 1.2 numbers. Raises RecipeError with the line when it is no YAML."""
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that no calendar has
        raise RecipeError(f"not valid YAML: {error}") from error


def load(path: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe file and apply `a.b=c` overrides. Raises RecipeError."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeError(f"recipe {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"recipe {path} is no text: {error}; give a YAML file") from error
    return parse(text, overrides, origin=str(path))


def parse(text: str, overrides: Iterable[str] = (), origin: str = "recipe") -> Recipe:
    """Build a recipe from YAML text and overrides. Raises RecipeError naming key and nearest key."""
    try:
        values = parse_yaml(text)
    except RecipeError as error:
        raise RecipeError(f"{origin}: {error}") from error
    if not isinstance(values, dict):
        raise RecipeError(
            f"{origin}: a recipe is a mapping of sections, found {type(values).__name__}"
        )
    for override in overrides:
        _apply(values, override)
    return build(values, origin)


def build(values: Mapping[str, Any], origin: str = "recipe") -> Recipe:
    """Validate plain values into a Recipe. Raises RecipeError."""
    try:
        return Recipe.model_validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        lines = [f"{origin}: {_explain(item)}" for item in error.errors()]
        raise RecipeError("\n".join(lines)) from error


def dump(recipe: Recipe) -> str:
    """Return the recipe as YAML that `parse` reads back to an equal recipe."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)


def with_values(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """Return the recipe with dotted keys replaced (`{"tokens.fim.rate": 0.5}`). Raises RecipeError."""
    values = recipe.model_dump(mode="json")
    for key, value in changes.items():
        _set(values, key, value)
    return build(values, recipe.name)


def _apply(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise RecipeError(f"override '{override}' is not of the form a.b=value")
    try:
        value = parse_yaml(text)
    except RecipeError as error:
        raise RecipeError(f"override '{override}': {error}") from error
    _set(values, key.strip(), value)


def _set(values: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    at = values
    for parent in parents:
        if at.get(parent) is None:
            at[parent] = {}
        at = at[parent]
        if not isinstance(at, dict):
            raise RecipeError(f"override {key}: '{parent}' is a value, not a section")
    at[last] = value


def _explain(item: Any) -> str:
    path = [str(part) for part in item["loc"] if not _is_tag(part)]
    where = ".".join(path)
    if item["type"] == "extra_forbidden":
        known = _fields_at(path[:-1])
        near = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.4)
        hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(sorted(known))}"
        return f"unknown key '{where}'; {hint}"
    if item["type"] == "missing":
        return f"missing key '{where}'"
    found = json.dumps(item["input"], default=str)
    return f"'{where}' is {found[:80]}: {item['msg'][0].lower()}{item['msg'][1:]}"


def _is_tag(part: object) -> bool:
    return isinstance(part, str) and part in {"installed", "folder", "git", "archive", "table"}


def _fields_at(path: list[str]) -> list[str]:
    models: list[type[BaseModel]] = [Recipe]
    for part in path:
        if part.isdigit():
            continue
        inner: list[type[BaseModel]] = []
        for model in models:
            if part in model.model_fields:
                inner += _models_in(model.model_fields[part].annotation)
        models = inner
    return sorted({name for model in models for name in model.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models_in(inner)]
