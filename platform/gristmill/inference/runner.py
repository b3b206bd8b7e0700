"""Who computes a step: chunks of sequences in, hidden states out.

A `Runner` holds the weights and the keys and values of every block; the engine decides what is computed
and which token comes of it. `TorchRunner` is the training model's own class over the paged cache, on a CPU
or a GPU; `CompiledRunner` (`inference/compiled.py`) is the same function as one call of the CPU kernel.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from gristmill.inference.cache import PagedAttention, PagedCache
from gristmill.inference.compiled import CompiledRunner
from gristmill.inference.native import build
from gristmill.inference.scheduler import Chunk
from gristmill.model.llama import Llama

log = logging.getLogger(__name__)


class Runner(Protocol):
    """Computes steps over `num_blocks` blocks of cache."""

    def run(self, chunks: Sequence[Chunk]) -> Tensor:
        """Return the hidden states NC of the chunks' tokens, one chunk after the other."""

    def logits(self, hidden_RC: Tensor) -> Tensor:
        """Return logits RV of some hidden states."""


class TorchRunner:
    """The training model's own class, with torch."""

    def __init__(self, model: Llama, num_blocks: int) -> None:
        self.model = model
        weight = model.embed_tokens.weight
        self._device = weight.device
        self._cache = PagedCache(model.config, num_blocks, weight.dtype, weight.device)

    def run(self, chunks: Sequence[Chunk]) -> Tensor:
        """Return the hidden states NC of the chunks' tokens."""
        tokens: list[int] = []
        positions: list[int] = []
        for chunk in chunks:
            start = chunk.sequence.num_computed
            tokens += chunk.tokens
            positions += range(start, start + chunk.width)
        hidden_NC: Tensor = self.model(
            torch.tensor(tokens, device=self._device),
            torch.tensor(positions, device=self._device),
            PagedAttention(self._cache, chunks),
        )
        return hidden_NC

    def logits(self, hidden_RC: Tensor) -> Tensor:
        """Return logits RV of some hidden states."""
        return self.model.logits(hidden_RC)


def runner_of(model: Llama, num_blocks: int, *, compiled: bool) -> Runner:
    """Return what computes this model: with `compiled` the CPU kernel, where there is one for it."""
    if compiled and (library := build.library()) is not None:
        if not (reason := CompiledRunner.lacks(model)):
            return CompiledRunner(model, num_blocks, library)
        log.info("this model runs on torch alone: %s", reason)
    weight = model.embed_tokens.weight
    if weight.device.type == "cpu" and weight.dtype == torch.bfloat16:
        model.float()  # bfloat16 arithmetic is several times slower on most CPUs, and rounds
    return TorchRunner(model, num_blocks)
