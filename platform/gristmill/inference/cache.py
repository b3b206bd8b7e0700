"""The paged KV cache, and the attention of one engine step over it.

Keys and values lie in one tensor a layer, heads first, so that a block of one head is one piece of memory
and gathering a sequence is a few large copies. `PagedAttention` is the model's `Attend`: it writes the
step's keys and values to their slots, then attends. Sequences that only decode (one token each) are
attended together, padded to the longest; a prefill chunk is attended alone.

Axes: N tokens of the step, B decoding sequences, L tokens of a context, T tokens of a chunk, H query heads,
K key/value heads, G query heads of one key/value head, D channels of a head, S slots of the cache.
"""

from collections.abc import Sequence as Rows

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from gristmill.inference.blocks import BLOCK
from gristmill.inference.scheduler import Chunk
from gristmill.model.llama import LlamaConfig


class PagedCache:
    """Keys and values of every block, for every layer."""

    def __init__(
        self, config: LlamaConfig, num_blocks: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        shape = config.shape
        size = (shape.num_layers, shape.num_kv_heads, num_blocks, BLOCK * shape.head_size)
        self.head_size = shape.head_size
        self.device = device
        self.keys = torch.zeros(size, dtype=dtype, device=device)
        self.values = torch.zeros(size, dtype=dtype, device=device)

    def write(self, layer: int, slots_N: Tensor, k_NKD: Tensor, v_NKD: Tensor) -> None:
        """Store keys and values at their slots."""
        for cache, x_NKD in ((self.keys, k_NKD), (self.values, v_NKD)):
            cache_KSD = cache[layer].view(cache.shape[1], -1, self.head_size)
            cache_KSD.index_copy_(1, slots_N, x_NKD.transpose(0, 1))

    def read(self, layer: int, blocks: Tensor, num_rows: int) -> tuple[Tensor, Tensor]:
        """Return keys and values KBLD of `num_rows` contexts, whose blocks lie in one flat list."""
        num_heads = self.keys.shape[1]
        keys = self.keys[layer].index_select(1, blocks)
        values = self.values[layer].index_select(1, blocks)
        shape = (num_heads, num_rows, -1, self.head_size)
        return keys.view(shape), values.view(shape)


class PagedAttention:
    """Attention of one step: single-token chunks first, then prefill chunks."""

    def __init__(self, cache: PagedCache, chunks: Rows[Chunk]) -> None:
        self.cache = cache
        device = cache.device
        singles = [chunk for chunk in chunks if chunk.width == 1]
        assert singles == list(chunks[: len(singles)]), "single-token chunks come first"
        self.num_singles = len(singles)
        self.prefills = [_Prefill(chunk, device) for chunk in chunks[len(singles) :]]
        slots = [slot for chunk in chunks for slot in _slots(chunk)]
        self.slots_N = torch.tensor(slots, device=device)
        if singles:
            widest = max(len(chunk.sequence.blocks) for chunk in singles)
            table = [_padded(chunk.sequence.blocks, widest) for chunk in singles]
            ends = [chunk.sequence.num_computed + 1 for chunk in singles]
            self.blocks = torch.tensor(table, device=device).view(-1)
            seen_BL = torch.arange(widest * BLOCK) < torch.tensor(ends)[:, None]
            self.seen_1B1L = seen_BL[None, :, None].to(device)

    def __call__(self, layer: int, q_NHD: Tensor, k_NKD: Tensor, v_NKD: Tensor) -> Tensor:
        """Store the step's keys and values, then return the attended values NHD."""
        self.cache.write(layer, self.slots_N, k_NKD, v_NKD)
        at = self.num_singles
        parts = [self._decode(layer, q_NHD[:at])] if at else []
        for prefill in self.prefills:
            parts.append(prefill.attend(self.cache, layer, q_NHD[at : at + prefill.num_tokens]))
            at += prefill.num_tokens
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _decode(self, layer: int, q_BHD: Tensor) -> Tensor:
        keys, values = self.cache.read(layer, self.blocks, self.num_singles)
        q_KBGD = q_BHD.view(len(q_BHD), keys.shape[0], -1, self.cache.head_size).transpose(0, 1)
        out_KBGD = scaled_dot_product_attention(q_KBGD, keys, values, attn_mask=self.seen_1B1L)
        return out_KBGD.transpose(0, 1).flatten(1, 2)


class _Prefill:
    """One chunk of a prompt, seeing what came before it and itself causally."""

    def __init__(self, chunk: Chunk, device: torch.device) -> None:
        sequence = chunk.sequence
        self.num_tokens = chunk.width
        self.end = sequence.num_computed + chunk.width
        self.blocks = torch.tensor(sequence.blocks, device=device)
        self.seen_TL: Tensor | None = None
        if sequence.num_computed:
            asked_T1 = torch.arange(sequence.num_computed, self.end)[:, None]
            self.seen_TL = (torch.arange(self.end) <= asked_T1).to(device)

    def attend(self, cache: PagedCache, layer: int, q_THD: Tensor) -> Tensor:
        keys_K1LD, values_K1LD = cache.read(layer, self.blocks, 1)
        keys_K1LD, values_K1LD = keys_K1LD[:, :, : self.end], values_K1LD[:, :, : self.end]
        q_TKGD = q_THD.view(len(q_THD), keys_K1LD.shape[0], -1, cache.head_size)
        q_KGTD = q_TKGD.permute(1, 2, 0, 3)
        num_grouped = q_KGTD.shape[1]
        out_KGTD = scaled_dot_product_attention(
            q_KGTD,
            keys_K1LD.expand(-1, num_grouped, -1, -1),
            values_K1LD.expand(-1, num_grouped, -1, -1),
            attn_mask=self.seen_TL,
            is_causal=self.seen_TL is None,
        )
        return out_KGTD.permute(2, 0, 1, 3).flatten(1, 2)


def _slots(chunk: Chunk) -> list[int]:
    sequence = chunk.sequence
    positions = range(sequence.num_computed, sequence.num_computed + chunk.width)
    return [sequence.blocks[at // BLOCK] * BLOCK + at % BLOCK for at in positions]


def _padded(blocks: list[int], length: int) -> list[int]:
    return blocks + [0] * (length - len(blocks))
