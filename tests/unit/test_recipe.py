"""Recipes are strict, and say what is wrong with them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.errors import RecipeError
from gristmill.recipe import dump, load, parse, parse_yaml, with_values
from jobs.recipe_files import SHIPPED, shipped

BASE = "name: r\ncorpus: {sources: [{kind: installed, names: [rich]}]}\npretrain: {}\n"


@pytest.mark.parametrize("name", shipped())
def test_shipped_recipes_read_back_from_their_dump(name: str) -> None:
    recipe = load(SHIPPED / f"{name}.yaml")
    assert recipe.name == name
    assert recipe.description
    assert parse(dump(recipe)) == recipe


def test_all_recipes_are_shipped() -> None:
    studies = {"figure3", "figure3-1.3b", "schedules", "order"}
    assert {"laptop", "smoke", "1.3b", "6.7b", "33b", "v1.5"} | studies <= set(shipped())


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "pretrain.learning_rat=1",
            "unknown key 'pretrain.learning_rat'; did you mean 'learning_rate'",
        ),
        ("pretrian.steps=1", "unknown key 'pretrian'; did you mean 'pretrain'"),
        ("tokens.fim.rate=2", "'tokens.fim.rate' is 2: input should be less than or equal to 1"),
        ("pretrain.batch_sequences=0", "'pretrain.batch_sequences' is 0: input should be greater"),
        ("pretrain.checkpoint_every=0", "'pretrain.checkpoint_every' is 0"),
        ("corpus.dedup.bands=13", "dedup.num_hashes 125 must divide by dedup.bands 13"),
        ("corpus.order=sideways", "'corpus.order' is \"sideways\""),
        ("corpus.sources=[{kind: folder}]", "missing key 'corpus.sources.0.path'"),
        ("corpus.sources=[{kind: folder, pth: x}]", "did you mean 'path'"),
        ("model.size=2b", "model size '2b' is unknown; sizes are tiny"),
        (
            "pretrain.steps.more=1",
            "override pretrain.steps.more: 'steps' is a value, not a section",
        ),
        ("seed", "override 'seed' is not of the form a.b=value"),
        ("name=Bad Name", "'name' is"),
    ],
)
def test_what_is_wrong_is_named(override: str, message: str) -> None:
    base = BASE.replace("pretrain: {}", "pretrain: {steps: 5}")
    with pytest.raises(RecipeError) as caught:
        parse(base, [override])
    assert message in str(caught.value)
    assert caught.value.exit_code == 2


def test_every_mistake_is_reported_at_once() -> None:
    with pytest.raises(RecipeError) as caught:
        parse(BASE, ["a=1", "b=2"])
    assert len(str(caught.value).splitlines()) == 2


def test_text_that_is_no_recipe() -> None:
    for text, message in (
        ("- a", "found list"),
        ("a: [", "not valid YAML"),
        ("", "found NoneType"),
    ):
        with pytest.raises(RecipeError, match=message):
            parse(text)
    with pytest.raises(RecipeError, match="cannot be read: No such file"):
        load("/no/such/recipe.yaml")


def test_numbers_are_yaml_1_2() -> None:
    assert parse_yaml("[1e-5, 3e-3, 12, 1.5, -2E+3, .5, '1e-5', 1.2.3]") == [
        1e-5, 3e-3, 12, 1.5, -2000.0, 0.5, "1e-5", "1.2.3",
    ]  # fmt: skip
    assert type(parse_yaml("12")) is int


@given(rate=st.floats(0, 1), steps=st.integers(1, 10**9))
def test_overrides_and_changed_values_agree(rate: float, steps: int) -> None:
    changes = {"tokens.fim.rate": rate, "pretrain.steps": steps}
    texts = [f"{key}={value!r}" for key, value in changes.items()]
    assert parse(BASE, texts) == with_values(parse(BASE), changes)


def test_what_is_no_yaml_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"override 'seed=\[': not valid YAML"):
        parse("name: r", ["seed=["])
    with pytest.raises(RecipeError, match="here: not valid YAML"):
        parse("name: [", origin="here")
    (tmp_path / "r.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match=r"r\.yaml is no text"):
        load(tmp_path / "r.yaml")
