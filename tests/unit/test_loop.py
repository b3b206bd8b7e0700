"""The step loop on real process groups: every ZeRO stage, world size and cut gives the same run."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from gristmill.model.attention import PackedAttention
from gristmill.model.config import SIZES
from gristmill.model.folder import load_model, read_config
from gristmill.model.llama import Llama
from gristmill.storage import Storage
from gristmill.training.config import Guard, Lora, Optimizer, Schedule, Training
from gristmill.training.metrics import read_metrics
from gristmill.training.objective import Objective, decay_groups
from gristmill.training.request import LongContextRequest, ModelRequest, TrainRequest
from gristmill.training.samples import Samples
from gristmill.training.schedule import learning_rate
from tests.made_corpus import document, write_documents
from tests.model_folder import TEXT, tiny_model, tiny_tokenizer
from tests.training_rank import logs, start, write_rows

LENGTH, ROWS, STEPS, BATCH = 32, 24, 6, 5
TRAINING = Training(
    batch_sequences=BATCH,
    learning_rate=5e-3,
    schedule=Schedule(warmup_steps=2),
    optimizer=Optimizer(clip_norm=0.5),
    precision="fp32",
    checkpoint_every=2,
    micro_batch=2,
)


LORA = Lora(rank=4, alpha=8.0)
GUARD = Guard(sigmas=1e-9, window=8, max_skips=100)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer, and rows of ragged documents and loss masks, padded by up to a few tokens."""
    folder = tmp_path_factory.mktemp("data")
    write_rows(folder, ROWS, LENGTH, masked=True)
    tiny_model(folder / "base", std=0.1)
    files = {f"{number}.py": TEXT for number in range(3)}
    write_documents(Storage.open(str(folder / "corpus")), [document(files, split="held_out")])
    return folder


def request_of(data: Path, output: Path, **training: Any) -> dict[str, Any]:
    tokenizer = tiny_tokenizer()
    base = data / "base" if training.get("lora") else None
    return TrainRequest(
        stage="pretrain",
        seed=7,
        steps=STEPS,
        training=TRAINING.model_copy(update=training),
        model=ModelRequest(
            shape=SIZES["tiny"] if base is None else read_config(base).shape,
            vocab_rows=tokenizer.vocab_rows,
            max_position=LENGTH,
            rope_theta=10000.0,
            initializer_std=0.05,
            folder=None if base is None else str(base),
        ),
        rows=str(data / "tokens"),
        tokenizer=str(data / "tokenizer"),
        output=str(output),
    ).model_dump(mode="json")


def losses(output: Path) -> list[float]:
    return [line["loss"] for line in read_metrics(Storage.open(str(output)))]


def reference(data: Path, guard: Guard | None = None) -> tuple[list[float], Llama]:
    """The same run written down plainly: one process, one batch, torch's optimizer."""
    from gristmill.model.llama import initialize
    from gristmill.tokens.sampler import plain_order
    from gristmill.tokens.shards import Shards

    request = TrainRequest.model_validate(request_of(data, data), strict=False)
    model = Llama(request.model.config())
    initialize(model, request.model.initializer_std, request.seed)
    objective = Objective(model)
    optimizer = torch.optim.AdamW(decay_groups(objective, 0.1), lr=1.0, betas=(0.9, 0.95), eps=1e-8)
    samples = Samples(
        Shards.open(Storage.open(request.rows)),
        plain_order((ROWS,)),
        request.seed,
        BATCH,
        BATCH,
        True,
    )
    found: list[float] = []
    taken: list[float] = []
    for step in range(STEPS):
        (batch,) = samples.batches(step)
        for group in optimizer.param_groups:
            tokens = BATCH * LENGTH
            group["lr"] = learning_rate(
                TRAINING.schedule, 5e-3, step * tokens, STEPS * tokens, tokens
            )
        loss, entropies = objective(batch, 1 / batch.num_targets)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        found.append(entropies.mean().item())
        if guard is None or len(taken) < 2 or found[-1] <= sum(taken) / len(taken):
            optimizer.step()
            taken.append(found[-1])
    return found, model


