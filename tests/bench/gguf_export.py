"""A model of ours as a GGUF file for llama.cpp, for races only: the weights are right, the words are made up.

llama.cpp rotates neighbouring channels where we rotate halves, so queries' and keys' rows are put in its
order. The races send token ids and read token ids, so every token's text is just its number.
"""

from pathlib import Path

import gguf
import numpy as np
import torch
from torch import Tensor

from gristmill.model.folder import load_model

TYPES = {
    "f32": gguf.GGMLQuantizationType.F32,
    "bf16": gguf.GGMLQuantizationType.BF16,
    "q8_0": gguf.GGMLQuantizationType.Q8_0,
    "q4_0": gguf.GGMLQuantizationType.Q4_0,
}
NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
TOP = {"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output"}


def export(folder: Path, path: Path, kind: str) -> Path:
    """Write the model in `folder` to `path` with its matrices as `kind`, one of TYPES."""
    model = load_model(folder, torch.float32)
    config, shape = model.config, model.config.shape
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position)
    writer.add_embedding_length(shape.hidden_size)
    writer.add_block_count(shape.num_layers)
    writer.add_feed_forward_length(shape.intermediate_size)
    writer.add_head_count(shape.num_heads)
    writer.add_head_count_kv(shape.num_kv_heads)
    writer.add_rope_dimension_count(shape.head_size)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_layer_norm_rms_eps(shape.rms_norm_eps)
    writer.add_vocab_size(config.vocab_rows)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([f"t{number}" for number in range(config.vocab_rows)])
    writer.add_token_types([1] * config.vocab_rows)
    writer.add_token_merges(["t 0"])
    writer.add_eos_token_id(0)
    writer.add_bos_token_id(0)
    writer.add_add_bos_token(False)
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight" and shape.tie_embeddings:
            continue
        if ".q_proj." in name:
            weight = _neighbours(weight, shape.num_heads)
        if ".k_proj." in name:
            weight = _neighbours(weight, shape.num_kv_heads)
        wanted = TYPES[kind] if weight.dim() == 2 else TYPES["f32"]
        values = weight.numpy().astype(np.float32)
        packed = values if kind == "f32" else gguf.quants.quantize(values, wanted)
        writer.add_tensor(_named(name), packed, raw_dtype=wanted)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _neighbours(weight: Tensor, num_heads: int) -> Tensor:
    """Put channel i + D/2 of each head behind channel i."""
    halves = weight.view(num_heads, 2, -1, weight.shape[1])
    return halves.transpose(1, 2).reshape(weight.shape)


def _named(name: str) -> str:
    stem = name.removesuffix(".weight")
    if stem in TOP:
        return f"{TOP[stem]}.weight"
    _, layer, part = stem.split(".", 2)
    return f"blk.{layer}.{NAMES[part]}.weight"
