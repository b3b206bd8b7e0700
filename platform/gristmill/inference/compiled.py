"""A step as one call of the CPU kernel: the same function as the torch model's, without its overhead.

The weights are copied into panels when the runner is made; the torch model is not needed afterwards.
All arithmetic is fp32, whatever the weights are kept in, and a token's hidden states have the same bits
in any batch and any chunk. See `native/step.cpp`.
"""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from gristmill.inference.blocks import BLOCK
from gristmill.inference.native.panels import (
    WIDE,
    Arena,
    Matrix,
    alternating,
    joined,
    panels_of,
)
from gristmill.inference.scheduler import Chunk
from gristmill.model.llama import Block, Llama, Rotation

MOST_HEAD_SIZE = 256
assert BLOCK == WIDE, "the kernel's cache blocks are as wide as its panels"


class _Layer(ctypes.Structure):
    _fields_: ClassVar = [
        *((name, Matrix) for name in ("qkv", "out", "gate_up", "down")),
        *((name, ctypes.c_void_p) for name in ("norm_before", "norm_after", "keys", "values")),
    ]


class _Model(ctypes.Structure):
    _fields_: ClassVar = [
        *(
            (name, ctypes.c_int32)
            for name in (
                "layers", "hidden", "inner", "heads", "kv_heads", "size", "blocks", "unused"
            )
        ),
        ("eps", ctypes.c_float),
        ("embedding_kind", ctypes.c_int32),
        *((name, ctypes.c_void_p) for name in ("layer", "norm", "cosines", "sines", "embedding")),
    ]  # fmt: skip


class _Step(ctypes.Structure):
    _fields_: ClassVar = [
        ("rows", ctypes.c_int32),
        ("chunks", ctypes.c_int32),
        *(
            (name, ctypes.c_void_p)
            for name in (
                "tokens", "positions", "first", "width", "table", "blocks", "hidden"
            )
        ),
    ]  # fmt: skip


class CompiledRunner:
    """A Llama on a CPU, computed by the kernel."""

    def __init__(self, model: Llama, num_blocks: int, library: ctypes.CDLL) -> None:
        shape = model.config.shape
        self._library = library
        self._team: _Team | None = None
        self._rows = model.config.vocab_rows
        self._hidden = shape.hidden_size
        size = (2, shape.num_layers, shape.num_kv_heads * num_blocks * BLOCK * shape.head_size)
        self._cache = torch.zeros(size)
        self._kept: list[Tensor] = []
        self._arena = Arena(_num_bytes(model))
        layers = (_Layer * shape.num_layers)()
        for number, block in enumerate(model.layers):
            assert isinstance(block, Block)
            layers[number] = self._layer(block, number)
        self._head = self._arena.place(panels_of(model.lm_head))
        self._layers = layers
        positions = torch.arange(model.config.max_position)
        rotation = Rotation.of(positions, model.config, torch.float32)
        half = shape.head_size // 2
        embedding = model.embed_tokens.weight.detach()
        self._model = _Model(
            shape.num_layers, shape.hidden_size, shape.intermediate_size, shape.num_heads,
            shape.num_kv_heads, shape.head_size, num_blocks, 0, shape.rms_norm_eps,
            int(embedding.dtype == torch.bfloat16), ctypes.addressof(layers),
            self._keep(model.norm.weight.float()),
            self._keep(rotation.cos_N1D[:, 0, :half]),
            self._keep(rotation.sin_N1D[:, 0, :half]),
            self._keep(embedding),
        )  # fmt: skip

    @staticmethod
    def lacks(model: Llama) -> str:
        """Return why the kernel cannot compute a model; empty where it can."""
        shape = model.config.shape
        weight = model.embed_tokens.weight
        if weight.device.type != "cpu":
            return f"it is on {weight.device}"
        if weight.dtype not in (torch.float32, torch.bfloat16):
            return f"its weights are {weight.dtype}"
        for name, value in (
            ("hidden size", shape.hidden_size),
            ("inner size", shape.intermediate_size),
            ("head size", shape.head_size),
        ):
            if value % WIDE:
                return f"its {name} is {value}, not a multiple of {WIDE}"
        return "its heads are too large" if shape.head_size > MOST_HEAD_SIZE else ""

    def run(self, chunks: Sequence[Chunk]) -> Tensor:
        """Return the hidden states NC of the chunks' tokens."""
        tokens, positions, blocks = array("i"), array("i"), array("i")
        first, width, table = array("i"), array("i"), array("i")
        for chunk in chunks:
            start = chunk.sequence.num_computed
            first.append(len(tokens))
            width.append(chunk.width)
            table.append(len(blocks))
            tokens.extend(chunk.tokens)
            positions.extend(range(start, start + chunk.width))
            blocks.extend(chunk.sequence.blocks)
        hidden_NC = torch.empty((len(tokens), self._hidden))
        inputs = (tokens, positions, first, width, table, blocks)
        step = _Step(
            len(tokens),
            len(first),
            *(values.buffer_info()[0] for values in inputs),
            hidden_NC.data_ptr(),
        )
        self._library.team_step(
            self._threads(), ctypes.addressof(self._model), ctypes.addressof(step)
        )
        return hidden_NC

    def logits(self, hidden_RC: Tensor) -> Tensor:
        """Return logits RV of some hidden states."""
        hidden_RC = hidden_RC.contiguous()
        out_RV = torch.empty((len(hidden_RC), self._head.panels * WIDE))
        self._library.team_product(
            self._threads(),
            ctypes.addressof(self._head),
            hidden_RC.data_ptr(),
            len(hidden_RC),
            out_RV.data_ptr(),
        )
        return out_RV[:, : self._rows]

    def _threads(self) -> int:
        """Return the threads that compute: as many as torch has in the thread that asks."""
        wanted = torch.get_num_threads()
        if self._team is None or self._team.size != wanted:
            self._team = _Team(self._library, wanted)
        return self._team.handle

    def _layer(self, block: Block, number: int) -> _Layer:
        attention, mlp = block.self_attn, block.mlp
        parts = [panels_of(part) for part in (attention.q_proj, attention.k_proj, attention.v_proj)]
        gated = alternating(panels_of(mlp.gate_proj), panels_of(mlp.up_proj))
        place = self._arena.place
        return _Layer(
            place(joined(parts)),
            place(panels_of(attention.o_proj)),
            place(gated),
            place(panels_of(mlp.down_proj)),
            self._keep(block.input_layernorm.weight.float()),
            self._keep(block.post_attention_layernorm.weight.float()),
            self._cache[0, number].data_ptr(),
            self._cache[1, number].data_ptr(),
        )

    def _keep(self, values: Tensor) -> int:
        kept = values.detach().contiguous()
        self._kept.append(kept)
        return kept.data_ptr()


class _Team:
    """Threads of the kernel's own, ended with the last runner that uses them."""

    def __init__(self, library: ctypes.CDLL, size: int) -> None:
        self.size = size
        self.handle: int = library.team_open(size)
        self._close = library.team_close

    def __del__(self) -> None:
        self._close(self.handle)


def _num_bytes(model: Llama) -> int:
    """Return an upper bound of what the panels of a model take."""
    total = 0
    for module in model.modules():
        for name, value in (
            *module.named_parameters(recurse=False),
            *module.named_buffers(recurse=False),
        ):
            if value.dim() == 2 and not isinstance(module, nn.Embedding):
                total += (value.numel() + WIDE * value.shape[1]) * value.element_size() + 4096
            elif name == "scale":
                total += value.numel() * 4 + 4096
    return total
