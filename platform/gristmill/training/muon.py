"""Muon for the hidden matrices, AdamW for the rest, as one optimizer.

A matrix of a layer is moved along its momentum made orthogonal: five Newton-Schulz steps that push every
singular value towards one (Jordan et al. 2024). Embedding, head and norms keep AdamW. The update is
scaled by 0.2 * sqrt(max(rows, columns)), which gives it the root mean square of AdamW's, so that one
learning rate and one weight decay serve both (Liu et al. 2025). Momentum stands where AdamW keeps its
first moment, so checkpoints are the same; the second stays zero. Needs whole matrices: ZeRO stage 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_STEPS = 5


class Muon(torch.optim.Optimizer):
    """Groups with `muon` true are hidden matrices; the others go to a fused AdamW."""

    def __init__(
        self, groups: list[dict[str, Any]], lr: float, betas: tuple[float, float], eps: float
    ) -> None:
        super().__init__(groups, {"lr": lr, "muon": False})
        self._adamw = torch.optim.AdamW(
            [group for group in self.param_groups if not group["muon"]],
            lr=lr, betas=betas, eps=eps, fused=True,
        )  # fmt: skip
        self._adamw.state = self.state

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Make one update; weights without a gradient stay as they are."""
        assert closure is None, "the loss is computed by who calls"
        plain = (group for group in self.param_groups if not group["muon"])
        for ours, theirs in zip(plain, self._adamw.param_groups, strict=True):
            theirs["lr"] = ours["lr"]  # torch copies the groups it is given
        self._adamw.step()
        for group in self.param_groups:
            if not group["muon"]:
                continue
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, group["lr"], group["weight_decay"])

    def _move(self, weight: Tensor, rate: float, decay: float) -> None:
        state = self.state[weight]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32)
            state["exp_avg"] = torch.zeros_like(weight)
            state["exp_avg_sq"] = torch.zeros_like(weight)
        state["step"] += 1
        gradient = weight.grad
        assert gradient is not None, "who calls has looked"
        momentum = state["exp_avg"].lerp_(gradient, 1 - MOMENTUM)
        ahead = gradient.lerp(momentum, MOMENTUM)
        weight.mul_(1 - rate * decay)
        scale = 0.2 * max(weight.shape) ** 0.5
        weight.add_(orthogonal(ahead), alpha=-rate * scale)


def orthogonal(matrix: Tensor) -> Tensor:
    """Return about the nearest matrix whose singular values are all one."""
    first, second, third = _COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix).bfloat16()
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(_STEPS):
        gram = x @ x.T
        update = torch.addmm(gram, gram, gram, beta=second, alpha=third)
        x = torch.addmm(x, update, x, beta=first)
    found: Tensor = x.T if tall else x
    return found.to(matrix.dtype)


def muon_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return optimizer groups: hidden matrices, other matrices, norms (which do not decay)."""
    hidden, other, flat = [], [], []
    for name, weight in module.named_parameters():
        if weight.dim() < 2:
            flat.append(weight)
        elif ".layers." in f".{name}":
            hidden.append(weight)
        else:
            other.append(weight)
    return [
        {"params": hidden, "weight_decay": weight_decay, "muon": True},
        {"params": other, "weight_decay": weight_decay, "muon": False},
        {"params": flat, "weight_decay": 0.0, "muon": False},
    ]
