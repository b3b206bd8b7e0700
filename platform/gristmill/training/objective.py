"""The objective: cross-entropy summed over targets; who calls divides by the global batch's targets.

Dividing by the number of targets of the whole batch, not by each micro-batch's own, is what makes the
result the same for every micro-batch size, accumulation and world size. Logits are computed at targets
only, in pieces (`cross_entropy`). The optional z-loss (log Z squared) is kept apart from the
cross-entropy, so that the logged loss stays comparable.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from gristmill.model.llama import Attend, Llama
from gristmill.training.batch import Batch
from gristmill.training.cross_entropy import summed_cross_entropy
from gristmill.training.sequence_parallel import SequenceParallel


class Objective(nn.Module):
    """The decoder with its loss: the module that DeepSpeed shards."""

    def __init__(
        self,
        llama: Llama,
        z_loss: float = 0.0,
        *,
        pieces: bool = True,
        parallel: SequenceParallel | None = None,
    ) -> None:
        super().__init__()
        self.parallel = parallel
        """Whom the tokens are shared with; batches are then parts."""
        self.llama = llama
        self.z_loss = z_loss
        self.pieces = pieces
        """Off in ZeRO 3, where the head's weight is whole only inside the head's own call."""

    def forward(self, batch: Batch, weight: float) -> tuple[Tensor, Tensor]:
        """Return `weight` times the summed loss (with z-loss), and each target's plain entropy."""
        attend: Attend = batch.attend()
        if self.parallel is not None:
            attend = self.parallel.attend(attend)
        hidden_NC = self.llama(batch.tokens_N, batch.positions_N, attend)
        if batch.num_targets == 0:  # every rank runs every module and every backward pass
            total = self.llama.logits(hidden_NC[:1]).float().sum() * 0.0
            return total, total.detach()[None][:0]
        picked_LC = hidden_NC.index_select(0, batch.target_positions_L)
        if self.pieces:
            head_VC = self.llama.lm_head.weight
            loss, entropies_L = summed_cross_entropy(
                picked_LC, head_VC, batch.targets_L, self.z_loss
            )
            return loss * weight, entropies_L
        logits_LV = self.llama.logits(picked_LC).float()
        entropies_L = cross_entropy(logits_LV, batch.targets_L, reduction="none")
        loss = entropies_L.sum()
        if self.z_loss:
            loss = loss + self.z_loss * logits_LV.logsumexp(-1).square().sum()
        return loss * weight, entropies_L.detach()


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
