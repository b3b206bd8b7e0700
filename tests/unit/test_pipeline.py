"""The stage graph: order, fingerprints, what shares what."""

from pathlib import Path

import pytest

from gristmill.errors import RecipeError
from gristmill.pipeline import (
    closure,
    content_digest,
    resolve_auto,
    resolve_rounds,
    steps_of,
    trials_of,
)
from gristmill.recipe import Recipe, parse
from jobs.recipe_files import load_recipe
from tests.small_store import SOURCES

SMALL = """
name: small
corpus: {sources: [{kind: installed, names: [rich]}]}
model: {size: tiny}
pretrain: {batch_sequences: 4, learning_rate: 1e-3, steps: 10}
extend: {steps: 2}
finetune: {instructions: [alpaca-seed]}
evaluate: {}
serve: {}
"""


def _marks(recipe: Recipe) -> dict[str, str]:
    return {key: step.fingerprint for key, step in steps_of(recipe, SOURCES).items()}


def test_every_step_comes_after_its_inputs() -> None:
    steps = steps_of(load_recipe("smoke"), SOURCES)
    seen: set[str] = set()
    for key, step in steps.items():
        assert set(step.inputs) <= seen
        seen.add(key)
    assert {"corpus", "tokenizer", "tokens", "pretrain", "extend", "finetune"} <= seen
    assert steps["extend"].inputs == ("tokens:extend", "tokenizer", "pretrain")


def test_a_change_reaches_what_comes_after_and_nothing_else() -> None:
    base = _marks(parse(SMALL))
    changed = _marks(parse(SMALL, ["finetune.learning_rate=2e-5"]))
    different = {key for key in base if base[key] != changed[key]}
    assert different == {"finetune", "evaluate", "serve"}


def test_context_changes_nothing() -> None:
    overrides = ["corpus.workers=7", "pretrain.workers=8", "pretrain.zero_stage=3", "name=other"]
    assert _marks(parse(SMALL)) == _marks(parse(SMALL, overrides))


def test_sources_and_seed_change_everything() -> None:
    base = _marks(parse(SMALL))
    seeded = _marks(parse(SMALL, ["seed=1"]))
    sources = {k: s.fingerprint for k, s in steps_of(parse(SMALL), SOURCES[:1]).items()}
    assert all(base[key] != seeded[key] for key in base)
    assert all(base[key] != sources[key] for key in base)


def test_closure_takes_stages_and_steps_with_what_they_read() -> None:
    steps = steps_of(parse(SMALL), SOURCES)
    assert [s.key for s in closure(steps, ["pretrain"])] == [
        "corpus", "tokenizer", "tokens", "pretrain",
    ]  # fmt: skip
    assert [s.key for s in closure(steps, ["tokens"])] == [
        "corpus", "tokenizer", "tokens", "tokens:extend",
    ]  # fmt: skip
    assert [s.key for s in closure(steps, ["serve", "pretrain"])] == [
        "corpus", "tokenizer", "tokens", "pretrain", "serve",
    ]  # fmt: skip
    assert {s.key for s in closure(steps, ["serve"])} == set(steps) - {"evaluate"}
    assert closure(steps, []) == list(steps.values())
    with pytest.raises(RecipeError, match="no stage or step 'pretrian'; did you mean 'pretrain'"):
        closure(steps, ["pretrian"])


def test_a_sweep_shares_one_tokens_step_for_each_setting() -> None:
    text = SMALL + (
        "sweep: {space: {tokens.fim.rate: [0.0, 0.5, 1.0], pretrain.learning_rate: [1e-3, 2e-3]}}"
    )
    steps = steps_of(parse(text), SOURCES)
    assert [key for key in steps if key.startswith("tokens")] == [
        "tokens", "tokens:extend", "tokens:rate=0.0", "tokens:rate=1.0",
    ]  # fmt: skip
    assert len(trials_of(parse(text))) == 6
    assert len(trials_of(parse(text, ["sweep.max_trials=4", "sweep.seeds=2"]))) == 8


def test_points_are_trials_that_no_grid_describes() -> None:
    trials = trials_of(load_recipe("figure3"))
    fims = [(t.label, t.recipe.tokens.fim.rate, t.recipe.tokens.fim.prompt) for t in trials]
    arms = [
        ("0", 0.0, "psm"), ("0.5 PSM", 0.5, "psm"), ("1.0 PSM", 1.0, "psm"),
        ("0.5 SPM", 0.5, "spm"), ("0.5 MSP", 0.5, "psm"),
    ]  # fmt: skip
    assert fims == arms * 3
    assert [t.recipe.seed for t in trials[::5]] == [1234, 1235, 1236]
    with pytest.raises(RecipeError, match="neither space nor points"):
        trials_of(parse(SMALL + "sweep: {}"))
    with pytest.raises(
        RecipeError, match=r"'serve\.port' is not of corpus, tokens, model or pretrain"
    ):
        trials_of(parse(SMALL + "sweep: {points: [{serve.port: 1}]}"))


