"""The tokenizer inside a GGUF file, as a `tokenizer.json`.

llama.cpp keeps the vocabulary and the merges, and only a name for how text is split before merging;
`SPLITS` says what the names mean. Only byte-level BPE is taken: a SentencePiece vocabulary cannot be
turned into one that keeps every text exact, and the model's own Hugging Face folder has that file.
"""

from collections.abc import Callable
from typing import Any

import tokenizers
from tokenizers import Regex, decoders, models, pre_tokenizers

from gristmill.errors import ModelError
from gristmill.model.gguf import GgufFile
from gristmill.tokens.words import pre_tokenizer as deepseek_coder

CONTROL, USER_DEFINED = 3, 4
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _gpt2() -> Any:
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)


def _single_digits() -> Any:
    return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), _gpt2()])


def _llama3() -> Any:
    split = pre_tokenizers.Split(Regex(_LLAMA3), behavior="isolated")
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([split, plain])


SPLITS: dict[str, Callable[[], Any]] = {
    "default": _gpt2,
    "gpt-2": _gpt2,
    "smollm": _single_digits,
    "starcoder": _single_digits,
    "refact": _single_digits,
    "llama-bpe": _llama3,
    "deepseek-coder": deepseek_coder,
}
"""llama.cpp's name of a split before merging, and what it is."""


def tokenizer_json(file: GgufFile) -> str:
    """Return the text of the file's `tokenizer.json`. Raises ModelError."""
    values = file.values
    kind, split = values.get("tokenizer.ggml.model"), values.get("tokenizer.ggml.pre", "default")
    if kind != "gpt2" or split not in SPLITS:
        raise ModelError(
            f"{file.path}: its tokenizer is {kind!r} split by {split!r}; only byte-level BPE ('gpt2') "
            f"split by {', '.join(SPLITS)} is read; take the model's Hugging Face folder instead"
        )
    tokens: list[str] = values["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ", 1)) for merge in values["tokenizer.ggml.merges"]]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    raw = tokenizers.Tokenizer(models.BPE(vocabulary, merges))
    raw.pre_tokenizer = SPLITS[split]()
    raw.decoder = decoders.ByteLevel()
    kinds = values.get("tokenizer.ggml.token_type", [])
    for token, found in zip(tokens, kinds, strict=False):
        if found in (CONTROL, USER_DEFINED):
            added = tokenizers.AddedToken(token, special=found == CONTROL, normalized=False)
            (raw.add_special_tokens if found == CONTROL else raw.add_tokens)([added])
    text: str = raw.to_str(pretty=False)
    return text
