"""The decoder: Llama's architecture, exactly, in one class for training and for inference.

Token-flat: all sequences of a batch lie on one axis, with each token's position in its own document.
Who attends to whom is the `Attend` object's business: packed documents in training, a paged cache in
the engine. Weights carry Hugging Face's names without the leading `model.`. Linear RoPE scaling
divides positions by `rope_scale` (paper section 3.6); the rotation pairs channel i with i + D/2, as
Hugging Face does, not i with i + 1.

Axes: N tokens, C hidden, F inner, H query heads, K key/value heads, D channels of a head, V vocabulary.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from gristmill.errors import ModelError
from gristmill.model.config import Shape


@dataclass(frozen=True)
class LlamaConfig:
    """All that decides the function a set of weights computes."""

    shape: Shape
    vocab_rows: int
    """Rows of the embedding: all token ids, rounded up."""
    max_position: int
    """Longest sequence the model is meant for."""
    rope_theta: float
    rope_scale: float = 1.0
    """Linear scaling: positions are divided by it."""

    @property
    def num_parameters(self) -> int:
        """Number of weights, embeddings included."""
        return self.shape.num_parameters(self.vocab_rows)


class Attend(Protocol):
    """Attention over whatever the tokens may see; keys and values come after RoPE."""

    def __call__(self, layer: int, q_NHD: Tensor, k_NKD: Tensor, v_NKD: Tensor) -> Tensor:
        """Return the attended values, NHD."""


class RMSNorm(nn.Module):
    """Root-mean-square norm, computed in fp32 whatever the weights' type."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x_NC: Tensor) -> Tensor:
        """Normalise each token."""
        if x_NC.dtype == self.weight.dtype == torch.float32:
            return functional.rms_norm(x_NC, self.weight.shape, self.weight, self.eps)
        wide = functional.rms_norm(x_NC.float(), self.weight.shape, None, self.eps)
        return self.weight * wide.to(x_NC.dtype)


class Attention(nn.Module):
    """Projections around an `Attend`: multi-head, grouped-query or multi-query by the shape."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.head_size = shape.head_size
        kv_size = shape.num_kv_heads * shape.head_size
        self.q_proj = nn.Linear(shape.hidden_size, shape.hidden_size, bias=False)
        self.k_proj = nn.Linear(shape.hidden_size, kv_size, bias=False)
        self.v_proj = nn.Linear(shape.hidden_size, kv_size, bias=False)
        self.o_proj = nn.Linear(shape.hidden_size, shape.hidden_size, bias=False)

    def project(self, x_NC: Tensor, rotation: Rotation) -> tuple[Tensor, Tensor, Tensor]:
        """Return rotated queries NHD, rotated keys NKD and values NKD."""
        heads = (len(x_NC), -1, self.head_size)
        q_NHD, k_NKD = self.q_proj(x_NC).view(heads), self.k_proj(x_NC).view(heads)
        v_NKD = self.v_proj(x_NC).view(heads)
        return rotation.apply(q_NHD), rotation.apply(k_NKD), v_NKD


class Mlp(nn.Module):
    """SwiGLU."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.up_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.down_proj = nn.Linear(shape.intermediate_size, shape.hidden_size, bias=False)

    def forward(self, x_NC: Tensor) -> Tensor:
        """Return silu(gate) * up, projected down."""
        out: Tensor = self.down_proj(functional.silu(self.gate_proj(x_NC)) * self.up_proj(x_NC))
        return out


