"""A micro-batch: rows flattened onto one token axis, with what may be predicted of them.

Targets lie inside documents only: a token predicts its successor in the same document, and with a
loss mask only where that successor is marked (an answer's tokens). What lies behind a row's last
document is padding and is cut off, so no work is spent on it.

Axes: N tokens, L targets.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gristmill.model.attention import PackedAttention, positions_of
from gristmill.tokens.special import SpecialTokens


class Row(Protocol):
    """One packed sequence."""

    @property
    def tokens(self) -> npt.NDArray[np.int64]:
        """The token ids, T."""

    @property
    def bounds(self) -> npt.NDArray[np.int32]:
        """Document starts and the end; padding, where there is any, is the last document."""

    @property
    def num_tokens(self) -> int:
        """Tokens before the padding."""

    @property
    def loss_mask(self) -> npt.NDArray[np.bool_] | None:
        """Tokens to be predicted; None is all."""


class Rows(Protocol):
    """Packed sequences by number: `gristmill.tokens.shards.Shards`, or a list in a test."""

    def row(self, number: int) -> Row:
        """Return one row."""


@dataclass(frozen=True)
class Batch:
    """One micro-batch on one device."""

    tokens_N: Tensor
    positions_N: Tensor
    bounds: tuple[int, ...]
    """What attention may not cross: documents, or rows when documents are not masked."""
    target_positions_L: Tensor
    """Where a prediction is asked, on N."""
    targets_L: Tensor
    middle_L: Tensor
    """Which targets are of a middle that is to be filled in (with the eos that ends it); see `_in_middle`."""

    @property
    def num_tokens(self) -> int:
        """Tokens that are computed."""
        return len(self.tokens_N)

    @property
    def num_targets(self) -> int:
        """Tokens that are predicted: what the loss is divided by, summed over the global batch."""
        return len(self.targets_L)

    @property
    def pairs(self) -> int:
        """Pairs of tokens that attend: each with itself and those before it in its document."""
        lengths = (end - start for start, end in itertools.pairwise(self.bounds))
        return sum(length * (length + 1) // 2 for length in lengths)

    def attend(self) -> PackedAttention:
        """Return the attention of this batch."""
        return PackedAttention(self.bounds, self.tokens_N.device)

    def to(self, device: torch.device) -> Batch:
        """Copy to a device."""
        if device.type == "cpu":
            return self
        tensors = (
            self.tokens_N,
            self.positions_N,
            self.target_positions_L,
            self.targets_L,
            self.middle_L,
        )
        tokens, positions, where, targets, middle = (
            tensor.pin_memory().to(device, non_blocking=True) for tensor in tensors
        )
        return Batch(tokens, positions, self.bounds, where, targets, middle)


def make_batch(
    rows: Sequence[Row], *, mask_documents: bool, special: SpecialTokens | None = None
) -> Batch:
    """Flatten rows into a batch; no rows give a batch of one token and no targets.

    Middles are told by the `special` tokens; without them no target is one.
    """
    if not rows:
        none, one = torch.empty(0, dtype=torch.int64), torch.zeros(1, dtype=torch.int64)
        return Batch(one, one, (0, 1), none, none, none.bool())
    tokens, documents, row_bounds, targeted = [], [0], [0], []
    for row in rows:
        start, end = row_bounds[-1], row.num_tokens
        tokens.append(np.asarray(row.tokens[:end], dtype=np.int64))
        documents += [start + int(bound) for bound in row.bounds[1:] if bound <= end]
        row_bounds.append(start + end)
        targeted.append(_targeted(row, end))
    flat = np.concatenate(tokens)
    where = np.flatnonzero(np.concatenate(targeted)) - 1
    bounds = documents if mask_documents else row_bounds
    return Batch(
        tokens_N=torch.from_numpy(flat),
        positions_N=positions_of(bounds),
        bounds=tuple(bounds),
        target_positions_L=torch.from_numpy(where),
        targets_L=torch.from_numpy(flat[where + 1]),
        middle_L=torch.from_numpy(_in_middle(flat, documents, special)[where + 1]),
    )


def _in_middle(
    tokens: npt.NDArray[np.int64], documents: Sequence[int], special: SpecialTokens | None
) -> npt.NDArray[np.bool_]:
    """Say of each token whether it follows its file's fim_end, up to the eos that ends the middle.

    Not in the joint suffix-first layout (fim_begin, fim_hole, ...): there the prefix stands behind fim_end
    too, and nothing marks where the middle begins.
    """
    if special is None:
        return np.zeros(len(tokens), bool)
    places = np.arange(len(tokens))
    begins = np.maximum.accumulate(np.where(tokens == special.fim_begin, places, -1))
    joint = np.append(tokens[1:], -1)[begins] == special.fim_hole
    opened = np.where((tokens == special.fim_end) & ~joint, places, -1)
    closed = np.where(tokens == special.eos, places, -1)
    starts = [bound for bound in documents if bound < len(tokens)]
    closed[starts] = starts
    before = np.maximum.accumulate(opened)[:-1] > np.maximum.accumulate(closed)[:-1]
    inside = np.concatenate(([False], before))
    inside[starts] = False
    return inside


def _targeted(row: Row, end: int) -> npt.NDArray[np.bool_]:
    """Say of each token whether it is predicted: marked, and not the first of its document."""
    mask = row.loss_mask
    targeted = np.ones(end, bool) if mask is None else np.array(mask[:end], dtype=bool)
    targeted[[bound for bound in row.bounds if bound < end]] = False
    return targeted