def test_a_sweep_may_vary_the_corpus_and_keeps_its_tokenizer() -> None:
    text = SMALL + "sweep: {space: {corpus.order: [scc, random, single]}}"
    steps = steps_of(parse(text), SOURCES)
    variants = ["corpus", "corpus:order=random", "corpus:order=single"]
    assert [key for key, step in steps.items() if step.stage == "corpus"] == variants
    assert len({steps[key].fingerprint for key in variants}) == 3
    assert steps["tokens:order=single"].inputs == ("corpus:order=single", "tokenizer")
    assert steps["tokens:order=single"].recipe.corpus.order == "single"
    assert steps["sweep"].inputs == (
        "corpus", "tokenizer", "tokens", "corpus:order=random", "tokens:order=random",
        "corpus:order=single", "tokens:order=single",
    )  # fmt: skip
    with pytest.raises(RecipeError, match=r"so 'corpus\.held_out\.share' cannot vary"):
        trials_of(parse(SMALL + "sweep: {space: {corpus.held_out.share: [0.1, 0.2]}}"))


def test_a_sweeps_budget_follows_the_pool() -> None:
    grid = "sweep: {space: {pretrain.learning_rate: [1e-4, 2e-4, 3e-4, 4e-4, 5e-4, 6e-4]}, %s}"
    four = resolve_rounds(parse(SMALL + grid % "rounds: 1"), 4)
    assert [t.recipe.pretrain.learning_rate for t in trials_of(four) if t.recipe.pretrain] == [
        1e-4, 3e-4, 4e-4, 6e-4,
    ]  # fmt: skip
    assert len(trials_of(resolve_rounds(parse(SMALL + grid % "rounds: 3, seeds: 2"), 4))) == 12
    assert len(trials_of(resolve_rounds(parse(SMALL + grid % "rounds: 1"), 32))) == 6
    wide = parse(SMALL + grid % "rounds: 1, workers_per_trial: 4, max_trials: 5")
    assert len(trials_of(resolve_rounds(wide, 8))) == 2
    same = parse(SMALL + grid % "max_trials: 5")
    assert resolve_rounds(same, 8) == same


def test_schedules_are_compared_at_their_common_end_only() -> None:
    text = SMALL + "sweep: {space: {pretrain.schedule.kind: [wsd, cosine]}}"
    with pytest.raises(RecipeError, match=r"set sweep\.scheduler to none"):
        trials_of(parse(text))
    assert len(trials_of(parse(text, ["sweep.scheduler=none"]))) == 2


def test_a_recipe_that_is_for_its_sweep_has_no_pretrain_stage() -> None:
    steps = steps_of(load_recipe("figure3"), SOURCES)
    assert [key for key, step in steps.items() if step.stage != "tokens"] == [
        "corpus", "tokenizer", "sweep",
    ]  # fmt: skip


def test_auto_precision_is_resolved_before_the_fingerprint() -> None:
    recipe = parse(SMALL)
    fp32, bf16 = resolve_auto(recipe, gpu=False), resolve_auto(recipe, gpu=True)
    assert fp32.pretrain and fp32.pretrain.precision == "fp32"
    assert bf16.pretrain and bf16.pretrain.precision == "bf16"
    assert _marks(recipe)["pretrain"] == _marks(fp32)["pretrain"] != _marks(bf16)["pretrain"]


def test_given_files_count_by_content_never_by_path(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "model").mkdir(parents=True)
        (tmp_path / name / "model/weights.bin").write_bytes(b"w" * 2**20 + b"same")
    one, two = (str(tmp_path / name / "model") for name in ("one", "two"))
    assert content_digest(one) == content_digest(two)
    (tmp_path / "two/model/weights.bin").write_bytes(b"w" * 2**20 + b"else")
    assert content_digest(one) != content_digest(two)
    assert content_digest("alpaca-seed") == "alpaca-seed"
    with pytest.raises(RecipeError, match="is not there; correct the path"):
        content_digest(str(tmp_path / "three/model"))
    models = [parse(SMALL, [f"pretrain.initial_model={path}"]) for path in (one, two)]
    assert _marks(models[0])["pretrain"] != _marks(models[1])["pretrain"]
    scored = [parse(SMALL, [f"corpus.score={{model: {path}}}"]) for path in (one, two)]
    assert _marks(scored[0])["corpus"] != _marks(scored[1])["corpus"]
    assert _marks(scored[0])["corpus"] != _marks(parse(SMALL))["corpus"]
