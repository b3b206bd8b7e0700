"""Logits bent by what a request asks: bias by token, and penalties on what is there already.

    repetition   divides a positive logit, multiplies a negative one, of every token that the prompt
                 or the answer holds (CTRL's rule, as transformers and vLLM apply it)
    frequency    takes off so much for each time the answer holds the token
    presence     takes off so much once, if the answer holds it
    bias         is added as given
    min tokens   no stop token is chosen before the answer has so many

Log probabilities are told before any of this. A row's result depends on its own request alone.
"""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from gristmill.inference.sampling import SamplingParams


def steer(
    logits_RV: Tensor,
    params: Sequence[SamplingParams],
    histories: Sequence[tuple[Sequence[int], int]],
) -> Tensor:
    """Return the logits to choose from; `histories[r]` is (prompt and answer, length of the prompt)."""
    bent = [
        row
        for row, wanted in enumerate(params)
        if wanted.steers or _is_short(wanted, histories[row])
    ]
    if not bent:
        return logits_RV
    logits_RV = logits_RV.clone()
    for row in bent:
        tokens, num_prompt = histories[row]
        _bend(logits_RV[row], params[row], tokens, num_prompt)
        if _is_short(params[row], histories[row]):
            ends = [token for token in params[row].stop_ids if token < logits_RV.shape[1]]
            logits_RV[row, _ids(ends, logits_RV)] = -torch.inf
    return logits_RV


def _is_short(params: SamplingParams, history: tuple[Sequence[int], int]) -> bool:
    return len(history[0]) - history[1] < params.min_tokens


def _bend(logits_V: Tensor, params: SamplingParams, tokens: Sequence[int], num_prompt: int) -> None:
    size = logits_V.numel()
    if params.repetition_penalty != 1.0:
        seen = _ids(sorted({token for token in tokens if token < size}), logits_V)
        values = logits_V[seen]
        penalty = params.repetition_penalty
        logits_V[seen] = torch.where(values > 0, values / penalty, values * penalty)
    if params.frequency_penalty or params.presence_penalty:
        counts = Counter(tokens[num_prompt:])
        said = _ids(list(counts), logits_V)
        times = torch.tensor(list(counts.values()), dtype=logits_V.dtype, device=logits_V.device)
        logits_V[said] -= params.frequency_penalty * times + params.presence_penalty
    if params.logit_bias:
        named = [(token, value) for token, value in params.logit_bias if token < size]
        where = _ids([token for token, _ in named], logits_V)
        logits_V[where] += torch.tensor(
            [value for _, value in named], dtype=logits_V.dtype, device=logits_V.device
        )


def _ids(tokens: Sequence[int], like: Tensor) -> Tensor:
    return torch.tensor(tokens, dtype=torch.int64, device=like.device)
