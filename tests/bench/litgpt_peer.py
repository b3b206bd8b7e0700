"""litgpt's model of the same shape and weights, from its published wheel, without what its trainer needs.

litgpt's package imports Lightning and an older numpy on the way; its decoder needs neither. So the wheel
is only unpacked, and `litgpt.config` and `litgpt.model` are imported beside an empty package.
"""

import importlib
import sys
import types
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gristmill.model.llama import LlamaConfig
from tests.bench.repositories import wheel

LITGPT = "litgpt==0.5.9"


def litgpt_model(config: LlamaConfig, weights: dict[str, Tensor]) -> nn.Module:
    """Return litgpt's decoder with our weights (by our names)."""
    peer: Any = _module()
    shape = config.shape
    theirs = peer.Config(
        block_size=config.max_position,
        n_layer=shape.num_layers,
        n_embd=shape.hidden_size,
        n_head=shape.num_heads,
        n_query_groups=shape.num_kv_heads,
        vocab_size=config.vocab_rows,
        padded_vocab_size=config.vocab_rows,
        intermediate_size=shape.intermediate_size,
        rotary_percentage=1.0,
        rope_base=int(config.rope_theta),
        norm_class_name="RMSNorm",
        norm_eps=shape.rms_norm_eps,
        mlp_class_name="LLaMAMLP",
        parallel_residual=False,
        bias=False,
    )
    model: nn.Module = peer.GPT(theirs)
    model.load_state_dict(_renamed(weights, shape.num_layers))
    if shape.tie_embeddings:
        model.lm_head.weight = model.transformer.wte.weight
    return model


def _module() -> types.ModuleType:
    """Import litgpt's model file from the unpacked wheel."""
    if "litgpt.model" not in sys.modules:
        folder = wheel(LITGPT)
        found = folder if (folder / "model.py").is_file() else folder / "litgpt"
        if not (found / "model.py").is_file():
            found = next(path.parent for path in folder.parent.rglob("litgpt/model.py"))
        sys.modules["litgpt"] = _package("litgpt", found)
        sys.modules["litgpt.scripts"] = _package("litgpt.scripts", found / "scripts")
        converter = types.ModuleType("litgpt.scripts.convert_hf_checkpoint")
        converter.qkv_reassemble = None  # type: ignore[attr-defined]  # for old checkpoints only
        sys.modules[converter.__name__] = converter
    return importlib.import_module("litgpt.model")


def _package(name: str, folder: Path) -> types.ModuleType:
    package = types.ModuleType(name)
    package.__path__ = [str(folder)]
    return package


def _renamed(weights: dict[str, Tensor], num_layers: int) -> dict[str, Tensor]:
    """Return the weights by litgpt's names; query, key and value lie in one matrix there."""
    table = weights["embed_tokens.weight"]
    found = {
        "transformer.wte.weight": table,
        "lm_head.weight": weights.get("lm_head.weight", table),
        "transformer.ln_f.weight": weights["norm.weight"],
    }
    for layer in range(num_layers):
        ours, theirs = f"layers.{layer}.", f"transformer.h.{layer}."
        parts = [weights[f"{ours}self_attn.{name}_proj.weight"] for name in "qkv"]
        found[f"{theirs}attn.qkv.weight"] = torch.cat(parts)
        for name, place in {
            "self_attn.o_proj": "attn.proj",
            "input_layernorm": "norm_1",
            "post_attention_layernorm": "norm_2",
            "mlp.gate_proj": "mlp.fc_1",
            "mlp.up_proj": "mlp.fc_2",
            "mlp.down_proj": "mlp.proj",
        }.items():
            found[f"{theirs}{place}.weight"] = weights[f"{ours}{name}.weight"]
    return found
