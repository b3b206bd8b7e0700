"""A model folder: Hugging Face's Llama layout, read and written without transformers.

`config.json` carries RoPE under the old keys (`rope_theta`, `rope_scaling`) and the new one
(`rope_parameters`), because old transformers, vLLM and llama.cpp read only the former. Weights are
`model.safetensors`, or shards with an index when they are large. What a folder says that our decoder
does not compute (biases, other activations, other RoPE kinds) is an error, never ignored.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from gristmill.errors import ModelError
from gristmill.model.config import Shape
from gristmill.model.llama import Llama, LlamaConfig
from gristmill.model.tensor_file import TensorFile

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
)
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def save_model(
    folder: Path,
    model: Llama,
    tokenizer_folder: Path | None,
    *,
    dtype: torch.dtype | None = None,
    bos: int | None = None,
    eos: int | Sequence[int] | None = None,
    pad: int | None = None,
    max_shard_bytes: int = 5_000_000_000,
) -> None:
    """Write config, weights (as `dtype`, default the model's own), generation config and tokenizer.

    `eos` are the ids that end a generation; the first is the config's own `eos_token_id`.
    """
    named = ((saved_name(name), tensor) for name, tensor in model.named_parameters())
    dtype = dtype or model.norm.weight.dtype
    save_weights(folder, model.config, named, dtype, max_shard_bytes=max_shard_bytes)
    save_companions(folder, tokenizer_folder, bos=bos, eos=eos, pad=pad)


def save_companions(
    folder: Path,
    tokenizer_folder: Path | None,
    *,
    bos: int | None = None,
    eos: int | Sequence[int] | None = None,
    pad: int | None = None,
) -> None:
    """Add to saved weights what generation needs: the special ids and the tokenizer's files."""
    ends = [eos] if isinstance(eos, int) else list(eos or [])
    ids = {"bos_token_id": bos, "eos_token_id": ends[0] if ends else None, "pad_token_id": pad}
    known = {key: value for key, value in ids.items() if value is not None}
    _add_to_json(folder / CONFIG, known)
    generation = {**known, "eos_token_id": ends} if len(ends) > 1 else known
    _write_json(folder / "generation_config.json", {**generation, "do_sample": False})
    if tokenizer_folder is not None:
        for name in TOKENIZER_FILES:
            if (tokenizer_folder / name).is_file():
                shutil.copyfile(tokenizer_folder / name, folder / name)


def save_weights(
    folder: Path,
    config: LlamaConfig,
    tensors: Iterator[tuple[str, Tensor]],
    dtype: torch.dtype,
    *,
    max_shard_bytes: int = 5_000_000_000,
) -> None:
    """Write `config.json` and the weights, one tensor in memory at a time; names are Hugging Face's."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in (*folder.glob("model*.safetensors"), folder / INDEX):
        stale.unlink(missing_ok=True)
    _write_json(folder / CONFIG, config_values(config, dtype))
    written = list(_write_shards(folder, _saved_names(config), tensors, dtype, max_shard_bytes))
    if len(written) == 1:
        written[0].path.rename(folder / WEIGHTS)
        return
    places: dict[str, str] = {}
    for number, shard in enumerate(written, start=1):
        name = f"model-{number:05d}-of-{len(written):05d}.safetensors"
        shard.path.rename(folder / name)
        places.update(dict.fromkeys(shard.names, name))
    total = sum(shard.num_bytes for shard in written)
    _write_json(folder / INDEX, {"metadata": {"total_size": total}, "weight_map": places})


def _write_shards(
    folder: Path,
    names: Sequence[str],
    tensors: Iterator[tuple[str, Tensor]],
    dtype: torch.dtype,
    max_bytes: int,
) -> Iterator[TensorFile]:
    """Write the tensors in files of at most `max_bytes` (or of one tensor) and yield each file."""
    coming = next(tensors, None)
    number = 0
    while coming is not None:
        with TensorFile(folder / f"model-part-{number}.safetensors", names) as file:
            while coming is not None:
                name, tensor = coming
                if file.names and file.num_bytes + tensor.numel() * dtype.itemsize > max_bytes:
                    break
                file.add(name, tensor.detach().to("cpu", dtype))
                del tensor  # before the next one is made
                coming = None
                coming = next(tensors, None)
        yield file
        number += 1


def _saved_names(config: LlamaConfig) -> list[str]:
    """Return the names that a folder of this config has."""
    with torch.device("meta"):
        names = [name for name, _ in Llama(config).named_parameters()]
    return [saved_name(name) for name in (*names, "lm_head.weight")]


def load_model(folder: Path, dtype: torch.dtype = torch.float32) -> Llama:
    """Read any Hugging Face Llama folder, sharded or not. Raises ModelError saying what does not fit."""
    config = read_config(folder)
    with torch.device("meta"):
        model = Llama(config)
    state = {
        name: tensor
        for name, tensor in read_weights(folder, dtype)
        if name != "lm_head.weight" or not config.shape.tie_embeddings
    }
    wanted = {name: value.shape for name, value in model.named_parameters()}
    for name, shape in wanted.items():
        if name not in state:
            raise ModelError(
                f"model folder {folder} has no weight '{name}'; the copy is incomplete"
            )
        if state[name].shape != shape:
            raise ModelError(
                f"model folder {folder}: weight '{name}' is {tuple(state[name].shape)}, "
                f"its config.json says {tuple(shape)}"
            )
    extra = sorted(set(state) - set(wanted))
    if extra:
        raise ModelError(
            f"model folder {folder} has weights that a plain Llama has not: {', '.join(extra[:5])}"
        )
    model.load_state_dict(state, strict=False, assign=True)
    model.tie()
    return model


def read_weights(folder: Path, dtype: torch.dtype) -> Iterator[tuple[str, Tensor]]:
    """Yield the weights under our names (no leading `model.`), cast to `dtype`. Raises ModelError."""
    for path in _weight_files(folder):
        try:
            if path.suffix == ".bin":
                state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
                found = [(name, state[name]) for name in sorted(state)]
                yield from ((name.removeprefix("model."), t.to(dtype)) for name, t in found)
                continue
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118 - safe_open is no mapping
                    if not name.endswith("rotary_emb.inv_freq"):
                        yield name.removeprefix("model."), file.get_tensor(name).to(dtype)
        except (OSError, RuntimeError, SafetensorError) as error:
            raise ModelError(
                f"weights {path} cannot be read ({error}); copy the model folder again"
            ) from error


def read_config(folder: Path) -> LlamaConfig:
    """Read `config.json` under its old or new RoPE keys. Raises ModelError."""
    values = read_values(folder)
    _refuse_foreign(folder, values)
    rope = values.get("rope_parameters") or values.get("rope_scaling") or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind not in ("default", "linear"):
        raise ModelError(
            f"model folder {folder}: RoPE kind '{kind}' is not supported, only default and linear"
        )
    theta = float(rope.get("rope_theta") or values.get("rope_theta") or 10000.0)
    try:
        heads = int(values["num_attention_heads"])
        shape = Shape(
            hidden_size=int(values["hidden_size"]),
            intermediate_size=int(values["intermediate_size"]),
            num_layers=int(values["num_hidden_layers"]),
            num_heads=heads,
            num_kv_heads=int(values.get("num_key_value_heads") or heads),
            tie_embeddings=bool(values.get("tie_word_embeddings", False)),
            rms_norm_eps=float(values.get("rms_norm_eps", 1e-6)),
            rope_theta=theta,
        )
        return LlamaConfig(
            shape=shape,
            vocab_rows=int(values["vocab_size"]),
            max_position=int(values.get("max_position_embeddings", 2048)),
            rope_theta=theta,
            rope_scale=float(rope.get("factor", 1.0)) if kind == "linear" else 1.0,
        )
    except KeyError as error:
        raise ModelError(f"model folder {folder}: config.json has no key {error}") from error


def config_values(config: LlamaConfig, dtype: torch.dtype) -> dict[str, Any]:
    """Return `config.json`'s values, RoPE under old and new keys."""
    shape = config.shape
    linear = config.rope_scale != 1.0
    rope: dict[str, Any] = {"rope_type": "linear" if linear else "default"}
    if linear:
        rope["factor"] = config.rope_scale
    dtype_name = str(dtype).removeprefix("torch.")
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": shape.hidden_size,
        "intermediate_size": shape.intermediate_size,
        "num_hidden_layers": shape.num_layers,
        "num_attention_heads": shape.num_heads,
        "num_key_value_heads": shape.num_kv_heads,
        "head_dim": shape.head_size,
        "hidden_act": "silu",
        "rms_norm_eps": shape.rms_norm_eps,
        "vocab_size": config.vocab_rows,
        "max_position_embeddings": config.max_position,
        "rope_theta": config.rope_theta,
        "rope_scaling": {**rope, "type": "linear"} if linear else None,
        "rope_parameters": {**rope, "rope_theta": config.rope_theta},
        "attention_bias": False,
        "mlp_bias": False,
        "attention_dropout": 0.0,
        "tie_word_embeddings": shape.tie_embeddings,
        "use_cache": True,
        "dtype": dtype_name,
        "torch_dtype": dtype_name,
    }


