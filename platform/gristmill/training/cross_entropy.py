"""The head and its loss in one pass over pieces of the targets, so that the logits never stand whole.

For each piece: logits, log-sum-exp, the targets' entropies, and at once the gradients of the summed loss
in hidden states and head; the logits are overwritten on the way and dropped. Backward only scales. So a
step holds one piece of logits instead of two or three whole tables of them, computes no logit twice, and
on a CPU a piece stays in cache, which is where most of the gain is. With `z_loss` the loss has
z_loss * (log Z)^2 added for each target; the entropies stay plain.

Axes: L targets, C hidden, V vocabulary, P a piece of L.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

CPU_ROWS = 128
"""Targets of a piece on a CPU: fewer, and adding to the head's gradient costs more than the cache saves."""
GPU_LOGITS = 1 << 26
"""Logits of a piece on a GPU: 256 MB of fp32 keep it busy."""


def summed_cross_entropy(
    hidden_LC: Tensor, head_VC: Tensor, targets_L: Tensor, z_loss: float
) -> tuple[Tensor, Tensor]:
    """Return the summed loss (with z-loss, differentiable) and each target's plain entropy, fp32 [L]."""
    run: Callable[..., tuple[Tensor, Tensor]] = _Summed.apply
    return run(hidden_LC, head_VC, targets_L, z_loss)


def piece_rows(device: torch.device, vocab_rows: int) -> int:
    """Return how many targets' logits are made at a time."""
    return CPU_ROWS if device.type == "cpu" else max(CPU_ROWS, GPU_LOGITS // vocab_rows)


class _Summed(torch.autograd.Function):
    """The summed loss, its gradients made on the way forward."""

    @staticmethod
    def forward(
        ctx: Any, hidden_LC: Tensor, head_VC: Tensor, targets_L: Tensor, z_loss: float
    ) -> tuple[Tensor, Tensor]:
        """Return the sum and the entropies."""
        wanted = any(ctx.needs_input_grad[:2])
        head_wanted = ctx.needs_input_grad[1]
        total = torch.zeros((), dtype=torch.float32, device=hidden_LC.device)
        entropies_L = torch.empty(len(targets_L), dtype=torch.float32, device=hidden_LC.device)
        hidden_gradient = torch.empty_like(hidden_LC) if wanted else None
        head_gradient = torch.zeros_like(head_VC, dtype=torch.float32) if head_wanted else None
        rows = piece_rows(hidden_LC.device, len(head_VC))
        for start in range(0, len(targets_L), rows):
            piece = slice(start, start + rows)
            hidden_PC, targets_P = hidden_LC[piece], targets_L[piece]
            logits_PV = (hidden_PC @ head_VC.T).float()
            log_z_P = logits_PV.logsumexp(-1)
            picked_P = logits_PV.gather(1, targets_P[:, None]).squeeze(1)
            entropies_L[piece] = log_z_P - picked_P
            if z_loss:
                total += z_loss * log_z_P.square().sum()
            if hidden_gradient is None:
                continue
            gradient_PV = logits_PV.sub_(log_z_P[:, None]).exp_()
            if z_loss:
                gradient_PV.mul_(1.0 + 2.0 * z_loss * log_z_P[:, None])
            gradient_PV.scatter_add_(1, targets_P[:, None], torch.full_like(log_z_P, -1.0)[:, None])
            narrow_PV = gradient_PV.to(hidden_LC.dtype)
            torch.mm(narrow_PV, head_VC, out=hidden_gradient[piece])
            if head_gradient is None:  # a head that stands still
                continue
            if hidden_LC.dtype == torch.float32:
                head_gradient.addmm_(narrow_PV.T, hidden_PC)
            else:
                head_gradient += narrow_PV.T @ hidden_PC
        total += entropies_L.sum()
        if wanted:
            ctx.save_for_backward(hidden_gradient, head_gradient)
            ctx.head_dtype = head_VC.dtype
        ctx.mark_non_differentiable(entropies_L)
        return total, entropies_L

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, Tensor | None, None, None]:
        """Scale the gradients made on the way forward."""
        hidden_gradient, head_gradient = ctx.saved_tensors
        scale = gradients[0]
        head = None if head_gradient is None else head_gradient.mul_(scale).to(ctx.head_dtype)
        return hidden_gradient.mul_(scale.to(hidden_gradient.dtype)), head, None, None