@pytest.fixture(scope="module")
def traces(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs of every stage on one and two ranks, fp32 and bf16, and with other cuts of the batch."""
    folder = tmp_path_factory.mktemp("runs")
    found: dict[str, Path] = {}
    for world in (1, 2):
        settings: dict[str, dict[str, Any]] = {
            f"zero{stage}-fp32-{world}": {"zero_stage": stage} for stage in (0, 1, 2, 3)
        }
        settings[f"zero2-bf16-{world}"] = {"precision": "bf16"}
        settings[f"zero3-bf16-{world}"] = {"precision": "bf16", "zero_stage": 3}
        settings[f"micro1-{world}"] = {"micro_batch": 1}
        settings[f"micro8-{world}"] = {"micro_batch": 8}
        settings[f"recompute-{world}"] = {"activation_checkpointing": True}
        if world == 2:
            for stage in (0, 2, 3):
                settings[f"lora{stage}-2"] = {"zero_stage": stage, "lora": LORA}
            for stage in (1, 2, 3):
                settings[f"offload{stage}-2"] = {"zero_stage": stage, "offload": "optimizer"}
            settings["offload2-bf16-2"] = {"precision": "bf16", "offload": "optimizer"}
            settings["ulysses0-2"] = {"zero_stage": 0, "sequence_parallel": 2}
            settings["ulysses3-2"] = {"zero_stage": 3, "sequence_parallel": 2, "micro_batch": 3}
            settings |= {
                f"guard{stage}-{world}": {"zero_stage": stage, "guard": GUARD}
                for stage in (0, 2, 3)
            }
        found |= {name: folder / name for name in settings}
        place = folder / f"world-{world}"
        place.mkdir()
        runs = [
            {"request": request_of(data, folder / name, **changes)}
            for name, changes in settings.items()
        ]
        if world == 1:  # asked about long context before and after
            found["asked-1"] = folder / "asked-1"
            far = LongContextRequest(
                corpus=str(data / "corpus"),
                num=1,
                seed=1,
                base_rope_theta=100.0,
                base_rope_scale=1.0,
            )
            asked = {"long_context": far.model_dump(mode="json")}
            runs.append({"request": request_of(data, found["asked-1"]) | asked})
        assert start(place, runs, world) == [0] * world, logs(place)
    return found


def test_every_stage_world_and_cut_gives_the_plain_run(traces: dict[str, Path], data: Path) -> None:
    wanted, model = reference(data)
    assert wanted[-1] < wanted[0]
    for name, output in traces.items():
        if "guard" in name or "lora" in name:
            continue
        if "bf16" in name:
            assert losses(output) == pytest.approx(wanted, abs=0.02), name
            continue
        assert losses(output) == pytest.approx(wanted, abs=2e-5), name
        weights = dict(load_model(output / "model").named_parameters())
        for key, value in model.named_parameters():
            assert (weights[key] - value).abs().max() < 2e-4, (name, key)


def test_updates_that_are_left_out_change_nothing_at_any_stage(
    traces: dict[str, Path], data: Path
) -> None:
    wanted, model = reference(data, GUARD)
    for name in (name for name in traces if "guard" in name):
        lines = read_metrics(Storage.open(str(traces[name])))
        assert lines[-1]["skipped"] > 0
        assert losses(traces[name]) == pytest.approx(wanted, abs=2e-5), name
        weights = dict(load_model(traces[name] / "model").named_parameters())
        for key, value in model.named_parameters():
            assert (weights[key] - value).abs().max() < 2e-4, (name, key)


def test_adapters_learn_the_same_at_every_stage_and_are_merged_at_the_end(
    traces: dict[str, Path], data: Path
) -> None:
    found = {stage: losses(traces[f"lora{stage}-2"]) for stage in (0, 2, 3)}
    assert found[2] == pytest.approx(found[0], abs=2e-5)
    assert found[3] == pytest.approx(found[0], abs=2e-5)
    output = traces["lora0-2"]
    base = dict(load_model(data / "base").named_parameters())
    adapter = load_file(output / "adapter" / "adapter_model.safetensors")
    changed = 0
    for name, weight in load_model(output / "model").named_parameters():
        module = f"base_model.model.model.{name.removesuffix('.weight')}"
        wanted = base[name].detach()
        if f"{module}.lora_A.weight" in adapter:
            up, down = adapter[f"{module}.lora_B.weight"], adapter[f"{module}.lora_A.weight"]
            wanted = wanted + LORA.scale * up @ down
            changed += int(not torch.equal(wanted, base[name]))
        assert torch.allclose(weight, wanted, atol=1e-6), name
    assert changed == 2 * 7
    held = [path.stat().st_size for path in (output / "checkpoints").rglob("master-*.safetensors")]
    assert max(held) < (data / "base" / "model.safetensors").stat().st_size / 2


def test_long_context_is_asked_before_and_after(traces: dict[str, Path]) -> None:
    """And the run is what it is without the questions, as the test of all stages shows."""
    values = json.loads((traces["asked-1"] / "long_context.json").read_text())
    before, after = (values[when]["positions"] for when in ("before", "after"))
    assert len(before) == len(after) == 12
    assert before != after


def test_what_a_step_says_of_itself(traces: dict[str, Path], data: Path) -> None:
    lines = read_metrics(Storage.open(str(traces["zero2-fp32-2"])))
    for line in lines:
        assert line["bits_per_byte"] > 0
        assert line["left_to_right_loss"] > 0
        assert 0 < line["mfu"] < line["mfu_full"]
        assert line["memory_bytes"] > 1e7
        assert line["step_s"] >= line["data_wait_s"] + line["loop_s"] > 0
        assert line["skipped"] == 0


def test_a_branch_starts_from_the_trunk_as_if_it_had_been_one_run(
    data: Path, tmp_path: Path
) -> None:
    schedule = Schedule(kind="wsd", warmup_steps=2, boundaries=(0.5, 0.9), final_ratio=0.0)
    short = request_of(data, tmp_path / "short", zero_stage=0, schedule=schedule)
    whole = {**request_of(data, tmp_path / "whole", zero_stage=0, schedule=schedule), "steps": 10}
    whole["output"] = str(tmp_path / "whole")
    branch = {**whole, "output": str(tmp_path / "short")}
    assert start(tmp_path, [{"request": r} for r in (short, whole)]) == [0], logs(tmp_path)
    assert start(tmp_path, [{"request": branch}]) == [0], logs(tmp_path)
    assert losses(tmp_path / "short") == losses(tmp_path / "whole")


def test_a_run_that_is_no_number_names_its_documents(data: Path, tmp_path: Path) -> None:
    request = request_of(data, tmp_path / "wild", learning_rate=1e30, zero_stage=2)
    assert start(tmp_path, [{"request": request}]) == [1]
    assert "3 updates in a row were left out; the last was of samples" in logs(tmp_path)


def test_a_run_told_to_leave_saves_and_goes_on_elsewhere(
    data: Path, traces: dict[str, Path], tmp_path: Path
) -> None:
    request = request_of(data, tmp_path / "moved", checkpoint_every=100)
    assert start(tmp_path, [{"request": request, "leave_after": 3}], 2) == [0, 0], logs(tmp_path)
    assert len(losses(tmp_path / "moved")) == 3
    assert not (tmp_path / "moved" / "model").exists()
    assert start(tmp_path, [{"request": request}], 2) == [0, 0], logs(tmp_path)
    assert losses(tmp_path / "moved") == losses(traces["zero2-fp32-2"])


def test_the_model_folder_is_whole(traces: dict[str, Path]) -> None:
    folder = traces["zero3-bf16-2"] / "model"
    values = json.loads((folder / "config.json").read_text())
    assert values["dtype"] == "bfloat16"
    assert (folder / "tokenizer.json").is_file()
    special = tiny_tokenizer().special
    assert (
        json.loads((folder / "generation_config.json").read_text())["eos_token_id"] == special.eos
    )
    model = load_model(folder)
    hidden = model(torch.arange(8), torch.arange(8), PackedAttention((0, 8)))
    assert torch.isfinite(model.logits(hidden)).all()
    left = sorted(path.name for path in (traces["zero3-bf16-2"] / "checkpoints").iterdir())
    # the last two, and the trunk's: the last step at the full learning rate
    assert left == ["step-00000004", "step-00000005", "step-00000006"]


def test_an_interrupted_run_goes_on_to_the_same_last_bit(
    data: Path, traces: dict[str, Path], tmp_path: Path
) -> None:
    settings: dict[str, dict[str, Any]] = {
        "zero2-fp32-2": {},
        "zero2-bf16-2": {"precision": "bf16"},
        "zero3-bf16-2": {"precision": "bf16", "zero_stage": 3},
        "offload2-2": {"offload": "optimizer"},
        "lora2-2": {"lora": LORA},
    }
    requests = [request_of(data, tmp_path / name, **more) for name, more in settings.items()]
    moved = request_of(data, tmp_path / "moved")
    stopped = [{"request": request, "stop_after": 5} for request in [*requests, moved]]
    assert start(tmp_path, stopped, 2) == [0, 0], logs(tmp_path)
    assert len(losses(tmp_path / "moved")) == 5
    assert not (tmp_path / "moved" / "model").exists()

    assert start(tmp_path, [{"request": request} for request in requests], 2) == [0, 0]
    for name in settings:
        assert losses(tmp_path / name) == losses(traces[name])
        ours, theirs = (load_model(path / "model") for path in (tmp_path / name, traces[name]))
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(one, other)

    newest = tmp_path / "moved" / "checkpoints" / "step-00000004"
    damaged = newest / "exp_avg-00001.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    changed = {**moved["training"], "zero_stage": 1, "micro_batch": 5}
    assert start(tmp_path, [{"request": {**moved, "training": changed}}]) == [0], logs(tmp_path)
    assert "is damaged" in logs(tmp_path)
    assert losses(tmp_path / "moved") == pytest.approx(losses(traces["zero2-fp32-2"]), abs=2e-5)


def test_a_resumed_training_without_a_whole_checkpoint_never_starts_anew(
    data: Path, tmp_path: Path
) -> None:
    request = request_of(data, tmp_path / "resumed", resume_from="a" * 64)
    assert start(tmp_path, [{"request": request}]) == [1]
    assert "none of its checkpoints" in logs(tmp_path)
    assert losses(tmp_path / "resumed") == []
