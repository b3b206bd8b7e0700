"""What a model is used to: which tokens end its answers, and what stands before its texts.

Our own models saw bos before every text and end with eos or eot. A model from elsewhere may have ends of
its own and may never have seen a token in front; its folder's configuration tells.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from gristmill.tokens.tokenizer import Tokenizer


@dataclass(frozen=True)
class Habits:
    """Read from a model folder by `of`."""

    ends: frozenset[int]
    begins: tuple[int, ...]

    @staticmethod
    def of(folder: Path, tokenizer: Tokenizer) -> Habits:
        """Return the habits that `config.json` and `generation_config.json` tell of."""
        special = tokenizer.special
        values: dict[str, object] = {}
        for name in ("config.json", "generation_config.json"):
            path = folder / name
            if path.is_file():
                values |= json.loads(path.read_text(encoding="utf-8"))
        said = values.get("eos_token_id")
        listed = said if isinstance(said, list) else [said]
        ends = {special.eos, special.eot, *(int(one) for one in listed if isinstance(one, int))}
        foreign = isinstance(said, list) and said[0] != special.eos
        if foreign or values.get("bos_token_id", special.bos) != special.bos:
            return Habits(frozenset(ends), ())
        return Habits(frozenset(ends), (special.bos,))
