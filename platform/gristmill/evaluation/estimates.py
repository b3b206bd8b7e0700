"""What a score is worth: intervals, pass@k, text similarity, and tests of two models on the same tasks.

Every function is a plain rule over numbers. Random resampling is seeded, so that a report made twice
says the same. Intervals are two-sided; 95 % unless told.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A score with its interval and the number of items that it rests on."""

    value: float
    low: float
    high: float
    num: int


def wilson(successes: int, num: int, confidence: float = 0.95) -> Estimate:
    """Return the share of successes with Wilson's score interval; nothing measured is 0..1."""
    if num == 0:
        return Estimate(0.0, 0.0, 1.0, 0)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / num
    scale = 1 + z * z / num
    centre = (share + z * z / (2 * num)) / scale
    half = z * math.sqrt(share * (1 - share) / num + z * z / (4 * num * num)) / scale
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == num else centre + half
    return Estimate(share, low, high, num)


def bootstrap_ratio(
    numerators: Sequence[float],
    denominators: Sequence[float],
    *,
    seed: int = 0,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> Estimate:
    """Return sum(numerators) / sum(denominators) with a percentile bootstrap over the items.

    Bits per byte is such a ratio: a long file weighs more than a short one, and files, not bytes, are
    what was sampled.
    """
    top, bottom = np.asarray(numerators, float), np.asarray(denominators, float)
    num = len(top)
    if num == 0 or bottom.sum() == 0:
        return Estimate(math.nan, math.nan, math.nan, num)
    draws = np.random.default_rng(seed).integers(0, num, (resamples, num))
    ratios = top[draws].sum(1) / np.maximum(bottom[draws].sum(1), 1e-12)
    tail = (1 - confidence) / 2
    low, high = np.quantile(ratios, [tail, 1 - tail])
    return Estimate(float(top.sum() / bottom.sum()), float(low), float(high), num)


def bootstrap_mean(
    values: Sequence[float], *, seed: int = 0, resamples: int = 2000, confidence: float = 0.95
) -> Estimate:
    """Return the mean with a percentile bootstrap interval."""
    return bootstrap_ratio(
        values, [1.0] * len(values), seed=seed, resamples=resamples, confidence=confidence
    )


def pass_at_k(num_samples: int, num_correct: int, k: int) -> float:
    """Return the unbiased estimate of passing with one of k samples (Chen et al. 2021, eq. 1)."""
    if not 1 <= k <= num_samples:
        raise ValueError(f"pass@{k} needs 1 <= k <= the {num_samples} samples of a task")
    if num_samples - num_correct < k:
        return 1.0
    misses = np.arange(num_samples - num_correct + 1, num_samples + 1)
    return float(1.0 - np.prod(1.0 - k / misses))


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Return the exact two-sided p-value that two models differ on the same tasks."""
    pairs = list(zip(first, second, strict=True))
    only_first = sum(a and not b for a, b in pairs)
    only_second = sum(b and not a for a, b in pairs)
    discordant = only_first + only_second
    if discordant == 0:
        return 1.0
    fewer = min(only_first, only_second)
    tail = sum(math.comb(discordant, i) for i in range(fewer + 1)) / (1 << discordant)
    return min(1.0, 2 * tail)


def paired_difference(
    first: Sequence[float], second: Sequence[float], *, seed: int = 0, confidence: float = 0.95
) -> Estimate:
    """Return the mean of second minus first, item by item, with a paired bootstrap interval."""
    differences = [b - a for a, b in zip(first, second, strict=True)]
    return bootstrap_mean(differences, seed=seed, confidence=confidence)


def exact_match(prediction: str, target: str) -> bool:
    """Say whether two texts are the same apart from white space around them."""
    return prediction.strip() == target.strip()


def edit_similarity(prediction: str, target: str) -> float:
    """Return 1 - indel distance / total length, of stripped texts (what rapidfuzz calls `ratio`).

    Difflib's ratio and 1 - Levenshtein / longest give other numbers on the same texts, 7 points apart
    on CrossCodeEval's published predictions: name the variant beside the number.
    """
    a, b = prediction.strip(), target.strip()
    if not a and not b:
        return 1.0
    return 2 * _longest_common_subsequence(a, b) / (len(a) + len(b))


def _longest_common_subsequence(a: str, b: str) -> int:
    """Return its length, bit-parallel over `a` (Hyyro 2004): one big-integer row per character of b."""
    if not a or not b:
        return 0
    masks: dict[str, int] = {}
    for at, character in enumerate(a):
        masks[character] = masks.get(character, 0) | (1 << at)
    full = (1 << len(a)) - 1
    row = full
    for character in b:
        matches = row & masks.get(character, 0)
        row = ((row + matches) | (row - matches)) & full
    return len(a) - row.bit_count()
