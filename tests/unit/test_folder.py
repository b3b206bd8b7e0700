"""Model folders against transformers: logits, both ways, beyond the original context, sharded."""

import json
from pathlib import Path

import pytest
import torch

from gristmill.errors import ModelError
from gristmill.model.attention import PackedAttention
from gristmill.model.config import Shape
from gristmill.model.folder import load_model, read_config, save_model
from gristmill.model.llama import Llama, LlamaConfig, initialize, rescale

transformers = pytest.importorskip("transformers")

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def shape_of(num_kv_heads: int, tied: bool) -> Shape:
    return Shape(
        hidden_size=64,
        intermediate_size=96,
        num_layers=2,
        num_heads=4,
        num_kv_heads=num_kv_heads,
        tie_embeddings=tied,
    )


def model_of(shape: Shape, scale: float = 1.0) -> Llama:
    model = Llama(LlamaConfig(shape, 192, 64, 10000.0))
    model.config = rescale(model.config, 100000.0 if scale != 1 else 10000.0, scale, 256)
    initialize(model, 0.2, seed=3)
    return model


def ours(model: Llama, tokens_T: torch.Tensor) -> torch.Tensor:
    length = len(tokens_T)
    with torch.no_grad():
        hidden = model(tokens_T, torch.arange(length), PackedAttention((0, length)))
        return model.logits(hidden)


@pytest.mark.parametrize("num_kv_heads", [4, 2, 1])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_logits_match_transformers(
    tmp_path: Path, num_kv_heads: int, tied: bool, scale: float
) -> None:
    model = model_of(shape_of(num_kv_heads, tied), scale)
    save_model(tmp_path, model, None, bos=1, eos=(2, 3), pad=0)
    theirs = transformers.LlamaForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    tokens_T = torch.randint(0, 192, (200,), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = theirs(tokens_T[None]).logits[0]
    assert (ours(model, tokens_T) - wanted).abs().max() < 1e-4
    assert theirs.generation_config.eos_token_id == [2, 3]


def test_a_folder_of_old_rope_keys_reads_the_same(tmp_path: Path) -> None:
    save_model(tmp_path, model_of(shape_of(2, True), 4.0), None)
    values = json.loads((tmp_path / "config.json").read_text())
    both = read_config(tmp_path)
    del values["rope_parameters"]
    values["rope_scaling"] = {"type": "linear", "factor": 4.0}
    (tmp_path / "config.json").write_text(json.dumps(values))
    assert read_config(tmp_path) == both
    assert both.rope_scale == 4.0 and both.rope_theta == 100000.0


@pytest.mark.parametrize("max_shard", ["2KB", "10GB"])
def test_a_folder_that_transformers_wrote_is_read(tmp_path: Path, max_shard: str) -> None:
    config = transformers.LlamaConfig(
        hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, vocab_size=192, rms_norm_eps=1e-5,
    )  # fmt: skip
    theirs = transformers.LlamaForCausalLM(config).eval()
    theirs.save_pretrained(tmp_path, max_shard_size=max_shard)
    tokens_T = torch.randint(0, 192, (50,))
    with torch.no_grad():
        wanted = theirs(tokens_T[None]).logits[0]
    assert (ours(load_model(tmp_path), tokens_T) - wanted).abs().max() < 1e-4


def test_shards_and_one_file_hold_the_same(tmp_path: Path) -> None:
    model = model_of(shape_of(2, False))
    save_model(tmp_path / "many", model, None, max_shard_bytes=20_000)
    assert (tmp_path / "many" / "model.safetensors.index.json").is_file()
    again = load_model(tmp_path / "many")
    for (name, ours_), (other, theirs) in zip(
        model.named_parameters(), again.named_parameters(), strict=True
    ):
        assert name == other and torch.equal(ours_, theirs)
    save_model(tmp_path / "many", model, None)
    assert [path.name for path in (tmp_path / "many").glob("*.safetensors*")] == [
        "model.safetensors"
    ]


def test_what_cannot_be_computed_is_refused(tmp_path: Path) -> None:
    model = model_of(shape_of(2, True))
    save_model(tmp_path, model, None)
    values = json.loads((tmp_path / "config.json").read_text())
    for key, value, text in [
        ("attention_bias", True, "attention_bias is True"),
        ("model_type", "mistral", "'mistral'"),
        ("rope_parameters", {"rope_type": "yarn", "factor": 2}, "'yarn'"),
        ("head_dim", 8, "head_dim 8"),
        ("hidden_size", 128, "'embed_tokens.weight' is (192, 64)"),
    ]:
        changed = {**values, key: value} | ({"head_dim": None} if key == "hidden_size" else {})
        (tmp_path / "config.json").write_text(json.dumps(changed))
        with pytest.raises(ModelError, match=text.replace("(", r"\(").replace(")", r"\)")):
            load_model(tmp_path)
    with pytest.raises(ModelError, match="cannot be read"):
        read_config(tmp_path / "nothing")
    (tmp_path / "config.json").write_text(json.dumps(values))
    (tmp_path / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(ModelError, match="copy the model folder again"):
        load_model(tmp_path)
