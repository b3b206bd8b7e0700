"""Ulysses: the tokens of one micro-batch spread over a group of ranks (Jacobs et al. 2023).

Each rank of a group holds a contiguous part of the flat token axis, and all that is done token by token
stays where it is. For attention, DeepSpeed's all-to-all turns a part of the tokens with all heads into
all tokens with a part of the heads, and back; so documents may lie across ranks, and the result is that
of one rank. Gradients need nothing of it: ranks of a group add up like ranks with different samples.

Axes: N tokens of a part, H heads, D channels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gristmill.errors import TrainingError
from gristmill.model.config import Shape
from gristmill.model.llama import Attend
from gristmill.training.batch import Batch


class SequenceParallel:
    """This rank's group. Making one is collective."""

    def __init__(self, size: int, shape: Shape) -> None:
        """Group neighbouring ranks by `size`. Raises TrainingError when ranks or heads do not divide."""
        world, rank = torch.distributed.get_world_size(), torch.distributed.get_rank()
        if world % size or shape.num_kv_heads % size:
            raise TrainingError(
                f"sequence_parallel {size} must divide the {world} workers and the "
                f"{shape.num_kv_heads} key/value heads"
            )
        self.size, self.rank = size, rank % size
        self.group: Any = None
        for first in range(0, world, size):
            group = torch.distributed.new_group(list(range(first, first + size)))
            if first <= rank < first + size:
                self.group = group

    def part(self, batch: Batch) -> Batch:
        """Return this rank's part of its group's micro-batch; `bounds` stay those of the whole."""
        share = -(-batch.num_tokens // self.size)
        more = share * self.size - batch.num_tokens
        start = self.rank * share
        tokens_N, positions_N = (
            torch.cat((values, torch.zeros(more, dtype=values.dtype)))[start : start + share]
            for values in (batch.tokens_N, batch.positions_N)
        )
        places_L = batch.target_positions_L
        mine_L = (places_L >= start) & (places_L < start + share)
        return Batch(
            tokens_N=tokens_N,
            positions_N=positions_N,
            bounds=(*batch.bounds, share * self.size) if more else batch.bounds,
            target_positions_L=places_L[mine_L] - start,
            targets_L=batch.targets_L[mine_L],
            middle_L=batch.middle_L[mine_L],
        )

    def attend(self, whole: Attend) -> Attend:
        """Return attention over the parts that equals `whole` over the whole."""
        from deepspeed.sequence.layer import DistributedAttention

        def run(layer: int, q_NHD: Tensor, k_NKD: Tensor, v_NKD: Tensor) -> Tensor:
            def local(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
                return whole(layer, q[0], k[0], v[0])[None]

            spread = DistributedAttention(local, self.group, scatter_idx=2, gather_idx=1)
            out: Tensor = spread(q_NHD[None], k_NKD[None], v_NKD[None], 0)
            return out[0]

        return run
