"""One file as it stands in a row: its header's ids, then its text's, plain or laid out by FIM.

A file that does not fit a row alone is cut at line ends (a line that does not fit, between characters),
and FIM comes after the cut, piece by piece, each with a choice of its own, so that prefix, suffix and
middle of a sample always lie in one row.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gristmill.corpus.documents import Document, DocumentFile
from gristmill.tokens.config import Fim
from gristmill.tokens.fim import MAX_SPANS, FimKey, Split, is_chosen, split_of
from gristmill.tokens.special import SpecialTokens

Ids = NDArray[np.uint32]

_ATTEMPTS = 12


@dataclass(frozen=True)
class Layout:
    """What decides how documents become pieces."""

    sequence_length: int
    fim: Fim
    seed: int
    epoch: int

    def key(self, document: Document, file: DocumentFile, piece: int = 0) -> FimKey:
        """Return what FIM's choice about a file, or a piece of it, is keyed by."""
        return FimKey(self.seed, self.epoch, document.repository, file.path, piece)


@dataclass(frozen=True)
class Block:
    """One file, or a piece of one."""

    ids: Ids
    split: Split | None = None
    """How FIM laid it out; it ends in eos then."""
    wanted: bool = False
    """FIM chose it, but no layout of it fits a row, so it stayed plain."""


@dataclass(frozen=True)
class Draft:
    """What has to be encoded for one file: texts in reading order, the header's first."""

    texts: tuple[str, ...]
    split: Split | None

    def block(self, encoded: Sequence[Ids], special: SpecialTokens) -> Block:
        """Return the block from the texts' ids."""
        header, *parts = encoded
        return Block(np.concatenate([header, laid_out(self.split, parts, special)]), self.split)


def laid_out(split: Split | None, parts: Sequence[Ids], special: SpecialTokens) -> Ids:
    """Return a text's ids from those of its parts; `fim.lay_out` for arrays."""
    if split is None:
        return parts[0]
    return np.concatenate(
        [
            np.array([getattr(special, item)], np.uint32) if isinstance(item, str) else parts[item]
            for item in split.layout()
        ]
    )


def plain_text(document: Document, file: DocumentFile) -> str:
    """Return a file's text as it stands before another: with a last newline."""
    last = file is document.files[-1]
    return file.text if last or file.text.endswith("\n") else file.text + "\n"


def draft(layout: Layout, document: Document, file: DocumentFile, *, plain: bool = False) -> Draft:
    """Return what has to be encoded for a whole file; `plain` leaves FIM out."""
    split = None
    if not plain:
        split = split_of(layout.fim, file.text, layout.key(document, file), file.language)
    if split is None:
        return Draft((file.header, plain_text(document, file)), None)
    return Draft((file.header, *split.parts(file.text)), split)


Texts = Sequence[str]
Asking = Generator[Texts, Sequence[Ids], "list[Block]"]
"""Asks for texts to be encoded, is sent their ids, and returns blocks in the end."""


@dataclass(frozen=True)
class LongFile:
    """Cuts one file that does not fit a row, or may not."""

    layout: Layout
    document: Document
    file: DocumentFile
    special: SpecialTokens
    token_sizes: NDArray[np.int64]

    def blocks(self, room: int) -> Asking:
        """Return its blocks, each of at most `room` ids (and an eos); one when it fits after all."""
        text = plain_text(self.document, self.file)
        header, ids = yield [self.file.header, text]
        source = _Source(text, ids, self.token_sizes)
        blocks: list[Block] = []
        start = 0
        while start < len(source.ids):
            own = shown(header, self.layout) if start == 0 else header[:0]
            key = self.layout.key(self.document, self.file, len(blocks))
            wanted = is_chosen(self.layout.fim, key)
            found = None
            if wanted:
                # its middle ends in eos, so none has to fit behind it
                found = yield from self._transformed(source, start, key, room + 1 - len(own))
            if found is None:
                end = source.cut(start, room - len(own))
                found = Block(source.ids[start:end], wanted=wanted), end
            block, start = found
            blocks.append(Block(np.concatenate([own, block.ids]), block.split, block.wanted))
        return blocks

    def _transformed(
        self, source: "_Source", start: int, key: FimKey, room: int
    ) -> Generator[Texts, Sequence[Ids], tuple[Block, int] | None]:
        """Return the transformed block from token `start` and its end; None when none fits."""
        cautious = room - overhead(self.layout.fim)
        limit = room if len(source.ids) - start <= room else cautious
        for _ in range(_ATTEMPTS):
            if limit < room // 2:
                return None
            end = source.cut(start, limit)
            text = source.text(start, end)
            if end == len(source.ids) and not self.file.text.endswith("\n"):
                text = text.removesuffix("\n")
            split = split_of(self.layout.fim, text, key, self.file.language)
            assert split is not None
            ids = laid_out(split, (yield split.parts(text)), self.special)
            if len(ids) <= room:
                return Block(ids, split), end
            limit = min(limit, cautious) - (len(ids) - room)
        return None


def together(
    asking: Sequence[Asking], encode: Callable[[Texts], Sequence[Ids]]
) -> list[list[Block]]:
    """Return what each comes to; all that they ask for at a time is encoded in one go."""
    found: list[list[Block]] = [[] for _ in asking]
    wanted = [(number, each, next(each)) for number, each in enumerate(asking)]
    while wanted:
        encoded = iter(encode([text for _, _, texts in wanted for text in texts]))
        still = []
        for number, each, texts in wanted:
            try:
                more = each.send([next(encoded) for _ in texts])
            except StopIteration as done:
                found[number] = done.value
            else:
                still.append((number, each, more))
        wanted = still
    return found


def shown(header: Ids, layout: Layout) -> Ids:
    """Return a header's ids; none when it is too long for the row."""
    return header if len(header) <= layout.sequence_length // 4 else header[:0]


def overhead(fim: Fim) -> int:
    """Return the tokens that FIM adds at most, as a rule: sentinels, eos, tokens torn by the cuts."""
    holes = MAX_SPANS if fim.mode == "msp" else 1
    return 2 * holes + 2 + 4 * holes


class _Source:
    """A long text with its tokens' places."""

    def __init__(self, text: str, ids: Ids, token_sizes: NDArray[np.int64]) -> None:
        self.ids = ids
        self._data = text.encode()
        self._ends = np.cumsum(token_sizes[ids])
        data = np.frombuffer(self._data + b"\n", np.uint8)
        self._ends_line = data[self._ends - 1] == 0x0A
        self._ends_character = (data[self._ends] & 0xC0) != 0x80

    def cut(self, start: int, limit: int) -> int:
        """Return where to cut after at most `limit` tokens: a line's end, or between characters."""
        stop = min(start + limit, len(self.ids))
        if stop == len(self.ids):
            return stop
        for allowed in (self._ends_line, self._ends_character):
            places = np.flatnonzero(allowed[start:stop])
            if len(places):
                return start + int(places[-1]) + 1
        return stop

    def text(self, start: int, end: int) -> str:
        """Return the text of tokens `start`..`end`."""
        first = int(self._ends[start - 1]) if start else 0
        return self._data[first : int(self._ends[end - 1])].decode()
