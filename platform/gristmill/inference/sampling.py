"""How the next token is chosen from logits.

A choice depends on the logits, the params, the request's seed and how many tokens it has already
produced, and on nothing else: the random number of a step is a hash of (seed, number of the token), so
a seeded request answers the same alone, in any batch, chunked or after another's abort.

Shapes: R rows (one request each), V vocabulary rows.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

CANDIDATES = 1024
"""Most probable tokens looked at before the whole vocabulary is sorted for top-p."""


@dataclass(frozen=True)
class SamplingParams:
    """What one request asks of the engine; temperature 0 is greedy."""

    max_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    """Only the k most probable tokens; 0 is all of them."""
    min_p: float = 0.0
    """Only tokens at least this share as probable as the most probable one."""
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    """(token, what is added to its logit); see `inference/steering.py` for these four."""
    seed: int = 0
    stop: tuple[str, ...] = ()
    """Texts that end the answer and are not part of it, found across token edges."""
    stop_ids: frozenset[int] = frozenset()
    """Tokens that end the answer and are not part of it."""
    logprobs: int | None = None
    """Log probabilities of the chosen token and of this many most probable ones; None is none."""
    prompt_logprobs: bool = False
    """Those of the prompt's tokens too, as many alternatives each."""
    min_tokens: int = 0
    """Before so many tokens nothing stops the answer: neither stop tokens nor stop texts."""
    priority: int = 0
    """Higher is more important: it comes in first and is thrown out last."""

    @property
    def steers(self) -> bool:
        """Say whether logits are bent before a token is chosen."""
        plain = (self.presence_penalty, self.frequency_penalty, self.repetition_penalty)
        return bool(self.logit_bias) or plain != (0.0, 0.0, 1.0)


@dataclass(frozen=True)
class TokenLogprob:
    """A chosen token's log probability, before temperature, and the most probable alternatives."""

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...] = field(default=())


def sample(
    logits_RV: Tensor, params: Sequence[SamplingParams], numbers: Sequence[int]
) -> list[int]:
    """Return the next token of each row; `numbers[r]` counts the tokens that row has produced."""
    greedy = torch.argmax(logits_RV, dim=-1).tolist()
    return [
        _draw(logits_RV[row], wanted, number) if wanted.temperature > 0 else greedy[row]
        for row, (wanted, number) in enumerate(zip(params, numbers, strict=True))
    ]


def logprobs(
    logits_RV: Tensor, tokens: Sequence[int], params: Sequence[SamplingParams]
) -> list[TokenLogprob | None]:
    """Return each row's log probabilities where its params ask for them."""
    found: list[TokenLogprob | None] = []
    for row, (token, wanted) in enumerate(zip(tokens, params, strict=True)):
        if wanted.logprobs is None:
            found.append(None)
            continue
        scores_V = torch.log_softmax(logits_RV[row].float(), dim=-1)
        best = torch.topk(scores_V, wanted.logprobs)
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        found.append(TokenLogprob(token, float(scores_V[token]), tuple(pairs)))
    return found


def uniform(seed: int, number: int) -> float:
    """Return the random number in [0, 1) of a request's `number`-th token."""
    digest = hashlib.blake2b(f"{seed}:{number}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) * 2.0**-53


def _draw(logits_V: Tensor, params: SamplingParams, number: int) -> int:
    probabilities_V = torch.softmax(logits_V.double() / params.temperature, dim=-1)
    chance = uniform(params.seed, number)
    if params.min_p > 0:
        least = params.min_p * probabilities_V.max()
        probabilities_V = torch.where(probabilities_V < least, 0.0, probabilities_V)
        probabilities_V /= probabilities_V.sum()
    if params.top_k <= 0 and params.top_p >= 1:
        return _pick(torch.cumsum(probabilities_V, dim=-1), chance)
    size = probabilities_V.numel()
    limit = min(params.top_k, size) if params.top_k > 0 else size
    best = torch.topk(probabilities_V, min(limit, max(CANDIDATES, params.top_k), size))
    if len(best.values) < limit and float(best.values.sum()) < params.top_p:
        best = torch.topk(probabilities_V, limit)
    kept = best.values / best.values.sum() if params.top_k > 0 else best.values
    sums = torch.cumsum(kept, dim=-1)
    # the nucleus: as many as are needed to reach top_p, at least one
    num_kept = min(int(torch.searchsorted(sums, params.top_p)) + 1, len(sums))
    return int(best.indices[_pick(sums[:num_kept], chance)])


def _pick(sums: Tensor, chance: float) -> int:
    at = int(torch.searchsorted(sums, chance * float(sums[-1]), right=True))
    return min(at, len(sums) - 1)
