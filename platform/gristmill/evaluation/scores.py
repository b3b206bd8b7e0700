"""Outcomes and scores: what happened on each item, and what it comes to.

An outcome is kept for every item of every benchmark, with the prompt, what the model wrote and the
verdict, so that a score can be questioned item by item. A score is made from outcomes alone. A
benchmark that could not be run is a score without a value, with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gristmill.evaluation.benchmark import find
from gristmill.evaluation.estimates import (
    Estimate,
    bootstrap_mean,
    bootstrap_ratio,
    mcnemar,
    paired_difference,
    wilson,
)

PROTOCOLS = {
    "infilling": "single line, whole file around it within the window, greedy, first line, stripped",
    "fim_bits": "random span of up to 256 characters, given prefix and suffix",
    "loss": "head of each held-out file within the window, given its path comment",
}
"""How each benchmark asks; scores under another protocol are other scores."""


@dataclass(frozen=True)
class Outcome:
    """What one model did with one item. Fields that a benchmark does not know keep their defaults."""

    model: str
    benchmark: str
    task: str
    language: str = ""
    prompt: str = ""
    raw: str = ""
    """All that the model wrote."""
    prediction: str = ""
    """What of it was judged."""
    target: str = ""
    passed: bool = False
    reason: str = ""
    similarity: float = 0.0
    bits: float = 0.0
    num_bytes: int = 0
    kind: str = ""
    """How a program failed: wrong, error, time, memory and so on."""

    def row(self) -> dict[str, Any]:
        """Return the outcome as a line of `outcomes.jsonl`."""
        return asdict(self)


@dataclass(frozen=True)
class ScoreRow:
    """One number about one model, with its 95 % interval."""

    model: str
    benchmark: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    num: int
    protocol: str = ""
    reason: str = ""
    """Why there is no value."""
    sandbox: str = ""
    """What held the programs, where programs were run."""

    def row(self) -> dict[str, Any]:
        """Return the score as an element of `scores.json`."""
        return asdict(self)


@dataclass(frozen=True)
class Comparison:
    """Two models on the same items: is the difference more than chance?"""

    benchmark: str
    metric: str
    first: str
    second: str
    difference: float
    low: float
    high: float
    p_value: float | None
    """McNemar's, exact, for verdicts."""


BITS = ("fim_bits", "loss")


def score_rows(outcomes: Sequence[Outcome], *, seed: int, sandbox: str = "") -> list[ScoreRow]:
    """Return the scores of one model's outcomes on one benchmark."""
    if not outcomes:
        return []
    model, benchmark = outcomes[0].model, outcomes[0].benchmark
    protocol = PROTOCOLS.get(benchmark, "")

    def row(metric: str, found: Estimate, held: str = "") -> ScoreRow:
        values = (found.value, found.low, found.high, found.num)
        return ScoreRow(model, benchmark, metric, *values, protocol, "", held)

    if benchmark in BITS:
        bits = [item.bits for item in outcomes]
        sizes = [float(item.num_bytes) for item in outcomes]
        return [row("bits_per_byte", bootstrap_ratio(bits, sizes, seed=seed))]
    passed = wilson(sum(item.passed for item in outcomes), len(outcomes))
    if benchmark not in PROTOCOLS:
        known = find(benchmark)
        protocol = f"{known.key}: {known.protocol}"
        return [row(known.metric, passed, sandbox if known.scored_by == "execution" else "")]
    similar = bootstrap_mean([item.similarity for item in outcomes], seed=seed)
    return [row("exact_match", passed), row("edit_similarity", similar)]


def not_run(model: str, benchmark: str, metric: str, reason: str) -> ScoreRow:
    """Return the row of a benchmark that could not be run."""
    protocol = PROTOCOLS.get(benchmark, "")
    return ScoreRow(model, benchmark, metric, None, None, None, 0, protocol, reason)


def compare(first: Sequence[Outcome], second: Sequence[Outcome], *, seed: int) -> Comparison | None:
    """Compare two models' outcomes on one benchmark, item by item; None when they share no item."""
    before = {item.task: item for item in first}
    pairs = [(before[item.task], item) for item in second if item.task in before]
    if not pairs:
        return None
    names = (pairs[0][0].model, pairs[0][1].model)
    benchmark = pairs[0][0].benchmark
    if benchmark in BITS:
        rates = [[x.bits / max(x.num_bytes, 1) for x in side] for side in zip(*pairs, strict=True)]
        found = paired_difference(rates[0], rates[1], seed=seed)
        metric, p_value = "bits_per_byte, mean over items", None
    else:
        passed = [[x.passed for x in side] for side in zip(*pairs, strict=True)]
        found = paired_difference(passed[0], passed[1], seed=seed)
        metric = "exact_match" if benchmark in PROTOCOLS else find(benchmark).metric
        p_value = mcnemar(*passed)
    return Comparison(benchmark, metric, *names, found.value, found.low, found.high, p_value)
