"""Fill-in-the-middle: the only place that lays it out, for training and for serving (section 3.1).

A file's text is split at characters, each part is encoded alone, and the sentinels are inserted as ids:

    psm   fim_begin pre fim_hole suf fim_end mid eos          the paper's; eos teaches where to stop
    spm   fim_begin fim_hole suf fim_end pre mid eos          suffix first; pre and mid encoded apart
    msp   fim_begin t0 fim_hole t1 ... fim_hole tm fim_end s1 fim_hole s2 ... fim_hole sm eos

`msp` is the paper's ablation, masked spans as in T5 (the paper gives no figures; these are ours):
15 % of the characters lie in m = clamp(round(0.15 n / 24), 1, 16) spans of equal length (to one
character), their places uniform among all that do not overlap; the spans follow in order after
fim_end, parted by fim_hole. With one span it is psm, so one prompt serves both.

Every choice is a keyed hash of (seed, epoch, repository, path, piece): no state, no worker, no order.
The header of a file (its path comment) is never part of the split text.
"""

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gristmill.tokens.config import Fim
from gristmill.tokens.special import SpecialTokens
from gristmill.tokens.tokenizer import Tokenizer

MASKED_SHARE = 0.15
SPAN_CHARS = 24
MAX_SPANS = 16

_WORD = 1 << 64


@dataclass(frozen=True)
class Split:
    """How one file is transformed: the layout and the character places where it is cut."""

    mode: Literal["psm", "spm", "msp"]
    cuts: tuple[int, ...]
    """Ascending: start and end of each hole in turn."""

    def parts(self, text: str) -> list[str]:
        """Return the text's parts in reading order: kept, hole, kept, ..., kept; joined they are it."""
        places = (0, *self.cuts, len(text))
        return [text[start:end] for start, end in itertools.pairwise(places)]


def split_of(
    fim: Fim, length: int, *, seed: int, epoch: int, repository: str, path: str, piece: int = 0
) -> Split | None:
    """Return how a text of `length` characters is split, or None when it stays as it is."""
    draw = _Draws(f"{seed}\x00{epoch}\x00{repository}\x00{path}\x00{piece}")
    if draw.share() >= fim.rate:
        return None
    suffix_first = draw.share() < fim.spm_share
    if fim.mode == "msp":
        return Split("msp", _span_cuts(length, draw))
    cuts = sorted((draw.below(length + 1), draw.below(length + 1)))
    return Split("spm" if suffix_first else "psm", tuple(cuts))


def lay_out(split: Split, parts: Sequence[Sequence[int]], special: SpecialTokens) -> list[int]:
    """Return the ids of a transformed file from the ids of `Split.parts`, its eos included."""
    kept, holes = parts[0::2], parts[1::2]
    if split.mode == "spm":
        ids = [special.fim_begin, special.fim_hole, *kept[1], special.fim_end, *kept[0], *holes[0]]
        return [*ids, special.eos]
    ids = [special.fim_begin, *kept[0]]
    for part in kept[1:]:
        ids += [special.fim_hole, *part]
    ids += [special.fim_end, *holes[0]]
    for part in holes[1:]:
        ids += [special.fim_hole, *part]
    return [*ids, special.eos]


def infill_prompt(
    tokenizer: Tokenizer,
    prefix: str,
    suffix: str,
    *,
    context: str = "",
    mode: Literal["psm", "spm"] = "psm",
) -> list[int]:
    """Return the ids that ask for the text between prefix and suffix, laid out as in training.

    `context` is text before the file's own: the path comment, earlier files of the repository.
    """
    special = tokenizer.special
    before = [special.bos, *tokenizer.encode(context)] if context else [special.bos]
    pre, suf = tokenizer.encode(prefix), tokenizer.encode(suffix)
    if mode == "spm":
        return [*before, special.fim_begin, special.fim_hole, *suf, special.fim_end, *pre]
    return [*before, special.fim_begin, *pre, special.fim_hole, *suf, special.fim_end]


def _span_cuts(length: int, draw: "_Draws") -> tuple[int, ...]:
    spans = min(max(round(MASKED_SHARE * length / SPAN_CHARS), 1), MAX_SPANS)
    masked = round(MASKED_SHARE * length)
    starts = sorted(draw.below(length - masked + 1) for _ in range(spans))
    cuts: list[int] = []
    shift = 0
    for number, start in enumerate(starts):
        size = masked * (number + 1) // spans - masked * number // spans
        cuts += [start + shift, start + shift + size]
        shift += size
    return tuple(cuts)


class _Draws:
    """An endless row of uniform numbers from a key."""

    def __init__(self, key: str) -> None:
        self._key = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=32).digest()
        self._words: list[int] = []
        self._block = 0

    def _word(self) -> int:
        if not self._words:
            salt = self._block.to_bytes(8, "little")
            block = hashlib.blake2b(self._key, digest_size=64, salt=salt).digest()
            self._words = [int.from_bytes(block[i : i + 8], "little") for i in range(0, 64, 8)]
            self._block += 1
        return self._words.pop(0)

    def share(self) -> float:
        """Return a number in [0, 1)."""
        return (self._word() >> 11) / (1 << 53)

    def below(self, bound: int) -> int:
        """Return an integer in [0, bound), bias below 2**-40 for any text's length."""
        return self._word() * bound // _WORD
