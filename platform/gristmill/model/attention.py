"""Attention inside packed documents: each document sees itself, causally, and nothing else.

`PackedAttention(bounds)` is an `Attend`. `bounds` are the starts of the documents on the flat token
axis, and its end. On a GPU one variable-length kernel does the whole batch (torch's `varlen_attn`,
else flash-attn); on a CPU, and for fp32, each document is one causal scaled-dot-product call, so that
the work is the sum of the squared lengths. Give it the bounds of rows to attend across the documents
of a row, as the paper does; positions must then run over the row too (`positions_of` either way).

Axes: N tokens, H query heads, K key/value heads, D channels of a head.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

Kernel = Callable[[Tensor, Tensor, Tensor, Tensor, int], Tensor]
"""(q_NHD, k_NKD, v_NKD, bounds, longest) -> out_NHD on a GPU, half precision."""


class PackedAttention:
    """Causal attention within each document of a packed batch."""

    def __init__(self, bounds: Sequence[int], device: torch.device | str = "cpu") -> None:
        assert len(bounds) >= 2 and bounds[0] == 0, "bounds are the starts and the end"
        self.bounds = tuple(int(bound) for bound in bounds)
        self.lengths = [end - start for start, end in itertools.pairwise(self.bounds)]
        assert min(self.lengths) > 0, "a document has at least one token"
        self.kernel = varlen_kernel() if torch.device(device).type == "cuda" else None
        if self.kernel is not None:
            self.bounds_tensor = torch.tensor(self.bounds, dtype=torch.int32, device=device)

    def __call__(self, layer: int, q_NHD: Tensor, k_NKD: Tensor, v_NKD: Tensor) -> Tensor:
        """Return the attended values, NHD."""
        if self.kernel is not None and q_NHD.dtype in (torch.bfloat16, torch.float16):
            return self.kernel(q_NHD, k_NKD, v_NKD, self.bounds_tensor, max(self.lengths))
        if len(set(self.lengths)) == 1:
            return _causal(q_NHD, k_NKD, v_NKD, len(self.lengths))
        parts = zip(
            torch.split(q_NHD, self.lengths),
            torch.split(k_NKD, self.lengths),
            torch.split(v_NKD, self.lengths),
            strict=True,
        )
        return torch.cat([_causal(q, k, v, 1) for q, k, v in parts])


def positions_of(bounds: Sequence[int]) -> Tensor:
    """Return each token's position in its own document, N int64."""
    return torch.cat([torch.arange(end - start) for start, end in itertools.pairwise(bounds)])


@cache
def varlen_kernel() -> Kernel | None:
    """Return a variable-length attention kernel for GPUs, or None where there is none."""
    return _torch_kernel() or _flash_kernel()


def _causal(q_NHD: Tensor, k_NKD: Tensor, v_NKD: Tensor, num: int) -> Tensor:
    """Attend in `num` documents of equal length."""
    q, k, v = (x.view(num, -1, *x.shape[1:]).transpose(1, 2) for x in (q_NHD, k_NKD, v_NKD))
    grouped = q.shape[1] != k.shape[1]
    out = scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=grouped)
    return out.transpose(1, 2).reshape(q_NHD.shape)


def _torch_kernel() -> Kernel | None:
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None

    def run(q: Tensor, k: Tensor, v: Tensor, bounds: Tensor, longest: int) -> Tensor:
        grouped = q.shape[1] != k.shape[1]
        out = varlen_attn(
            q, k, v, bounds, bounds, longest, longest, window_size=(-1, 0), enable_gqa=grouped
        )
        assert isinstance(out, Tensor)
        return out

    return run


def _flash_kernel() -> Kernel | None:
    try:
        from flash_attn import flash_attn_varlen_func
    except ImportError:
        return None

    def run(q: Tensor, k: Tensor, v: Tensor, bounds: Tensor, longest: int) -> Tensor:
        out: Tensor = flash_attn_varlen_func(q, k, v, bounds, bounds, longest, longest, causal=True)
        return out

    return run
