"""Requests of small runs over the rows of `training_rank.write_rows`, and their losses: any test's training."""

from pathlib import Path
from typing import Any

from gristmill.model.config import SIZES
from gristmill.storage import Storage
from gristmill.training.config import Schedule, Training
from gristmill.training.metrics import read_metrics
from gristmill.training.request import ModelRequest, TrainRequest
from tests.model_folder import tiny_tokenizer


def small_request(
    folder: Path, name: str, *, size: str = "tiny", steps: int, length: int, **training: Any
) -> TrainRequest:
    """Return a run over `folder`'s rows of `length` tokens that writes to `folder/name`."""
    return TrainRequest(
        stage="pretrain",
        seed=3,
        steps=steps,
        training=Training(
            **{
                "batch_sequences": 4,
                "learning_rate": 3e-3,
                "schedule": Schedule(warmup_steps=2),
                "precision": "fp32",
                "micro_batch": 2,
                **training,
            }
        ),
        model=ModelRequest(
            shape=SIZES[size],
            vocab_rows=tiny_tokenizer().vocab_rows,
            max_position=length,
            rope_theta=10000.0,
        ),
        rows=str(folder / "tokens"),
        tokenizer=str(folder / "tokenizer"),
        output=str(folder / name),
    )


def losses(request: TrainRequest) -> list[float]:
    """Return the losses that a run has written down so far."""
    return [line["loss"] for line in read_metrics(Storage.open(request.output))]
