"""What a tokenizer is measured against: other rules and another vocabulary, on the same texts.

Two figures stand beside a tokenizer's own bytes per token. `cl100k` is OpenAI's vocabulary of 100,256
tokens with its own split rules, as most code models' are. DeepSeek-Coder's rules cut text into words
that no token crosses, so bytes per word is what no vocabulary under these rules can pass; the released
vocabulary itself is not here, its rules are those of `words`.
"""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any

from gristmill.tokens.tokenizer import Tokenizer
from gristmill.tokens.words import words_of


@dataclass
class Tally:
    """Sizes of some texts, in several units; tallies add up."""

    num_bytes: int = 0
    tokens: int = 0
    """Of the tokenizer that is measured."""
    cl100k_tokens: int = 0
    deepseek_coder_words: int = 0
    """Words of DeepSeek-Coder's split rules."""

    def add(self, other: "Tally") -> None:
        """Add another's sizes to these."""
        self.num_bytes += other.num_bytes
        self.tokens += other.tokens
        self.cl100k_tokens += other.cl100k_tokens
        self.deepseek_coder_words += other.deepseek_coder_words

    def figures(self) -> dict[str, float]:
        """Return bytes, tokens, and bytes per token of each kind."""
        return {
            "bytes": self.num_bytes,
            "tokens": self.tokens,
            "bytes_per_token": _ratio(self.num_bytes, self.tokens),
            "cl100k_bytes_per_token": _ratio(self.num_bytes, self.cl100k_tokens),
            "deepseek_coder_bytes_per_word": _ratio(self.num_bytes, self.deepseek_coder_words),
        }


def tally_of(texts: Iterable[tuple[str, str]], tokenizer: Tokenizer) -> dict[str, Tally]:
    """Return the sizes of (language, text) pairs by language."""
    tallies: dict[str, Tally] = {}
    pairs = list(texts)
    encoded = tokenizer.encode_arrays([text for _, text in pairs])
    for (language, text), ids in zip(pairs, encoded, strict=True):
        tally = Tally(len(text.encode()), len(ids), cl100k_tokens(text), len(words_of(text)))
        tallies.setdefault(language, Tally()).add(tally)
    return tallies


def cl100k_tokens(text: str) -> int:
    """Return how many tokens cl100k makes of a text; special strings in it stay text."""
    return len(_cl100k().encode_ordinary(text))


@lru_cache(maxsize=1)
def _cl100k() -> Any:
    with warnings.catch_warnings():
        # bpe-openai 0.1.4 reads its ranks by a deprecated call when it is imported
        warnings.simplefilter("ignore", DeprecationWarning)
        return import_module("bpe_openai").get_encoding("cl100k_base")


def _ratio(num_bytes: int, units: int) -> float:
    return round(num_bytes / max(units, 1), 4)
