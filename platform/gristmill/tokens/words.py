r"""Encoding by remembered words: the same ids as the tokenizer's own, an order of magnitude sooner.

The split sequence, DeepSeek-Coder's (section 3.2), runs six expressions over every character (0.4 MB/s
a core). Code is mostly ASCII lines made of words seen before. So ASCII lines are split by one expression that finds the
same words, and each word's ids are looked up; a word not seen before is encoded once by the tokenizer.
Every other line goes through the tokenizer itself. Lines can be taken one by one because a newline is
always a word of its own. Only a tokenizer with exactly that split sequence is served (`WordEncoder.of`).

Why one expression is enough in ASCII: the splits claim newlines, then letters and punctuation, each
with at most one whitespace before; a character belongs to one class, and a whitespace goes to the
letter or punctuation it stands before; what no split claims stays together, digits apart.
"""

import itertools
import json
import re
from collections.abc import Callable
from typing import Any

from tokenizers import Regex, pre_tokenizers
from tokenizers.pre_tokenizers import PreTokenizer

SPLITS = (
    r"[\r\n]",
    r"\s?\p{L}+",
    r"\s?\p{P}+",
    "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+",
)
"""Isolated one after the other, then digits one by one; as in the released tokenizer."""

_SPACE = r" \t\x0b\x0c"
_LETTERS = "A-Za-z"
_PUNCTUATION = r"!\"#%&'()*,\-./:;?@\[\\\]_{}"
_WORD = re.compile(
    rf"[{_SPACE}]?(?:[{_LETTERS}]+|[{_PUNCTUATION}]+)|[\r\n]|[0-9]"
    rf"|(?:[^\r\n0-9{_SPACE}{_LETTERS}{_PUNCTUATION}]|[{_SPACE}](?![{_LETTERS}{_PUNCTUATION}]))+"
)
_LINES = re.compile(r"[^\n]*\n|[^\n]+")
MAX_WORDS = 2_000_000
"""Words remembered before the memory is emptied; about 300 MB."""
MAX_WORD_CHARS = 128
"""Longer words are not remembered."""


def pre_tokenizer() -> PreTokenizer:
    """Return what splits text into words before merging."""
    return pre_tokenizers.Sequence(
        [
            *(pre_tokenizers.Split(Regex(split), "isolated") for split in SPLITS),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


class WordEncoder:
    """Encodes text by its words; `encode` must be the tokenizer's own."""

    def __init__(self, encode: Callable[[str], list[int]]) -> None:
        self._encode = encode
        self._known = _Known(encode)

    @staticmethod
    def of(values: dict[str, Any], encode: Callable[[str], list[int]]) -> "WordEncoder | None":
        """Return an encoder for a `tokenizer.json`, or None when its words are not ours."""
        same = (
            values.get("pre_tokenizer") == json.loads(pre_tokenizer().__getstate__())
            and values.get("normalizer") is None
        )
        return WordEncoder(encode) if same and not values["model"].get("ignore_merges") else None

    def encode(self, text: str) -> list[int]:
        """Return the ids of text."""
        if len(self._known) > MAX_WORDS:
            self._known.clear()
        if text.isascii():
            return self._ascii(text)
        ids: list[int] = []
        for ascii_only, lines in itertools.groupby(_LINES.findall(text), str.isascii):
            run = "".join(lines)
            ids += self._ascii(run) if ascii_only else self._encode(run)
        return ids

    def _ascii(self, text: str) -> list[int]:
        return list(
            itertools.chain.from_iterable(map(self._known.__getitem__, _WORD.findall(text)))
        )


class _Known(dict[str, tuple[int, ...]]):
    def __init__(self, encode: Callable[[str], list[int]]) -> None:
        super().__init__()
        self._encode = encode

    def __missing__(self, word: str) -> tuple[int, ...]:
        ids = tuple(self._encode(word))
        if len(word) <= MAX_WORD_CHARS:
            self[word] = ids
        return ids
