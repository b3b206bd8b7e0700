"""Rows of documents of ragged lengths, made from a seed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class PackedRow:
    """One packed row, as a batch reads it."""

    tokens: npt.NDArray[np.int64]
    bounds: npt.NDArray[np.int32]
    num_tokens: int
    loss_mask: npt.NDArray[np.bool_] | None = None

    @staticmethod
    def of(lengths: Sequence[int], length: int, vocab: int, seed: int) -> PackedRow:
        """Return a row of random documents of these lengths; what is left is padding."""
        ends = list(itertools.accumulate(lengths))
        bounds = [0, *ends] + ([length] if ends[-1] < length else [])
        tokens = np.random.default_rng(seed).integers(0, vocab, length)
        return PackedRow(tokens, np.array(bounds, np.int32), ends[-1])


def ragged_lengths(rows: int, length: int, mean: int = 80, seed: int = 3) -> list[list[int]]:
    """Return the lengths of documents that fill each row; their logarithms are normal, as files' are."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(rows):
        lengths: list[int] = []
        while (left := length - sum(lengths)) > 0:
            drawn = int(random.lognormal(np.log(mean) - 0.5, 1.0))
            lengths.append(min(left, max(8, drawn)))
        found.append(lengths)
    return found
