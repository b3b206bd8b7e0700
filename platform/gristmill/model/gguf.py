"""A GGUF file, llama.cpp's: its values and its tensors, read where they lie.

The file is mapped, and each tensor widened to fp32 when it is asked for, so that reading a model takes
the memory of its largest weight. llama.cpp pairs RoPE's channels i and i + 1 where Hugging Face pairs
i and i + D/2; `weights` puts the rows of queries and keys back. What says how a Llama computes is read
or refused, never ignored.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gristmill.errors import ModelError
from gristmill.model.config import Shape
from gristmill.model.llama import LlamaConfig
from gristmill.model.quantized import FORMATS, wide

SUFFIX = ".gguf"
_SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
_STRING, _ARRAY = 8, 9
_NAMES = {
    "token_embd": "embed_tokens",
    "output_norm": "norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_TENSOR = re.compile(r"(?:blk\.(\d+)\.)?([a-z_]+)\.weight")


@dataclass(frozen=True)
class StoredTensor:
    """One tensor of the file."""

    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int
    """From the start of the data."""


class GgufFile:
    """The values and tensors of one file."""

    def __init__(self, path: Path) -> None:
        """Read the header. Raises ModelError when the file is no GGUF or is cut short."""
        self.path = path
        try:
            self._bytes: NDArray[np.uint8] = np.memmap(path, np.uint8, "r")
        except (OSError, ValueError) as error:
            raise ModelError(f"{path} cannot be read: {error}; give a GGUF file") from error
        self._view = self._bytes.data
        self._at = 0
        if bytes(self._view[:4]) != b"GGUF":
            raise ModelError(f"{path} begins with {bytes(self._view[:4])!r}, not GGUF's mark")
        try:
            self.values, self.tensors = self._header()
        except (struct.error, KeyError, UnicodeDecodeError, MemoryError) as error:
            raise ModelError(f"{path} is cut short or damaged ({error}); copy it again") from error

    def _header(self) -> tuple[dict[str, Any], tuple[StoredTensor, ...]]:
        self._at = 4
        version = self._scalar("I")
        if version not in (2, 3):
            raise ModelError(f"{self.path} is GGUF version {version}; this code reads 2 and 3")
        num_tensors, num_values = self._scalar("Q"), self._scalar("Q")
        values = {}
        for _ in range(num_values):
            key = self._string()
            values[key] = self._value(self._scalar("I"))
        tensors = []
        for _ in range(num_tensors):
            name, dimensions = self._string(), self._scalar("I")
            shape = tuple(self._scalar("Q") for _ in range(dimensions))[::-1]
            tensors.append(StoredTensor(name, shape, self._scalar("I"), self._scalar("Q")))
        alignment = int(values.get("general.alignment", 32))
        self._data = -(-self._at // alignment) * alignment
        return values, tuple(tensors)

    def _scalar(self, code: str) -> Any:
        (value,) = struct.unpack_from(f"<{code}", self._view, self._at)
        self._at += struct.calcsize(f"<{code}")
        return value

    def _string(self) -> str:
        size = self._scalar("Q")
        text = bytes(self._view[self._at : self._at + size])
        if len(text) < size:
            raise struct.error("a string ends past the file's end")
        self._at += size
        return text.decode()

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind != _ARRAY:
            return self._scalar(_SCALARS[kind])
        inner, size = self._scalar("I"), self._scalar("Q")
        if inner in (_STRING, _ARRAY):
            return [self._value(inner) for _ in range(size)]
        code = f"<{size}{_SCALARS[inner]}"
        found = list(struct.unpack_from(code, self._view, self._at))
        self._at += struct.calcsize(code)
        return found

    def tensor(self, stored: StoredTensor) -> NDArray[np.float32]:
        """Return a tensor in fp32. Raises ModelError for a format that is not read."""
        if stored.kind not in FORMATS:
            known = ", ".join(name for name, *_ in FORMATS.values())
            raise ModelError(
                f"{self.path}: tensor {stored.name} is of ggml type {stored.kind}; "
                f"{known} are read; convert the file to one of them"
            )
        _, size, weights, _ = FORMATS[stored.kind]
        num_bytes = int(np.prod(stored.shape)) // weights * size
        start = self._data + stored.offset
        raw = self._bytes[start : start + num_bytes]
        if len(raw) < num_bytes:
            raise ModelError(f"{self.path} ends inside tensor {stored.name}; copy it again")
        return wide(stored.kind, np.array(raw)).reshape(stored.shape)

    @cached_property
    def config(self) -> LlamaConfig:
        """Return the decoder's config. Raises ModelError when it is no plain Llama."""
        values = self.values
        if values.get("general.architecture") != "llama":
            found = values.get("general.architecture")
            raise ModelError(f"{self.path} is of architecture {found!r}; only 'llama' is read")
        names = {tensor.name for tensor in self.tensors}
        scaling = values.get("llama.rope.scaling.type", "none")
        if "rope_freqs.weight" in names or scaling not in ("none", "linear"):
            raise ModelError(
                f"{self.path}: RoPE of kind {scaling!r} with its own frequencies is not supported"
            )
        try:
            heads = int(values["llama.attention.head_count"])
            hidden = int(values["llama.embedding_length"])
            shape = Shape(
                hidden_size=hidden,
                intermediate_size=int(values["llama.feed_forward_length"]),
                num_layers=int(values["llama.block_count"]),
                num_heads=heads,
                num_kv_heads=int(values.get("llama.attention.head_count_kv", heads)),
                tie_embeddings="output.weight" not in names,
                rms_norm_eps=_short(values["llama.attention.layer_norm_rms_epsilon"]),
                rope_theta=float(values.get("llama.rope.freq_base", 10000.0)),
            )
            (rows,) = (t.shape[0] for t in self.tensors if t.name == "token_embd.weight")
            context = int(values.get("llama.context_length", 2048))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{self.path} lacks what a Llama needs: {error}") from error
        factor = float(values.get("llama.rope.scaling.factor", 1.0)) if scaling == "linear" else 1.0
        rotated = int(values.get("llama.rope.dimension_count", shape.head_size))
        if rotated != shape.head_size:
            raise ModelError(
                f"{self.path} rotates {rotated} of {shape.head_size} channels of a head; "
                "only all of them can be computed"
            )
        return LlamaConfig(shape, rows, context, shape.rope_theta, factor)

    def weights(self, dtype: torch.dtype) -> Iterator[tuple[str, Tensor]]:
        """Yield the weights under our names, cast to `dtype`. Raises ModelError."""
        shape = self.config.shape
        turned = {"attn_q": shape.num_heads, "attn_k": shape.num_kv_heads}
        for stored in self.tensors:
            match = _TENSOR.fullmatch(stored.name)
            if match is None or match[2] not in _NAMES:
                raise ModelError(
                    f"{self.path} has tensor {stored.name}, which a plain Llama has not"
                )
            values = self.tensor(stored)
            if match[2] in turned:
                values = _half_split(values, turned[match[2]])
            layer = f"layers.{match[1]}." if match[1] else ""
            yield f"{layer}{_NAMES[match[2]]}.weight", torch.from_numpy(values).to(dtype)


def _half_split(values: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Order a head's rows for RoPE that pairs i with i + D/2."""
    rows, columns = values.shape
    paired = values.reshape(heads, rows // heads // 2, 2, columns)
    return np.ascontiguousarray(paired.swapaxes(1, 2)).reshape(rows, columns)


def _short(value: float) -> float:
    """Return the shortest decimal that is the same in fp32: 1e-05, not 9.999999747378752e-06."""
    return float(str(np.float32(value)))
