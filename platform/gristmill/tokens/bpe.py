"""Learning a tokenizer: byte-level BPE with DeepSeek-Coder's split sequence (section 3.2).

Before merging, text is split so that a newline is always a token of its own, digits are single, and
letters or punctuation take at most one whitespace before them. Unlike the released tokenizer, the full
256-byte alphabet is given to the trainer, so no byte is missing and none had to be bolted on.

The sample is chosen by hash: every file of the train split gets a keyed number, and the files with the
smallest numbers are taken until the budget is full. So it is spread over all documents, and the same
whoever reads them in whatever order.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from gristmill.errors import ModelError, RecipeError
from gristmill.tokens.special import SPECIAL
from gristmill.tokens.tokenizer import Tokenizer
from gristmill.tokens.words import pre_tokenizer


def sample_key(seed: int, document: str, path: str) -> int:
    """Return the number (64 bit) that a file is chosen by."""
    key = f"sample {seed} {document} {path}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little")


def sample_threshold(keys: Sequence[int], sizes: Sequence[int], budget_bytes: int) -> int:
    """Return the key below or at which files are in the sample: the fewest that fill the budget."""
    filled = 0
    threshold = -1
    for key, size in sorted(zip(keys, sizes, strict=True)):
        if filled >= budget_bytes:
            break
        filled += size
        threshold = key
    return threshold


def train(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Learn `vocab_size` tokens (alphabet included) and reserve the special ones. Raises RecipeError.

    The result depends on the multiset of texts only, not on their order or the threads used.
    A text too small for so many merges gives a smaller vocabulary.
    """
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=[],
        show_progress=False,
    )
    raw = tokenizers.Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizer()
    raw.decoder = decoders.ByteLevel()
    seen = _Counted(texts)
    raw.train_from_iterator(seen, trainer=trainer)
    if not seen.characters:
        raise RecipeError("the tokenizer has no text to learn from: the train split is empty")
    return _with_special(raw)


def adopt(text: str, origin: str) -> Tokenizer:
    """Take in another model's byte-level `tokenizer.json`; reserved tokens it lacks are added.

    Raises ModelError when it is not byte-level BPE.
    """
    try:
        raw = tokenizers.Tokenizer.from_str(text)
    except Exception as error:  # tokenizers raises bare Exception for a file it cannot read
        raise ModelError(f"{origin} is no tokenizer.json that can be read: {error}") from error
    if not isinstance(raw.model, models.BPE) or "ByteLevel" not in repr(raw.decoder):
        raise ModelError(
            f"{origin} is {type(raw.model).__name__} decoded by {raw.decoder!r}; "
            "only byte-level BPE keeps every text exact"
        )
    if _changes_text(raw.normalizer):
        raise ModelError(
            f"{origin} normalises text by {raw.normalizer!r} before it splits it; "
            "only a tokenizer without a normalizer keeps every text exact"
        )
    return _with_special(raw)


def _changes_text(normalizer: object) -> bool:
    """Say whether there is a normalizer; an empty sequence, DeepSeek-Coder's, is none."""
    if normalizer is None:
        return False
    return not (isinstance(normalizer, normalizers.Sequence) and len(normalizer) == 0)


def _with_special(raw: tokenizers.Tokenizer) -> Tokenizer:
    raw.add_special_tokens(
        [tokenizers.AddedToken(text, special=True, normalized=False) for text in SPECIAL.values()]
    )
    bos = SPECIAL["bos"]
    raw.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A",
        pair=f"{bos} $A {bos}:1 $B:1",
        special_tokens=[(bos, raw.token_to_id(bos))],
    )
    return Tokenizer(raw.to_str(pretty=False))


class _Counted:
    """Passes texts on and counts their characters."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = texts
        self.characters = 0

    def __iter__(self) -> Iterator[str]:
        for text in self._texts:
            self.characters += len(text)
            yield text
