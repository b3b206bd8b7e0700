"""Resume parity: every ZeRO stage, precision and number of ranks, interrupted and gone on.

pytest tests/bench/test_resume_truth.py -m truth -s

Each cell is a run of ten steps that was given up after its seventh and went on from step six. On as many
ranks as before its losses are those of the run that was never interrupted, to the last bit; on another
number (2 -> 1, 1 -> 2, 2 -> 3) to fp32 rounding, or bf16's.
"""

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from gristmill.model.config import SIZES
from gristmill.storage import Storage
from gristmill.training.config import Optimizer, Schedule, Training
from gristmill.training.metrics import read_metrics
from gristmill.training.request import ModelRequest, TrainRequest
from tests.model_folder import tiny_tokenizer
from tests.training_rank import logs, start, write_rows

pytestmark = pytest.mark.truth

LENGTH, ROWS, STEPS, STOP = 48, 40, 10, 7
CELLS = list(itertools.product((0, 1, 2, 3), ("fp32", "bf16")))
MOVES = ((2, 1), (1, 2), (2, 3))
TOLERANCE = {"fp32": 2e-5, "bf16": 2e-2}


def request_of(folder: Path, output: Path, stage: int, precision: Any) -> dict[str, Any]:
    training = Training(
        batch_sequences=6,
        learning_rate=5e-3,
        schedule=Schedule(kind="cosine", warmup_steps=2),
        optimizer=Optimizer(clip_norm=0.5),
        precision=precision,
        zero_stage=stage,
        checkpoint_every=3,
        keep_checkpoints=1,
        micro_batch=2,
    )
    tokenizer = tiny_tokenizer()
    model = ModelRequest(
        shape=SIZES["tiny"], vocab_rows=tokenizer.vocab_rows, max_position=LENGTH,
        rope_theta=10000.0, initializer_std=0.05,
    )  # fmt: skip
    return TrainRequest(
        stage="pretrain", seed=7, steps=STEPS, training=training, model=model,
        rows=str(folder / "tokens"), tokenizer=str(folder / "tokenizer"), output=str(output),
    ).model_dump(mode="json")  # fmt: skip


def losses(output: Path) -> list[float]:
    return [line["loss"] for line in read_metrics(Storage.open(str(output)))]


def carry_out(folder: Path, runs: list[dict[str, Any]], world: int) -> None:
    folder.mkdir(exist_ok=True)
    assert start(folder, runs, world) == [0] * world, logs(folder)


def test_every_stage_precision_and_number_of_ranks_resumes(tmp_path: Path) -> None:
    write_rows(tmp_path, ROWS, LENGTH, masked=True)
    for world in (1, 2, 3):
        whole, cut = [], []
        for stage, precision in CELLS:
            name = f"{world}-{stage}-{precision}"
            whole.append({"request": request_of(tmp_path, tmp_path / name, stage, precision)})
            request = request_of(tmp_path, tmp_path / f"cut-{name}", stage, precision)
            cut.append({"request": request, "stop_after": STOP})
        carry_out(tmp_path / f"world-{world}", [*whole, *cut], world)
        for before, after in MOVES:
            if before == world:
                for stage, precision in CELLS:
                    name = f"{world}-{stage}-{precision}"
                    shutil.copytree(tmp_path / f"cut-{name}", tmp_path / f"to{after}-{name}")
        carry_out(tmp_path / f"again-{world}", [{"request": r["request"]} for r in cut], world)
    for before, after in MOVES:
        runs = []
        for stage, precision in CELLS:
            output = tmp_path / f"to{after}-{before}-{stage}-{precision}"
            runs.append({"request": request_of(tmp_path, output, stage, precision)})
        carry_out(tmp_path / f"move-{before}-{after}", runs, after)
    table = matrix(tmp_path)
    print(json.dumps(table, indent=1))
    for row in table:
        for world in (1, 2, 3):
            assert row[f"{world} ranks"] == "bit-equal", row
        for before, after in MOVES:
            assert row[f"{before} -> {after}"] <= TOLERANCE[str(row["precision"])], row


def matrix(folder: Path) -> list[dict[str, Any]]:
    """Return for each cell whether the losses are the same, and by how much they differ."""
    table = []
    for stage, precision in CELLS:
        row: dict[str, Any] = {"zero": stage, "precision": precision}
        for world in (1, 2, 3):
            name = f"{world}-{stage}-{precision}"
            found, wanted = losses(folder / f"cut-{name}"), losses(folder / name)
            assert len(wanted) == STEPS
            row[f"{world} ranks"] = "bit-equal" if found == wanted else "differs"
        for before, after in MOVES:
            name = f"{before}-{stage}-{precision}"
            found, wanted = losses(folder / f"to{after}-{name}"), losses(folder / name)
            assert len(found) == STEPS
            row[f"{before} -> {after}"] = max(
                abs(one - other) for one, other in zip(found, wanted, strict=True)
            )
        table.append(row)
    return table
