"""The stage graph of a recipe: which steps, from what, with which fingerprint.

A stage is a kind of work; a step is a stage with its config in one recipe. `extend` reads longer
sequences than `pretrain` and a sweep reads one tokens artifact per FIM setting, so the stage `tokens`
may stand for several steps. Keys name steps inside a recipe; artifacts are named `<recipe>-<stage>`.
"""

from __future__ import annotations

import difflib
import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gristmill.artifacts import SourceIdentity, fingerprint
from gristmill.errors import RecipeError
from gristmill.recipe import Recipe, with_values

VERSIONS = {
    "corpus": 4,
    "tokenizer": 2,
    "tokens": 2,
    "index": 1,
    "pretrain": 2,
    "extend": 2,
    "finetune": 2,
    "sweep": 2,
    "evaluate": 3,
    "serve": 1,
}
"""Raised when a stage's output changes for the same config and inputs."""

STAGES = tuple(VERSIONS)
"""In pipeline order."""

POOLS = {
    "corpus": "data",
    "tokenizer": "data",
    "tokens": "data",
    "index": "data",
    "pretrain": "train",
    "extend": "train",
    "finetune": "train",
    "sweep": "train",
    "evaluate": "serve",
    "serve": "serve",
}
"""The pool, by label, that a stage's workers ask for."""


_END_BYTES = 2**19


@dataclass(frozen=True)
class Step:
    """One stage of one recipe, with everything that decides what it makes."""

    key: str
    """Unique in the recipe: the stage, or e.g. `tokens:extend`, `tokens:3f2a91`."""
    stage: str
    name: str
    """Of its artifact."""
    config: dict[str, Any]
    """Identity values: the stage's section and what else of the recipe it depends on."""
    inputs: tuple[str, ...]
    """Keys of the steps whose artifacts it reads."""
    fingerprint: str
    recipe: Recipe
    """The recipe as this step sees it: for a sweep's tokens, with the grid point's values."""


@dataclass(frozen=True)
class Trial:
    """One grid point of a sweep."""

    number: int
    label: str
    """What the point is called where it is drawn; empty when its values say it."""
    values: dict[str, Any]
    """Dotted recipe keys and their values, the seed among them."""
    recipe: Recipe
    corpus_key: str
    tokens_key: str


def steps_of(
    recipe: Recipe, sources: tuple[SourceIdentity, ...], *, gpu: bool = False
) -> dict[str, Step]:
    """Return the recipe's steps by key, in an order that can be run. `auto` values resolved by `gpu`."""
    graph = _Graph(resolve_auto(recipe, gpu=gpu), {}, sources)
    graph.add_corpus("corpus", recipe)
    given = {"from_model": content_digest(recipe.tokenizer.from_model)}
    graph.add("tokenizer", "tokenizer", {**recipe.tokenizer.identity(), **given}, ("corpus",))
    indexes: tuple[str, ...] = ()
    if recipe.index is not None:
        graph.add("index", "index", recipe.index.identity(), ("corpus",))
        indexes = ("index",)
    models: list[str] = []
    if recipe.pretrain is not None and not (recipe.sweep is not None and recipe.sweep.alone):
        graph.add_tokens("tokens", recipe)
        graph.add_training("pretrain", ("tokens", "tokenizer"))
        models.append("pretrain")
    if recipe.extend is not None:
        extended = with_values(recipe, {"tokens": recipe.extend.tokens.model_dump(mode="json")})
        graph.add_tokens("tokens:extend", extended)
        graph.add_training("extend", ("tokens:extend", "tokenizer", *models[-1:]))
        models.append("extend")
    if recipe.finetune is not None:
        graph.add_training("finetune", ("tokenizer", *models[-1:]))
        models.append("finetune")
    if recipe.sweep is not None:
        trials = graph.add_trials()
        made = (key for trial in trials for key in (trial.corpus_key, trial.tokens_key))
        inputs = tuple(dict.fromkeys(("corpus", "tokenizer", *made)))
        graph.add("sweep", "sweep", graph.sweep_config(), inputs)
    if recipe.evaluate is not None:
        config = {**recipe.evaluate.identity(), "seed": recipe.seed}
        graph.add("evaluate", "evaluate", config, ("corpus", "tokenizer", *models))
    if recipe.serve is not None:
        graph.add("serve", "serve", recipe.serve.identity(), (*models, *indexes))
    return graph.steps


