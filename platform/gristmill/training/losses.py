"""A step's entropies, told apart: left to right and filled-in middles, and per byte of text."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gristmill.training.batch import Batch


class Sums:
    """What is summed over a rank's micro-batches, and then over ranks."""

    def __init__(self, token_bytes: Tensor) -> None:
        """`token_bytes` is the number of bytes of each token id."""
        self._token_bytes = token_bytes
        self._entropies = torch.zeros(2, dtype=torch.float64)
        self._middles = self._bytes = 0

    def add(self, batch: Batch, entropies_L: Tensor) -> None:
        """Add a micro-batch's targets; the batch is the one in the host's memory."""
        middle_L = batch.middle_L.to(entropies_L.device, non_blocking=True)
        wide_L = entropies_L.double()
        self._entropies = self._entropies.to(wide_L.device)
        self._entropies += torch.stack((wide_L.sum(), (wide_L * middle_L).sum()))
        self._middles += int(batch.middle_L.sum())
        self._bytes += int(self._token_bytes[batch.targets_L].sum())

    def values(self) -> list[float]:
        """Return entropy, that of middles, targets in middles, bytes of targets."""
        entropy, middle = self._entropies.tolist()
        return [entropy, middle, float(self._middles), float(self._bytes)]


def split_losses(entropy: float, others: Sequence[float], targets: float) -> dict[str, float]:
    """Return the loss of middles and of the rest, in nats a target, and all bits per byte.

    A figure without targets is left out.
    """
    middle, middles, num_bytes = others
    found = {}
    if middles:
        found["fim_middle_loss"] = middle / middles
    if targets > middles:
        found["left_to_right_loss"] = (entropy - middle) / (targets - middles)
    if num_bytes:
        found["bits_per_byte"] = entropy / math.log(2) / num_bytes
    return found
