"""What `pretrain`, `extend`, `finetune` and `sweep` share: fit a TrainRequest on Ray Train.

`fit` builds the TorchTrainer and returns rank 0's figures; `train_stage` does it for a stage. Ray
restarts the whole worker group when a worker or its node dies (`max_failures` times); the group goes on
from the newest whole checkpoint in the draft, and so does the next `run` after an interrupted job.

For a sweep: give the request `held_out` (times, files, seed, corpus) and `fit` the Tune callback
(`callbacks=[TuneReportCallback()]`); each measure then reports `step`, `tokens`, `loss`,
`l2r_bits_per_byte`, `fim_bits_per_byte` and `infilling_exact_match`. The figures `fit` returns are
`loss_first`, `loss_last`, `tokens_per_s`, `steps` and `tokens`; curves are also in `metrics.jsonl`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray.train.torch import TorchConfig
from ray.train.v2.api.callback import UserCallback
from ray.train.v2.api.config import FailureConfig, RunConfig, ScalingConfig
from ray.train.v2.torch.torch_trainer import TorchTrainer

from actors.trainer import FAILURE, train
from gristmill import errors
from gristmill.artifacts import Artifact
from gristmill.errors import TrainingError
from gristmill.storage import Storage
from gristmill.tokens.shards import Shards
from gristmill.tokens.tokenizer import Tokenizer
from gristmill.training.config import Training
from gristmill.training.request import HeldOutRequest, ModelRequest, TrainRequest
from jobs.pool import Pool
from jobs.stage import Outcome, StageContext

RAY_FOLDER = ".ray"
_SETTINGS = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",  # the default of 2 s is waited for at every end
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",  # progress lines reach the job's log as they are
}


def fit(
    request: TrainRequest,
    *,
    workers: int,
    selector: Mapping[str, str],
    gpu: bool = False,
    max_failures: int = 3,
    callbacks: Sequence[UserCallback] = (),
) -> dict[str, float]:
    """Carry out a request on `workers` workers of a pool. Raises TrainingError and what workers raise."""
    output = Storage.open(request.output)
    output.delete(FAILURE)
    output.delete(RAY_FOLDER)
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    resources = {"CPU": float(request.threads)} | ({"GPU": 1.0} if gpu else {})
    trainer = TorchTrainer(
        train,
        train_loop_config={"request": request.model_dump_json()},
        scaling_config=ScalingConfig(
            num_workers=workers,
            use_gpu=gpu,
            resources_per_worker=resources,
            label_selector=dict(selector) or None,
        ),
        torch_config=TorchConfig(backend="nccl" if gpu else "gloo"),
        run_config=RunConfig(
            name=RAY_FOLDER,
            storage_path=output.root,
            storage_filesystem=None if output.local() else output.filesystem,
            failure_config=FailureConfig(max_failures=max_failures),
            callbacks=list(callbacks),
        ),
    )
    try:
        result: Any = trainer.fit()
    except Exception as error:  # Ray raises several kinds; the cause is in the text
        _raise_failure(output)
        raise TrainingError(
            f"{request.stage}: its workers failed more than {max_failures} times, last: "
            f"{_last_line(error)}; the next run goes on from the newest checkpoint in {output.url}"
        ) from error
    _raise_failure(output)
    output.delete(RAY_FOLDER)
    figures: dict[str, float] = result.return_value or {}
    return figures


def train_stage(
    context: StageContext,
    section: Training,
    model: ModelRequest,
    rows: Storage,
    **more: Any,
) -> Outcome:
    """Train as a stage: resolve steps and pool, fit, and return what goes into the record."""
    if not ray.is_initialized():
        ray.init()
    pool = Pool.of(context.label_selector)
    shards = Shards.open(rows)
    if shards.num_rows == 0:
        raise TrainingError(f"{context.step.key}: {rows.url} holds no sequences; nothing to learn")
    request = TrainRequest(
        stage=context.step.key,
        seed=context.recipe.seed,
        steps=section.steps or max(1, shards.num_rows // section.batch_sequences),
        training=shared_part(section),
        model=model,
        rows=rows.url,
        tokenizer=context.inputs["tokenizer"].storage.url,
        output=context.draft.storage.url,
        threads=section.threads,
        held_out=held_out_of(context, section),
        **more,
    )
    context.progress.update(0, request.steps, "steps")
    figures = fit(
        request,
        workers=section.workers,
        selector=pool.selector,
        gpu=pool.gpu,
        max_failures=section.max_failures,
    )
    counts = {"steps": int(figures.pop("steps")), "tokens": int(figures.pop("tokens"))}
    return Outcome(
        {**counts, "parameters": model.config().num_parameters, "sequences": shards.num_rows},
        figures,
    )


def held_out_of(context: StageContext, section: Training) -> HeldOutRequest | None:
    """Return what is measured during the run, where the recipe asks for it. Raises TrainingError."""
    if not section.evals:
        return None
    return HeldOutRequest(
        corpus=corpus_of(context, "evals").storage.url,
        times=section.evals,
        files=section.eval_files,
        seed=context.recipe.seed,
    )


def corpus_of(context: StageContext, key: str) -> Artifact:
    """Return the corpus that held-out files come from, as `key` of the section asks. Raises TrainingError."""
    mark = context.inputs["tokenizer"].record.inputs["corpus"].fingerprint
    corpus = context.store.find(mark)
    if corpus is None:
        raise TrainingError(
            f"{context.step.key}.{key} asks for held-out files, and the corpus they lie in is no longer "
            f"in {context.store.storage.url}; make it again, or set {key} to 0"
        )
    return corpus


def shared_part(section: Training) -> Training:
    """Return what all training sections share, without the stage's own fields."""
    return Training(**{name: getattr(section, name) for name in Training.model_fields})


def fresh_model(recipe: Any, tokenizer: Tokenizer) -> ModelRequest:
    """Return the decoder of the recipe's `model` section, filled from the seed."""
    shape = recipe.model.resolved()
    return ModelRequest(
        shape=shape,
        vocab_rows=tokenizer.vocab_rows,
        max_position=recipe.tokens.sequence_length,
        rope_theta=shape.rope_theta,
        initializer_std=recipe.model.initializer_std,
        mup_base_width=recipe.model.mup_base_width,
    )


def _raise_failure(output: Storage) -> None:
    """Raise what a worker wrote down, as the kind it was."""
    if not output.exists(FAILURE):
        return
    failure = json.loads(output.read_bytes(FAILURE))
    output.delete(FAILURE)
    output.delete(RAY_FOLDER)
    kind = getattr(errors, failure["kind"], TrainingError)
    raise kind(failure["text"])


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
