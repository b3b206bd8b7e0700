"""Recipes are found by name, path or URL, and made fit to travel."""

from pathlib import Path

import pytest

from gristmill.errors import RecipeError
from gristmill.recipe import dump, parse
from jobs.recipe_files import absolute, load_recipe

TEXT = """
name: r
corpus:
  sources: [{kind: folder, path: code}, {kind: table, paths: [t.parquet]}, {kind: git, path: /g}]
  decontaminate: [humaneval, ./mine.jsonl]
  score: {model: models/small}
tokenizer: {from_model: model}
pretrain: {initial_model: "s3://b/m"}
finetune: {instructions: [alpaca-seed, sets/own.json]}
"""


def test_relative_paths_become_absolute_and_names_stay(tmp_path: Path) -> None:
    recipe = absolute(parse(TEXT), tmp_path)
    sources = [source.model_dump() for source in recipe.corpus.sources]
    assert sources[0]["path"] == f"{tmp_path}/code"
    assert sources[1]["paths"] == (f"{tmp_path}/t.parquet",)
    assert sources[2]["path"] == "/g"
    assert recipe.corpus.decontaminate == ("humaneval", f"{tmp_path}/mine.jsonl")
    assert recipe.corpus.score and recipe.corpus.score.model == f"{tmp_path}/models/small"
    assert recipe.tokenizer.from_model == f"{tmp_path}/model"
    assert recipe.pretrain and recipe.pretrain.initial_model == "s3://b/m"
    assert recipe.finetune and recipe.finetune.instructions == (
        "alpaca-seed",
        f"{tmp_path}/sets/own.json",
    )
    assert absolute(recipe, Path("/elsewhere")) == recipe


def test_a_recipe_is_named_or_a_path(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(dump(parse(TEXT)))
    assert load_recipe(str(path)) == parse(TEXT)
    assert load_recipe("smoke", ["seed=7"]).seed == 7
    with pytest.raises(RecipeError, match=r"no recipe 'smokey': shipped are .*or give a path"):
        load_recipe("smokey")