def closure(steps: Mapping[str, Step], wanted: Sequence[str]) -> list[Step]:
    """Return the steps that `wanted` stages or step keys need, in order; all when it is empty.

    `serve` named beside models serves those, and asks for no others.
    Raises RecipeError for a name that is neither a step nor a stage of the recipe.
    """
    if not wanted:
        return list(steps.values())
    needed: set[str] = set()
    for name in wanted:
        keys = [key for key, step in steps.items() if name in (key, step.stage)]
        if not keys:
            near = difflib.get_close_matches(name, steps, n=1, cutoff=0.4)
            hint = f"did you mean '{near[0]}'?" if near else f"steps are {', '.join(steps)}"
            raise RecipeError(f"the recipe has no stage or step '{name}'; {hint}")
        needed.update(keys)
    for key in reversed(list(steps)):
        served = steps[key].stage == "serve" and not needed.isdisjoint(steps[key].inputs)
        if key in needed and not served:
            needed.update(steps[key].inputs)
    return [step for key, step in steps.items() if key in needed]


def resolve_auto(recipe: Recipe, *, gpu: bool) -> Recipe:
    """Return the recipe with `auto` precisions made definite: bf16 where there are GPUs, else fp32."""
    definite = "bf16" if gpu else "fp32"
    changes = {
        f"{name}.precision": definite
        for name in ("pretrain", "extend", "finetune", "serve")
        if (section := getattr(recipe, name)) is not None and section.precision == "auto"
    }
    return with_values(recipe, changes) if changes else recipe


