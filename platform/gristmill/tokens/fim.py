"""Fill-in-the-middle: the only place that lays it out, for training and for serving (section 3.1).

A file's text is split at characters, each part is encoded alone, and the sentinels are inserted as ids:

    psm        fim_begin pre fim_hole suf fim_end mid eos     the paper's; eos teaches where to stop
    spm        fim_begin fim_hole suf fim_end pre mid eos     suffix first, as trained jointly with psm
    spm_plain  fim_hole suf fim_begin pre fim_end mid eos     suffix first, each part after its sentinel
    msp        fim_begin t0 fim_hole t1 ... fim_hole tm fim_end s1 fim_hole s2 ... fim_hole sm eos

(arXiv 2207.14255 names the two suffix-first forms.) `msp` is the paper's ablation, masked spans as in T5
(the paper gives no figures; these are ours): 15 % of the characters lie in
m = clamp(round(0.15 n / 24), 1, 16) spans of equal length (to one character), their places uniform among
all that do not overlap; the spans follow in order after fim_end, parted by fim_hole. With one span it is
psm, so one prompt serves both.

The hole of the other forms ends at two uniform character places; or, for the shares asked for, it is a
run of whole lines (`line`), or one syntax node: among the named nodes that hold a uniform character
place, one at random (`syntax`; where there is no grammar, characters).

Every choice is a keyed hash of (seed, epoch, repository, path, piece): no state, no worker, no order.
The header of a file (its path comment) is never part of the split text.
"""

import hashlib
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gristmill.tokens.config import Fim
from gristmill.tokens.special import SpecialTokens
from gristmill.tokens.syntax import nodes_at
from gristmill.tokens.tokenizer import Tokenizer

MASKED_SHARE = 0.15
SPAN_CHARS = 24
MAX_SPANS = 16

Mode = Literal["psm", "spm", "spm_plain", "msp"]
Kind = Literal["character", "line", "syntax", "masked"]

_WORD = 1 << 64
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_THREE: dict[Mode, tuple[str | int, ...]] = {
    "psm": ("fim_begin", 0, "fim_hole", 2, "fim_end", 1, "eos"),
    "spm": ("fim_begin", "fim_hole", 2, "fim_end", 0, 1, "eos"),
    "spm_plain": ("fim_hole", 2, "fim_begin", 0, "fim_end", 1, "eos"),
}


@dataclass(frozen=True)
class Split:
    """How one file is transformed: the layout and the character places where it is cut."""

    mode: Mode
    cuts: tuple[int, ...]
    """Ascending: start and end of each hole in turn."""
    kind: Kind = "character"
    """What the hole is made of; `character` too where a syntax node was wanted and none is known."""

    def parts(self, text: str) -> list[str]:
        """Return the text's parts in reading order: kept, hole, kept, ..., kept; joined they are it."""
        places = (0, *self.cuts, len(text))
        return [text[start:end] for start, end in itertools.pairwise(places)]

    def layout(self) -> tuple[str | int, ...]:
        """Return what stands where: sentinels by name, parts by their number; ends in eos."""
        if self.mode != "msp":
            return _THREE[self.mode]
        kept, holes = range(0, len(self.cuts) + 1, 2), range(1, len(self.cuts) + 1, 2)
        return ("fim_begin", *_parted(kept), "fim_end", *_parted(holes), "eos")


def _parted(numbers: Sequence[int]) -> list[str | int]:
    return [item for number in numbers for item in ("fim_hole", number)][1:]


@dataclass(frozen=True)
class FimKey:
    """What every choice about one text is keyed by."""

    seed: int
    epoch: int
    repository: str
    path: str
    piece: int = 0
    """Which piece of a file that had to be cut."""

    def draws(self) -> "_Draws":
        """Return the text's own row of uniform numbers."""
        parts = (self.seed, self.epoch, self.repository, self.path, self.piece)
        return _Draws("\x00".join(map(str, parts)))


def is_chosen(fim: Fim, key: FimKey) -> bool:
    """Say whether a text is to be transformed, whatever it holds."""
    return key.draws().share() < fim.rate


def split_of(fim: Fim, text: str, key: FimKey, language: str = "") -> Split | None:
    """Return how a text is split, or None when it stays as it is."""
    draw = key.draws()
    if draw.share() >= fim.rate:
        return None
    suffix_first = draw.share() < fim.spm_share
    if fim.mode == "msp":
        return Split("msp", _span_cuts(len(text), draw), "masked")
    plain: Mode = "spm_plain" if fim.spm_form == "plain" else "spm"
    mode: Mode = plain if suffix_first else "psm"
    if fim.line_share or fim.syntax_share:
        kind = draw.share()
        if kind < fim.line_share:
            return Split(mode, _line_cuts(text, draw), "line")
        if kind < fim.line_share + fim.syntax_share:
            place = draw.below(max(len(text), 1))
            nodes = nodes_at(text, language, key.path, place)
            if nodes:
                return Split(mode, nodes[draw.below(len(nodes))], "syntax")
    cuts = sorted((draw.below(len(text) + 1), draw.below(len(text) + 1)))
    return Split(mode, tuple(cuts))


def lay_out(split: Split, parts: Sequence[Sequence[int]], special: SpecialTokens) -> list[int]:
    """Return the ids of a transformed file from the ids of `Split.parts`, its eos included."""
    ids: list[int] = []
    for item in split.layout():
        ids += [getattr(special, item)] if isinstance(item, str) else parts[item]
    return ids


def infill_prompt(
    tokenizer: Tokenizer,
    prefix: str,
    suffix: str,
    *,
    context: str = "",
    mode: Literal["psm", "spm", "spm_plain"] = "psm",
) -> list[int]:
    """Return the ids that ask for the text between prefix and suffix, laid out as in training.

    `context` is text before the file's own: the path comment, earlier files of the repository.
    """
    special = tokenizer.special
    before = [special.bos, *tokenizer.encode(context)] if context else [special.bos]
    parts = [tokenizer.encode(prefix), [], tokenizer.encode(suffix)]
    return [*before, *lay_out(Split(mode, (0, 0)), parts, special)[:-1]]


def repository_prompt(
    tokenizer: Tokenizer,
    repository: str,
    files: Sequence[str],
    prefix: str,
    suffix: str,
    *,
    context: str = "",
) -> list[int]:
    """Return the ids that ask for a middle after other files, for a model trained with `files: last`.

    `files` are the other files' texts under their path comments, `context` the path comment of the
    file that is filled in.
    """
    special = tokenizer.special
    ids = [special.bos, special.repo_name, *tokenizer.encode(repository + "\n")]
    for text in files:
        ids += [special.file_sep, *tokenizer.encode(text)]
    return [*ids, special.file_sep, *infill_prompt(tokenizer, prefix, suffix, context=context)[1:]]


def _line_cuts(text: str, draw: "_Draws") -> tuple[int, ...]:
    """Return two uniform places among line starts and the text's end."""
    places = [0, *itertools.accumulate(map(len, _LINE.findall(text)))]
    first, last = sorted((draw.below(len(places)), draw.below(len(places))))
    return places[first], places[last]


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
