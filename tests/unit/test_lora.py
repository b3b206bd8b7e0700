"""Adapters: nothing at first, what is trained alone, and a merged model that computes the same."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file

from gristmill.model.attention import PackedAttention
from gristmill.model.config import SIZES
from gristmill.model.llama import Llama, LlamaConfig, initialize
from gristmill.training.batch import make_batch
from gristmill.training.config import Lora
from gristmill.training.lora import (
    adapter_parameters,
    add_adapters,
    fill_adapter,
    merged,
    save_adapter,
)
from gristmill.training.objective import Objective
from tests.made_documents import PackedRow

LENGTH = 32
LORA = Lora(rank=4, alpha=8.0, targets=("q_proj", "v_proj", "down_proj"))


def logits(model: Llama) -> torch.Tensor:
    with torch.no_grad():
        return model.logits(model(torch.arange(24), torch.arange(24), PackedAttention((0, 24))))


def test_an_adapter_begins_as_nothing_and_learns_alone() -> None:
    config = LlamaConfig(SIZES["tiny"], 128, LENGTH, 10000.0)
    model, plain = Llama(config), Llama(config)
    add_adapters(model, LORA)
    initialize(plain, 0.1, 1)
    wanted = dict(plain.named_parameters())
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            fill_adapter(name, parameter.data, 1)
        else:
            parameter.data.copy_(wanted[name].data)
    assert torch.equal(logits(model), logits(plain))
    batch = make_batch([PackedRow.of([LENGTH], LENGTH, 128, 1)], mask_documents=True)
    objective = Objective(model)
    objective(batch, 1.0)[0].backward()
    learned = {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
    assert len(learned) == 2 * 3 * SIZES["tiny"].num_layers
    held = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert held == adapter_parameters(SIZES["tiny"], LORA)
    assert all(grad is not None for grad in learned.values())
    assert all(p.grad is None for p in model.parameters() if not p.requires_grad)
    Objective(plain)(batch, 1.0)[0].backward()
    name = "layers.0.self_attn.q_proj."
    whole = wanted[name + "weight"].grad
    assert whole is not None
    up = LORA.scale * whole @ dict(model.named_parameters())[name + "lora_a"].T
    assert torch.allclose(learned[name + "lora_b"], up, atol=1e-5)


def test_the_merged_weights_and_the_adapter_beside_them_compute_the_same(tmp_path: Path) -> None:
    config = LlamaConfig(SIZES["tiny"], 128, LENGTH, 10000.0)
    model, plain = Llama(config), Llama(config)
    add_adapters(model, LORA)
    initialize(model, 0.1, 2)
    named = dict(model.named_parameters())
    adapters = {name: value.detach() for name, value in named.items() if value.requires_grad}
    with torch.no_grad():
        for name, weight in plain.named_parameters():
            weight.copy_(merged(name, named[name], adapters, LORA))
    assert torch.allclose(logits(plain), logits(model), atol=1e-4)
    save_adapter(tmp_path, adapters, LORA, "base")
    said = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (said["r"], said["lora_alpha"], said["target_modules"]) == (4, 8.0, sorted(LORA.targets))
    stored = load_file(tmp_path / "adapter_model.safetensors")
    name = "layers.1.mlp.down_proj"
    up = stored.pop(f"base_model.model.model.{name}.lora_B.weight")
    assert torch.equal(up, adapters[f"{name}.lora_b"])
    assert len(stored) == len(adapters) - 1