def resolve_rounds(recipe: Recipe, slots: int) -> Recipe:
    """Return the recipe with its sweep's budget in trials, for a train pool of so many workers."""
    sweep = recipe.sweep
    if sweep is None or sweep.rounds is None:
        return recipe
    trials = sweep.rounds * max(1, slots // sweep.workers_per_trial)
    points = max(1, trials // sweep.seeds)
    if sweep.max_trials is not None:
        points = min(points, sweep.max_trials)
    return with_values(recipe, {"sweep.max_trials": points, "sweep.rounds": None})


def trials_of(recipe: Recipe) -> list[Trial]:
    """Return the points of a recipe's sweep, `max_trials` of them spread evenly, once a seed.

    All points of a seed come before the next seed's, so that a sweep that is cut short compares them
    all. Raises RecipeError.
    """
    sweep = recipe.sweep
    if sweep is None:
        raise RecipeError(f"recipe {recipe.name} has no sweep section")
    grid = [
        dict(zip(sweep.space, values, strict=True))
        for values in itertools.product(*sweep.space.values())
        if sweep.space
    ]
    points = _spread([*grid, *sweep.points], sweep.max_trials)
    if not points:
        raise RecipeError("sweep has neither space nor points; say what to vary")
    _check_points(recipe, points)
    trials: list[Trial] = []
    for seed in range(sweep.seeds):
        for point in points:
            values = {key: value for key, value in point.items() if key != "label"}
            chosen = {**values, "seed": recipe.seed + seed}
            corpus, tokens = _own_keys(recipe, values)
            label = str(point.get("label", ""))
            trials.append(
                Trial(len(trials), label, chosen, with_values(recipe, chosen), corpus, tokens)
            )
    return trials


def _check_points(recipe: Recipe, points: Sequence[Mapping[str, Any]]) -> None:
    """Raise RecipeError for a key that cannot be varied, or one that cannot be compared as asked."""
    sweep = recipe.sweep
    for key in dict.fromkeys(key for point in points for key in point if key != "label"):
        section = key.split(".")[0]
        if section not in {"corpus", "tokens", "model", "pretrain"}:
            raise RecipeError(f"sweep: '{key}' is not of corpus, tokens, model or pretrain")
        if key.startswith(("corpus.sources", "corpus.held_out")):
            raise RecipeError(
                f"sweep: trials are asked the same held-out files, so '{key}' cannot vary"
            )
        if key.startswith("pretrain.schedule") and sweep and sweep.scheduler == "asha":
            raise RecipeError(
                f"sweep: '{key}' varies, and a rate that falls early looks better early; schedules "
                "are compared at their common end: set sweep.scheduler to none"
            )


def _own_keys(recipe: Recipe, values: Mapping[str, Any]) -> tuple[str, str]:
    """Return the keys of a trial's corpus and tokens steps: the recipe's own where nothing differs."""
    corpus = {key: value for key, value in values.items() if key.startswith("corpus.")}
    tokens = {key: value for key, value in values.items() if key.startswith("tokens.")}
    base = with_values(recipe, {**corpus, **tokens})
    if base.corpus.identity() == recipe.corpus.identity():
        corpus = {}
    if base.tokens.identity() == recipe.tokens.identity():
        tokens = {}
    both = {**corpus, **tokens}
    return _variant("corpus", corpus), _variant("tokens", both)


def _variant(stage: str, values: Mapping[str, Any]) -> str:
    suffix = ",".join(f"{key.split('.')[-1]}={values[key]}" for key in sorted(values))
    return f"{stage}:{suffix}" if values else stage


def content_digest(where: str | None) -> str | None:
    """Return what identifies a local file or folder whatever its path: a digest of its content.

    Names of bundled sets and URLs stand for themselves. Of files above 1 MiB the size and both ends
    count, which tells checkpoints apart without reading them whole. Raises RecipeError for a path
    that is not there.
    """
    if where is None or "://" in where or not ("/" in where or Path(where).suffix):
        return where
    root = Path(where)
    if not root.exists():
        raise RecipeError(f"{where} is not there; correct the path in the recipe or override it")
    digest = hashlib.sha256()
    for path in [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.is_file()):
        size = path.stat().st_size
        name = "" if path == root else path.relative_to(root).as_posix()
        digest.update(f"{name}\0{size}\0".encode())
        with path.open("rb") as file:
            digest.update(file.read(_END_BYTES))
            if size > _END_BYTES:
                file.seek(max(_END_BYTES, size - _END_BYTES))
                digest.update(file.read())
    return f"sha256:{digest.hexdigest()}"


def _spread(grid: Sequence[dict[str, Any]], limit: int | None) -> list[dict[str, Any]]:
    if limit is None or limit >= len(grid):
        return list(grid)
    return [grid[round(i * (len(grid) - 1) / max(limit - 1, 1))] for i in range(limit)]


@dataclass
class _Graph:
    recipe: Recipe
    steps: dict[str, Step]
    sources: tuple[SourceIdentity, ...]

    def add(
        self,
        key: str,
        stage: str,
        config: Mapping[str, Any],
        inputs: tuple[str, ...],
        *,
        sources: tuple[SourceIdentity, ...] = (),
        recipe: Recipe | None = None,
    ) -> None:
        """Add a step whose inputs are there already."""
        plain = json.loads(json.dumps(config))
        if stage in ("corpus", "tokenizer", "tokens"):
            plain["seed"] = self.recipe.seed
        upstream = {name: self.steps[name].fingerprint for name in inputs}
        mark = fingerprint(stage, VERSIONS[stage], plain, upstream, sources)
        name = f"{self.recipe.name}-{stage}"
        self.steps[key] = Step(key, stage, name, plain, inputs, mark, recipe or self.recipe)

    def add_corpus(self, key: str, recipe: Recipe) -> None:
        """Add a corpus step as `recipe` describes it."""
        if key in self.steps:
            return
        section = recipe.corpus
        benchmarks = [content_digest(name) for name in section.decontaminate]
        config = {**section.identity(), "decontaminate": benchmarks}
        if section.score is not None:
            scorer = content_digest(section.score.model)
            config["score"] = {**section.score.identity(), "model": scorer}
        own = with_values(self.recipe, {"corpus": section.model_dump(mode="json")})
        self.add(key, "corpus", config, (), sources=self.sources, recipe=own)

    def add_tokens(self, key: str, recipe: Recipe, corpus: str = "corpus") -> None:
        """Add a tokens step as `recipe` describes it."""
        if key not in self.steps:
            self.add(key, "tokens", recipe.tokens.identity(), (corpus, "tokenizer"), recipe=recipe)

    def add_training(self, stage: str, inputs: tuple[str, ...]) -> None:
        """Add pretrain, extend or finetune; a stage that starts from random weights owns the shape."""
        section = getattr(self.recipe, stage)
        config = {**section.identity(), "seed": self.recipe.seed}
        if self.recipe.pretrain is not None and stage == "pretrain":
            config["model"] = self.recipe.model.identity()
            config["initial_model"] = content_digest(self.recipe.pretrain.initial_model)
        if self.recipe.finetune is not None and stage == "finetune":
            sets = self.recipe.finetune.instructions
            config["instructions"] = [content_digest(name) for name in sets]
        self.add(stage, stage, config, inputs)

    def add_trials(self) -> list[Trial]:
        """Add the corpus and tokens steps that the sweep's trials need and return the trials.

        All trials have the recipe's own tokenizer, so that their tokens are alike.
        """
        trials = trials_of(self.recipe)
        for trial in trials:
            values = trial.recipe.model_dump(mode="json", include={"corpus", "tokens"})
            self.add_corpus(trial.corpus_key, trial.recipe)
            own = with_values(self.recipe, values)
            self.add_tokens(trial.tokens_key, own, trial.corpus_key)
        return trials

    def sweep_config(self) -> dict[str, Any]:
        """Return what decides a sweep: its section and the pretraining it varies."""
        assert self.recipe.sweep is not None
        pretrain = self.recipe.pretrain
        return {
            **self.recipe.sweep.identity(),
            "seed": self.recipe.seed,
            "model": self.recipe.model.identity(),
            "pretrain": None if pretrain is None else pretrain.identity(),
        }