class Block(nn.Module):
    """One layer: attention, then SwiGLU, each after a norm and added to the stream."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(shape.hidden_size, shape.rms_norm_eps)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = RMSNorm(shape.hidden_size, shape.rms_norm_eps)
        self.mlp = Mlp(shape)

    def forward(self, x_NC: Tensor, rotation: Rotation, attend: Attend, layer: int) -> Tensor:
        """Return the stream after this layer."""
        q_NHD, k_NKD, v_NKD = self.before(x_NC, rotation)
        return self.after(x_NC, attend(layer, q_NHD, k_NKD, v_NKD).flatten(-2))

    def before(self, x_NC: Tensor, rotation: Rotation) -> tuple[Tensor, Tensor, Tensor]:
        """Return what attention needs."""
        return self.self_attn.project(self.input_layernorm(x_NC), rotation)

    def after(self, x_NC: Tensor, attended_NC: Tensor) -> Tensor:
        """Add attention's and the inner layer's results to the stream."""
        y_NC: Tensor = x_NC + self.self_attn.o_proj(attended_NC)
        out: Tensor = y_NC + self.mlp(self.post_attention_layernorm(y_NC))
        return out

    def compile_parts(self) -> None:
        """Compile what lies on either side of attention, whose document lengths change each step."""
        self.before = torch.compile(self.before)  # type: ignore[method-assign]
        self.after = torch.compile(self.after)  # type: ignore[method-assign]


@dataclass(frozen=True)
class Rotation:
    """RoPE's cosines and sines for a batch's positions, half-split."""

    cos_N1D: Tensor
    sin_N1D: Tensor

    @staticmethod
    def of(positions_N: Tensor, config: LlamaConfig, dtype: torch.dtype) -> Rotation:
        """Compute the rotation of each position in fp32, then round to `dtype`."""
        size = config.shape.head_size
        exponents = torch.arange(0, size, 2, device=positions_N.device, dtype=torch.float32) / size
        frequencies_D = 1.0 / (config.rope_theta**exponents) / config.rope_scale
        angles_ND = positions_N.float()[:, None] * frequencies_D
        angles_N1D = torch.cat((angles_ND, angles_ND), dim=-1)[:, None, :]
        return Rotation(angles_N1D.cos().to(dtype), angles_N1D.sin().to(dtype))

    def apply(self, x_NHD: Tensor) -> Tensor:
        """Rotate every head of every token."""
        low, high = x_NHD.chunk(2, dim=-1)
        return x_NHD * self.cos_N1D + torch.cat((-high, low), dim=-1) * self.sin_N1D


class Llama(nn.Module):
    """A Llama decoder over a flat axis of tokens."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        shape = config.shape
        self.config = config
        self.checkpoint_blocks = False
        """Keep one activation a layer and recompute the rest in the backward pass."""
        table = torch.empty(config.vocab_rows, shape.hidden_size)  # nn.Embedding would fill it
        self.embed_tokens = nn.Embedding(config.vocab_rows, shape.hidden_size, _weight=table)
        self.layers = nn.ModuleList(Block(shape) for _ in range(shape.num_layers))
        self.norm = RMSNorm(shape.hidden_size, shape.rms_norm_eps)
        self.lm_head = nn.Linear(shape.hidden_size, config.vocab_rows, bias=False)
        self.tie()

    def tie(self) -> None:
        """Make the head the embedding, where the shape says so."""
        if self.config.shape.tie_embeddings:
            self.lm_head.weight = self.embed_tokens.weight

    def forward(self, tokens_N: Tensor, positions_N: Tensor, attend: Attend) -> Tensor:
        """Return the hidden states NC after the final norm."""
        x_NC: Tensor = self.embed_tokens(tokens_N)
        rotation = Rotation.of(positions_N, self.config, x_NC.dtype)
        for number, layer in enumerate(self.layers):
            if self.checkpoint_blocks and self.training:
                x_NC = _recomputed(layer, x_NC, rotation, attend, number)
            else:
                x_NC = layer(x_NC, rotation, attend, number)
        out: Tensor = self.norm(x_NC)
        return out

    def logits(self, hidden_NC: Tensor) -> Tensor:
        """Return the logits NV of hidden states; ask only for the tokens that need them."""
        out: Tensor = self.lm_head(hidden_NC)
        return out

    def compile_blocks(self) -> None:
        """Compile every layer around its attention."""
        for layer in self.layers:
            assert isinstance(layer, Block)
            layer.compile_parts()


def initialize(model: Llama, std: float, seed: int) -> None:
    """Fill the weights: matrices normal(0, std), norms one; each from (seed, its name) alone."""
    for name, parameter in model.named_parameters():
        fill(name, parameter.data, std, seed)


def fill(name: str, weight: Tensor, std: float, seed: int) -> None:
    """Fill one weight in place with its initial values, whatever device or order it is made in."""
    if weight.dim() == 1:
        weight.fill_(1.0)
        return
    digest = hashlib.sha256(f"{seed}:initial:{name}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
    values = torch.empty(weight.shape, dtype=torch.float32)
    weight.copy_(values.normal_(0.0, std, generator=generator))


def rescale(config: LlamaConfig, theta: float, scale: float, max_position: int) -> LlamaConfig:
    """Return the config with RoPE stretched for longer sequences (paper section 3.6)."""
    if scale <= 0 or theta <= 0:
        raise ModelError(f"RoPE scale {scale} and base {theta} must be positive")
    return LlamaConfig(config.shape, config.vocab_rows, max_position, theta, scale)


def _recomputed(layer: nn.Module, *arguments: Any) -> Tensor:
    run: Callable[..., Tensor] = checkpoint
    return run(layer, *arguments, use_reentrant=False)
