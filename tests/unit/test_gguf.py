"""GGUF files against the writer that llama.cpp ships: values, weights, tokenizer, and what is refused."""

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch

from gristmill.errors import ModelError
from gristmill.model.attention import PackedAttention
from gristmill.model.config import Shape
from gristmill.model.folder import load_model
from gristmill.model.gguf import GgufFile
from gristmill.model.gguf_tokenizer import tokenizer_json
from gristmill.model.importing import Source, import_model
from gristmill.model.llama import Llama, LlamaConfig, initialize
from gristmill.tokens.tokenizer import Tokenizer
from tests.model_folder import TEXT, tiny_tokenizer

SHAPE = Shape(
    hidden_size=64, intermediate_size=96, num_layers=2, num_heads=4, num_kv_heads=2,
    tie_embeddings=True, rms_norm_eps=1e-5,
)  # fmt: skip
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


def plain_tokenizer() -> dict[str, Any]:
    """The tiny tokenizer's learned tokens and merges, without the reserved ones."""
    import json

    model = json.loads(tiny_tokenizer().text)["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    return {"tokens": tokens, "merges": [" ".join(pair) for pair in model["merges"]]}


def write(path: Path, model: Llama, split: str = "deepseek-coder", **more: Any) -> None:
    """Write a model as llama.cpp's converter does: rows of q and k in RoPE's interleaved order."""
    shape = model.config.shape
    writer = gguf.GGUFWriter(path, more.get("architecture", "llama"))
    writer.add_context_length(model.config.max_position)
    writer.add_embedding_length(shape.hidden_size)
    writer.add_block_count(shape.num_layers)
    writer.add_feed_forward_length(shape.intermediate_size)
    writer.add_head_count(shape.num_heads)
    writer.add_head_count_kv(shape.num_kv_heads)
    writer.add_layer_norm_rms_eps(shape.rms_norm_eps)
    writer.add_rope_freq_base(model.config.rope_theta)
    if model.config.rope_scale != 1.0:
        writer.add_rope_scaling_type(gguf.RopeScalingType(more.get("scaling", "linear")))
        writer.add_rope_scaling_factor(model.config.rope_scale)
    words = plain_tokenizer()
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(split)
    writer.add_token_list(words["tokens"])
    writer.add_token_types([1] * len(words["tokens"]))
    writer.add_token_merges(words["merges"])
    writer.add_eos_token_id(7)
    writer.add_chat_template("{{ messages }}")
    for name, weight in model.named_parameters():
        values = weight.detach().numpy()
        parts = name.split(".")
        if name.startswith("layers."):
            inner = ".".join(parts[2:-1])
            if inner in ("self_attn.q_proj", "self_attn.k_proj"):
                heads = shape.num_heads if "q_proj" in inner else shape.num_kv_heads
                rows, columns = values.shape
                halves = values.reshape(heads, 2, rows // heads // 2, columns)
                values = np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(rows, columns)
            stored = f"blk.{parts[1]}.{NAMES[inner]}.weight"
        else:
            known = {"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output"}
            stored = f"{known[parts[0]]}.weight"
        writer.add_tensor(stored, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def model_of(rows: int, *, tied: bool = True, scale: float = 1.0) -> Llama:
    shape = SHAPE.model_copy(update={"tie_embeddings": tied})
    model = Llama(LlamaConfig(shape, rows, 128, 10000.0, scale))
    initialize(model, 0.2, 5)
    return model


def logits(model: Llama, tokens: torch.Tensor) -> torch.Tensor:
    length = len(tokens)
    with torch.no_grad():
        return model.logits(model(tokens, torch.arange(length), PackedAttention((0, length))))


@pytest.mark.parametrize(("tied", "scale"), [(True, 1.0), (False, 4.0)])
def test_a_written_model_reads_back_exactly(tmp_path: Path, tied: bool, scale: float) -> None:
    words = plain_tokenizer()
    model = model_of(len(words["tokens"]), tied=tied, scale=scale)
    write(tmp_path / "m.gguf", model)
    file = GgufFile(tmp_path / "m.gguf")
    assert file.config.shape == model.config.shape.model_copy(update={"rope_theta": 10000.0})
    assert file.config == model.config
    found = dict(file.weights(torch.float32))
    for name, weight in model.named_parameters():
        assert torch.equal(found[name], weight), name


def test_an_imported_model_answers_the_same_and_grows_by_the_reserved_tokens(
    tmp_path: Path,
) -> None:
    words = plain_tokenizer()
    known = len(words["tokens"])
    model = model_of(known)
    write(tmp_path / "m.gguf", model)
    out = import_model(tmp_path / "m.gguf", tmp_path / "out")
    again, tokenizer = load_model(out), Tokenizer.load(out)
    ids = tokenizer.encode(TEXT)
    assert ids == tiny_tokenizer().encode(TEXT)
    assert again.config.vocab_rows == tokenizer.vocab_rows > known
    wanted, found = logits(model, torch.tensor(ids)), logits(again, torch.tensor(ids))
    assert torch.equal(found[:, :known], wanted)
    # a new token is the mean of the others, so it is never the choice
    assert torch.allclose(found[:, known:], wanted.mean(-1, keepdim=True), atol=1e-4)
    source = Source(tmp_path / "m.gguf")
    assert source.ends() == [7]
    assert source.chat_template() == "{{ messages }}"
    assert "{{ messages }}" in (out / "tokenizer_config.json").read_text()
    assert "7" in (out / "generation_config.json").read_text()


def test_transformers_reads_the_same_weights(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    model = model_of(len(plain_tokenizer()["tokens"]), tied=False)
    write(tmp_path / "m.gguf", model, split="gpt-2")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file="m.gguf", dtype=torch.float32
    )
    tokens = torch.arange(40)
    with torch.no_grad():
        wanted = theirs(tokens[None]).logits[0]
    assert (logits(model, tokens) - wanted).abs().max() < 1e-4


def test_what_is_no_plain_llama_is_refused(tmp_path: Path) -> None:
    rows = len(plain_tokenizer()["tokens"])
    path = tmp_path / "m.gguf"
    write(path, model_of(rows), architecture="qwen2")
    with pytest.raises(ModelError, match="'qwen2'"):
        _ = GgufFile(path).config
    write(path, model_of(rows, scale=2.0), scaling="yarn")
    with pytest.raises(ModelError, match="yarn"):
        _ = GgufFile(path).config
    write(path, model_of(rows), split="tekken")
    with pytest.raises(ModelError, match="'tekken'"):
        tokenizer_json(GgufFile(path))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1000])
    with pytest.raises(ModelError, match="ends inside tensor"):
        dict(GgufFile(path).weights(torch.float32))
    path.write_bytes(whole[:2000])
    with pytest.raises(ModelError, match="copy it again"):
        GgufFile(path)
    path.write_bytes(b"PK" + whole[2:])
    with pytest.raises(ModelError, match="not GGUF's mark"):
        GgufFile(path)
    with pytest.raises(ModelError, match="cannot be read"):
        GgufFile(tmp_path / "none.gguf")
