"""Low-rank adapters: the model stands still, and beside each matrix a product of two thin ones is learned.

y = W x + (alpha / rank) B A x, with B zero at first (Hu et al. 2021, arXiv 2106.09685), so that the first
step is the model's own. Only A and B are trained, sharded and checkpointed. A finished run's model has them
added to its weights, so everything that reads a model folder reads it; they also lie apart in `adapter/`,
in the layout that PEFT and vLLM load over the unchanged model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from gristmill.model.config import Shape
from gristmill.model.folder import saved_name
from gristmill.model.llama import Llama
from gristmill.model.tensor_file import TensorFile
from gristmill.training.config import Lora, Matrix

FOLDER = "adapter"
DOWN, UP = "lora_a", "lora_b"


class LoraLinear(nn.Linear):
    """A matrix that stands still, with an adapter."""

    def __init__(self, size_in: int, size_out: int, lora: Lora) -> None:
        super().__init__(size_in, size_out, bias=False)
        self.weight.requires_grad_(False)
        self.scale = lora.scale
        self.lora_a = nn.Parameter(torch.empty(lora.rank, size_in))
        self.lora_b = nn.Parameter(torch.empty(size_out, lora.rank))

    def forward(self, x: Tensor) -> Tensor:
        """Return W x + scale B A x."""
        thin = functional.linear(x, self.lora_a)
        return functional.linear(x, self.weight) + self.scale * functional.linear(thin, self.lora_b)


def add_adapters(llama: Llama, lora: Lora) -> None:
    """Freeze the model and put an adapter beside each of `lora.targets` in every layer."""
    llama.requires_grad_(False)
    for layer in llama.layers:
        for part in layer.children():
            found = {name for name, _ in part.named_children()}
            for name in sorted(found & set(lora.targets)):  # in one order on every rank
                old = part.get_submodule(name)
                assert isinstance(old, nn.Linear)
                setattr(part, name, LoraLinear(old.in_features, old.out_features, lora))


def adapter_parameters(shape: Shape, lora: Lora) -> int:
    """Return the number of weights that adapters have."""
    hidden, inner = shape.hidden_size, shape.intermediate_size
    kv = shape.num_kv_heads * shape.head_size
    both: dict[Matrix, int] = {
        "q_proj": 2 * hidden,
        "k_proj": hidden + kv,
        "v_proj": hidden + kv,
        "o_proj": 2 * hidden,
        "gate_proj": hidden + inner,
        "up_proj": hidden + inner,
        "down_proj": inner + hidden,
    }
    return shape.num_layers * lora.rank * sum(both[name] for name in set(lora.targets))


def fill_adapter(name: str, weight: Tensor, seed: int) -> None:
    """Fill one of an adapter's matrices in place: A normal with variance 1 / (3 inputs), B zero."""
    from gristmill.model.llama import fill

    if name.endswith(UP):
        weight.zero_()
    else:
        fill(name, weight, (3.0 * weight.shape[1]) ** -0.5, seed)


def merged(name: str, whole: Tensor, adapters: Mapping[str, Tensor], lora: Lora) -> Tensor:
    """Return a weight of the model with its adapter added, where it has one."""
    module = name.removesuffix("weight")
    down, up = adapters.get(module + DOWN), adapters.get(module + UP)
    return whole if down is None or up is None else whole.float() + lora.scale * (up @ down)


def save_adapter(folder: Path, adapters: Mapping[str, Tensor], lora: Lora, base: str) -> None:
    """Write the adapters in PEFT's layout."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {name: _peft_name(name) for name in adapters}
    with TensorFile(folder / "adapter_model.safetensors", names.values()) as file:
        for name, value in adapters.items():
            file.add(names[name], value.float())
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": lora.rank,
        "lora_alpha": lora.alpha,
        "lora_dropout": 0.0,
        "target_modules": sorted(lora.targets),
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
    }
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")


def _peft_name(name: str) -> str:
    module, _, part = name.rpartition(".")
    return f"base_model.model.{saved_name(module)}.{'lora_A' if part == DOWN else 'lora_B'}.weight"