def read_values(folder: Path) -> dict[str, Any]:
    """Return `config.json` as it stands. Raises ModelError when it is missing or no JSON."""
    path = folder / CONFIG
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}; give a model folder") from error
    except ValueError as error:
        raise ModelError(f"{path} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise ModelError(f"{path} holds {type(values).__name__}, not a mapping")
    return values


def _refuse_foreign(folder: Path, values: Mapping[str, Any]) -> None:
    wanted: dict[str, tuple[Any, ...]] = {
        "model_type": ("llama",),
        "hidden_act": ("silu", "swish"),
        "attention_bias": (False,),
        "mlp_bias": (False,),
    }
    for key, allowed in wanted.items():
        found = values.get(key, allowed[0])
        if found not in allowed:
            raise ModelError(
                f"model folder {folder}: {key} is {found!r}; only {allowed[0]!r} can be computed"
            )
    heads, hidden = values.get("num_attention_heads"), values.get("hidden_size")
    size = values.get("head_dim")
    if size and heads and hidden and size * heads != hidden:
        raise ModelError(
            f"model folder {folder}: head_dim {size} x {heads} heads is not hidden_size {hidden}"
        )


def _weight_files(folder: Path) -> list[Path]:
    for index in (INDEX, "pytorch_model.bin.index.json"):
        if (folder / index).is_file():
            places = json.loads((folder / index).read_text(encoding="utf-8"))["weight_map"]
            paths = [folder / name for name in sorted(set(places.values()))]
            missing = [path.name for path in paths if not path.is_file()]
            if missing:
                raise ModelError(f"model folder {folder} lacks {', '.join(missing)}; copy it again")
            return paths
    for name in (WEIGHTS, "pytorch_model.bin"):
        if (folder / name).is_file():
            return [folder / name]
    raise ModelError(f"model folder {folder} has no {WEIGHTS}, no {INDEX} and no pytorch_model.bin")


def saved_name(name: str) -> str:
    """Return Hugging Face's name of one of our weights."""
    return name if name.startswith("lm_head.") else f"model.{name}"


def _add_to_json(path: Path, values: Mapping[str, Any]) -> None:
    _write_json(path, {**json.loads(path.read_text(encoding="utf-8")), **values})


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
