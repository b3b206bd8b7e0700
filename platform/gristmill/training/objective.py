"""The objective: cross-entropy summed over targets; who calls divides by the global batch's targets.

Dividing by the number of targets of the whole batch, not by each micro-batch's own, is what makes the
result the same for every micro-batch size, accumulation and world size. Logits are computed at targets
only, and in pieces that are recomputed in the backward pass once they would be large. The optional
z-loss (log Z squared) is kept apart from the cross-entropy, so that the logged loss stays comparable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from gristmill.model.llama import Llama
from gristmill.training.batch import Batch

MAX_LOGITS = 64 * 1024 * 1024
"""Logits held at once (256 MB in fp32) before they are made in pieces."""


class Objective(nn.Module):
    """The decoder with its loss: the module that DeepSpeed shards."""

    def __init__(self, llama: Llama, z_loss: float = 0.0, *, pieces: bool = True) -> None:
        super().__init__()
        self.llama = llama
        self.z_loss = z_loss
        self.pieces = pieces
        """Off in ZeRO 3, where every rank must call every module equally often."""

    def forward(self, batch: Batch, weight: float) -> tuple[Tensor, Tensor]:
        """Return `weight` times the summed loss (with z-loss), and the plain summed cross-entropy."""
        hidden_NC = self.llama(batch.tokens_N, batch.positions_N, batch.attend())
        if batch.num_targets == 0:  # every rank runs every module and every backward pass
            total = self.llama.logits(hidden_NC[:1]).float().sum() * 0.0
            return total, total.detach()
        picked_LC = hidden_NC.index_select(0, batch.target_positions_L)
        entropy, log_z = self._sums(picked_LC, batch.targets_L)
        return (entropy + self.z_loss * log_z) * weight, entropy.detach()

    def _sums(self, picked_LC: Tensor, targets_L: Tensor) -> tuple[Tensor, Tensor]:
        rows = max(1, MAX_LOGITS // self.llama.config.vocab_rows)
        if len(targets_L) <= rows or not self.pieces:
            return self._piece(picked_LC, targets_L)
        run: Callable[..., tuple[Tensor, Tensor]] = checkpoint
        pieces = [
            run(self._piece, hidden, targets, use_reentrant=False)
            for hidden, targets in zip(
                torch.split(picked_LC, rows), torch.split(targets_L, rows), strict=True
            )
        ]
        entropies, log_zs = zip(*pieces, strict=True)
        return torch.stack(entropies).sum(), torch.stack(log_zs).sum()

    def _piece(self, picked_LC: Tensor, targets_L: Tensor) -> tuple[Tensor, Tensor]:
        logits_LV = self.llama.logits(picked_LC).float()
        entropy = cross_entropy(logits_LV, targets_L, reduction="sum")
        if not self.z_loss:
            return entropy, torch.zeros((), device=entropy.device)
        return entropy, logits_LV.logsumexp(-1).square().sum()


def decay_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return optimizer groups: matrices decay, norms do not."""
    named = [p for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in named if _rank(p) >= 2], "weight_decay": weight_decay},
        {"params": [p for p in named if _rank(p) < 2], "weight_decay": 0.0},
    ]


def _rank(parameter: nn.Parameter) -> int:
    """Return the number of dimensions, also of a parameter that ZeRO-3 has partitioned."""
    return len(getattr(parameter, "ds_shape", parameter.shape))
