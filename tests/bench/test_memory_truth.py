"""What `plan` says a training worker holds, against what it held.

pytest tests/bench/test_memory_truth.py -m truth -s

Shapes where weights, optimizer state, activations, recomputation, sharding or the vocabulary weigh most;
each trains three steps, and the worker's own figure (`memory_bytes`, the process's peak) is compared
with the estimate, process included: within 10 %.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gristmill.estimate import training_memory
from gristmill.model.config import SIZES, Shape
from gristmill.storage import Storage
from gristmill.training.config import Schedule, Training
from gristmill.training.metrics import read_metrics
from gristmill.training.request import ModelRequest, TrainRequest
from tests.training_rank import logs, start, write_rows

pytestmark = [pytest.mark.truth, pytest.mark.timeout(1200)]

WIDE = Shape(
    hidden_size=256, intermediate_size=704, num_layers=12, num_heads=4, num_kv_heads=4,
    tie_embeddings=True,
)  # fmt: skip
BOUND = 0.10


@dataclass(frozen=True)
class Case:
    shape: Shape
    rows: int
    length: int
    micro: int
    more: dict[str, Any]
    world: int = 1


CASES = {
    "35m, states": Case(SIZES["35m"], 4096, 256, 1, {"zero_stage": 0}),
    "35m, 32k vocabulary": Case(SIZES["35m"], 32256, 256, 2, {"zero_stage": 0}),
    "12 layers, activations": Case(WIDE, 4096, 1024, 8, {"zero_stage": 0}),
    "12 layers, recomputed": Case(
        WIDE, 4096, 1024, 8, {"zero_stage": 0, "activation_checkpointing": True}
    ),
    "135m, zero 2 on one": Case(SIZES["135m"], 4096, 256, 1, {"zero_stage": 2}),
    "135m, zero 2 on two": Case(SIZES["135m"], 4096, 256, 1, {"zero_stage": 2}, 2),
    "135m, bf16 zero 2 on two": Case(
        SIZES["135m"], 4096, 256, 1, {"zero_stage": 2, "precision": "bf16"}, 2
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_worker_holds_what_the_plan_says(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    write_rows(tmp_path, 16, case.length)
    training = Training(
        **{
            "batch_sequences": case.micro * case.world,
            "learning_rate": 1e-4,
            "schedule": Schedule(kind="constant", warmup_steps=0),
            "precision": "fp32",
            "micro_batch": case.micro,
            "workers": case.world,
            "checkpoint_every": 100,
            **case.more,
        }
    )
    request = TrainRequest(
        stage="pretrain",
        seed=1,
        steps=3,
        training=training,
        model=ModelRequest(
            shape=case.shape, vocab_rows=case.rows, max_position=case.length, rope_theta=1e4
        ),
        rows=str(tmp_path / "tokens"),
        tokenizer=str(tmp_path / "tokenizer"),
        output=str(tmp_path / "out"),
    )
    runs = [{"request": request.model_dump(mode="json")}]
    assert start(tmp_path, runs, case.world) == [0] * case.world, logs(tmp_path)
    held = [line["memory_bytes"] for line in read_metrics(Storage.open(request.output))]
    said = training_memory(case.shape, case.rows, case.length, training, gpu=False)
    ratio = said.total / held[-1]
    print(json.dumps({"case": name, "held_MB": held[-1] / 1e6, "said_MB": said.total / 1e6}))
    print(f"{name}: said over held {ratio:.3f}")
    assert abs(ratio - 1) <= BOUND
