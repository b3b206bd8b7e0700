"""Plans: every shipped recipe has one, hits are hits, nothing is invented."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from cluster.definition import load as load_definition
from gristmill.artifacts import Store
from gristmill.corpus.sources import resolve_sources
from gristmill.errors import SourceError
from gristmill.pipeline import steps_of
from gristmill.recipe import Recipe, parse
from jobs import plan
from jobs.launch import prepare
from jobs.recipe_files import shipped
from jobs.stage import carry_out
from tests.job_table import leave_a_file

SMALL = """
name: small
corpus: {sources: [{kind: installed, names: [typer]}]}
model: {size: tiny}
pretrain: {batch_sequences: 4, learning_rate: 1e-3, steps: 10}
"""


@pytest.fixture
def beside_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder that holds what the shipped recipes expect beside them."""
    for name in ("repositories", "documentation", "mathematics", "text"):
        (tmp_path / name / f"one-{name}").mkdir(parents=True)
        (tmp_path / name / f"one-{name}/a.py").write_text("print('hello')\n")
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _plan(recipe: Recipe, store: Store, local: bool = True) -> plan.Plan:
    return plan.make(recipe, resolve_sources(recipe.corpus), store, load_definition(), (), local)


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_recipe_has_a_plan(name: str, beside_sources: Path) -> None:
    recipe = prepare(name, (), gpu=True)
    made = _plan(recipe, Store.open(str(beside_sources / "store")), local=False)
    assert not any(row.cached for row in made.rows)
    trained = [row for row in made.rows if row.stage in ("pretrain", "extend")]
    for row in trained:
        assert row.tokens and row.flops and row.memory_bytes and row.time_s and row.cost
    console = Console(width=160, record=True, file=io.StringIO())
    plan.show(made, console)
    assert "nothing was started" in console.export_text()
    assert plan.as_json(made)["cost"] == made.cost


def test_the_papers_runs_cost_what_their_size_says(beside_sources: Path) -> None:
    store = Store.open(str(beside_sources / "store"))
    rows = {
        name: {row.step: row for row in _plan(prepare(name, (), gpu=True), store, False).rows}
        for name in ("1.3b", "6.7b", "33b")
    }
    for name in rows:
        assert rows[name]["pretrain"].tokens == pytest.approx(1.8e12, rel=1e-3)
        assert rows[name]["extend"].tokens == 1000 * 512 * 16384
        assert rows[name]["finetune"].tokens == pytest.approx(2e9, rel=0.01)
    flops = {name: rows[name]["pretrain"].flops or 0.0 for name in rows}
    assert 4 < flops["6.7b"] / flops["1.3b"] < 6
    assert 4 < flops["33b"] / flops["6.7b"] < 6
    assert all(
        (row.memory_bytes or 0) < 80 * 2**30 for plans in rows.values() for row in plans.values()
    ), "every worker fits the definition's 80 GB"


def test_a_missing_source_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = prepare("1.3b", (), gpu=True)
    with pytest.raises(SourceError, match=f"{tmp_path}/repositories"):
        resolve_sources(recipe.corpus)


def test_hits_and_measured_speed_come_from_the_store(tmp_path: Path) -> None:
    recipe, store = parse(SMALL), Store.open(str(tmp_path))
    sources = resolve_sources(recipe.corpus)
    steps = steps_of(recipe, sources)
    before = _plan(recipe, store)
    assert [bool(row.cached) for row in before.rows] == [False] * 4
    for step in steps.values():
        carry_out(step, steps, store, sources, leave_a_file)
    after = _plan(recipe, store)
    assert [row.cached.split("@")[0] for row in after.rows] == [
        "small-corpus", "small-tokenizer", "small-tokens", "small-pretrain",
    ]  # fmt: skip
    assert after.time_s == 0 < before.time_s
    assert before.cost == 0, "a laptop costs nothing"
