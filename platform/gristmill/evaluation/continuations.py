"""How probable a model of ours finds given texts after given texts.

Both are encoded together, since tokens join across the seam; tokens are scored from the first that is
not also one of the given text alone. What is too long loses its start.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from gristmill.evaluation.heldout import Item, score
from gristmill.model.llama import Llama
from gristmill.tokens.tokenizer import Tokenizer


def log_likelihoods(
    model: Llama,
    tokenizer: Tokenizer,
    pairs: Sequence[tuple[str, str]],
    begins: Sequence[int],
    window: int,
) -> list[float]:
    """Return the natural logarithm of each text's probability after what is given."""
    items = []
    for number, (given, text) in enumerate(pairs):
        alone = [*begins, *tokenizer.encode(given)]
        whole = [*begins, *tokenizer.encode(given + text)]
        first = next(
            (at for at, (a, b) in enumerate(zip(alone, whole, strict=False)) if a != b),
            min(len(alone), len(whole)),
        )
        spare = max(0, len(whole) - window)
        first = max(first - spare, 1)
        items.append(Item(str(number), "", whole[spare:], first))
    return [-one.bits * math.log(2) for one in score(model, tokenizer, items)]
