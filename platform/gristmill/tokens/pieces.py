"""Documents into pieces: token ids that each fit a row, FIM already applied.

A piece is bos, then file by file the header (path comment, never transformed) and either the text's ids
or its FIM layout, and one eos where the document ends (not doubled after a transformed file). A
document that fits a row is one piece. One that does not is cut at file boundaries; a file that does not
fit alone is cut at line ends (a line that does not fit, between characters), and FIM comes after the
cut, piece by piece, so that prefix, suffix and middle of a sample always lie in one row. No eos stands
at a forced cut. Where a plain file is followed by another and lacks a last newline, one is added.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from gristmill.corpus.documents import Document, DocumentFile
from gristmill.tokens.config import Fim
from gristmill.tokens.fim import MAX_SPANS, Split, lay_out, split_of
from gristmill.tokens.tokenizer import Tokenizer

_FRAME = 2  # bos, and the eos of the document's end
_ATTEMPTS = 12


@dataclass(frozen=True)
class Layout:
    """What decides how documents become pieces."""

    sequence_length: int
    fim: Fim
    seed: int
    epoch: int


@dataclass
class Counts:
    """What happened; counts of several units add up."""

    documents: int = 0
    files: int = 0
    num_bytes: int = 0
    """Of headers and texts."""
    tokens: int = 0
    pieces: int = 0
    cut_documents: int = 0
    """Documents that did not fit a row."""
    cut_files: int = 0
    spans: int = 0
    """Files, or pieces of cut files: what FIM decides on."""
    transformed: int = 0
    """Spans that were laid out by FIM."""
    untransformed: int = 0
    """Spans chosen for FIM that stayed plain because no layout of them fits a row."""
    headers_left_out: int = 0
    """Headers longer than a quarter of a row."""

    def add(self, other: "Counts") -> None:
        """Add another's counts to these."""
        for item in fields(self):
            setattr(self, item.name, getattr(self, item.name) + getattr(other, item.name))


@dataclass(frozen=True)
class Pieces:
    """Token ids of many pieces, one after the other."""

    ids: NDArray[np.uint32]
    lengths: NDArray[np.int64]
    counts: Counts


@dataclass(frozen=True)
class _Block:
    """One file as it stands in a piece."""

    ids: list[int]
    closed: bool
    """Ends in eos: it was transformed."""


@dataclass
class _Maker:
    tokenizer: Tokenizer
    layout: Layout
    counts: Counts = field(default_factory=Counts)

    def split(
        self, document: Document, file: DocumentFile, length: int, piece: int
    ) -> Split | None:
        """Return the keyed decision for a file or a piece of it."""
        return split_of(
            self.layout.fim,
            length,
            seed=self.layout.seed,
            epoch=self.layout.epoch,
            repository=document.repository,
            path=file.path,
            piece=piece,
        )

    def pieces(self, document: Document, blocks: Sequence[_Block]) -> Iterator[list[int]]:
        """Yield a document's pieces from its files' blocks."""
        special = self.tokenizer.special
        groups = [list(blocks)]
        room = self.layout.sequence_length - _FRAME
        if sum(len(block.ids) for block in blocks) > room:
            self.counts.cut_documents += 1
            groups = list(self._groups(document, blocks, room))
        for number, group in enumerate(groups):
            ids = [special.bos]
            for block in group:
                ids += block.ids
            if number == len(groups) - 1 and not group[-1].closed:
                ids.append(special.eos)
            yield ids

    def _groups(
        self, document: Document, blocks: Sequence[_Block], room: int
    ) -> Iterator[list[_Block]]:
        group: list[_Block] = []
        held = 0
        for file, block in zip(document.files, blocks, strict=True):
            for part in [block] if len(block.ids) <= room else self._cut(document, file, room):
                if group and held + len(part.ids) > room:
                    yield group
                    group, held = [], 0
                group.append(part)
                held += len(part.ids)
        yield group

    def _cut(self, document: Document, file: DocumentFile, room: int) -> Iterator[_Block]:
        """Yield the blocks of a file that does not fit, each of at most `room` ids."""
        self.counts.cut_files += 1
        self.counts.spans -= 1  # it was counted whole
        self.counts.transformed -= self.split(document, file, len(file.text), 0) is not None
        text = _joined(document, file)
        header = self.header(file)
        source = _Source(self.tokenizer, text)
        start = number = 0
        while start < len(source.ids):
            block, start = self._cut_one(document, file, source, start, number, room - len(header))
            self.counts.spans += 1
            self.counts.transformed += block.closed
            yield _Block(header + block.ids, block.closed)
            header = []
            number += 1

    def _cut_one(
        self,
        document: Document,
        file: DocumentFile,
        source: "_Source",
        start: int,
        number: int,
        room: int,
    ) -> tuple[_Block, int]:
        """Return the block that begins at token `start` and the token it ends before."""
        if self.split(document, file, 0, number) is not None:
            limit = room - _overhead(self.layout.fim)
            for _ in range(_ATTEMPTS):
                if limit < room // 2:
                    break
                end = source.cut(start, limit)
                text = source.text(start, end)
                split = self.split(document, file, len(text), number)
                assert split is not None
                parts = self.tokenizer.encode_batch(split.parts(text))
                ids = lay_out(split, parts, self.tokenizer.special)
                if len(ids) <= room:
                    return _Block(ids, closed=True), end
                limit -= len(ids) - room
            self.counts.untransformed += 1
        end = source.cut(start, room)
        return _Block(source.ids[start:end], closed=False), end

    def header(self, file: DocumentFile) -> list[int]:
        """Return a header's ids; none when it is too long for the row."""
        ids = self.tokenizer.encode(file.header) if file.header else []
        return ids if len(ids) <= self.layout.sequence_length // 4 else []


def make_pieces(documents: Sequence[Document], tokenizer: Tokenizer, layout: Layout) -> Pieces:
    """Return the pieces of documents, in order. Every text is encoded once, in one batch."""
    maker = _Maker(tokenizer, layout)
    texts: list[str] = []
    splits: list[Split | None] = []
    for document in documents:
        for file in document.files:
            split = maker.split(document, file, len(file.text), 0)
            splits.append(split)
            texts.append(file.header)
            texts += split.parts(file.text) if split else [_joined(document, file)]
    blocks = _blocks(maker, splits, iter(tokenizer.encode_batch(texts)))
    flat: list[NDArray[np.uint32]] = []
    for document in documents:
        own = [next(blocks) for _ in document.files]
        maker.counts.documents += 1
        maker.counts.files += len(own)
        maker.counts.num_bytes += sum(len((f.header + f.text).encode()) for f in document.files)
        flat += [np.array(ids, np.uint32) for ids in maker.pieces(document, own)]
    lengths = np.array([len(ids) for ids in flat], np.int64)
    maker.counts.pieces = len(flat)
    maker.counts.tokens = int(lengths.sum())
    ids = np.concatenate(flat) if flat else np.zeros(0, np.uint32)
    return Pieces(ids, lengths, maker.counts)


def _blocks(
    maker: _Maker, splits: Sequence[Split | None], encoded: Iterator[list[int]]
) -> Iterator[_Block]:
    for split in splits:
        header = next(encoded)
        if len(header) > maker.layout.sequence_length // 4:
            maker.counts.headers_left_out += 1
            header = []
        parts = [next(encoded) for _ in range(len(split.cuts) + 1 if split else 1)]
        maker.counts.spans += 1
        if split is None:
            yield _Block(header + parts[0], closed=False)
        else:
            maker.counts.transformed += 1
            ids = lay_out(split, parts, maker.tokenizer.special)
            yield _Block(header + ids, closed=True)


def _joined(document: Document, file: DocumentFile) -> str:
    last = file is document.files[-1]
    return file.text if last or file.text.endswith("\n") else file.text + "\n"


def _overhead(fim: Fim) -> int:
    """Return the tokens that FIM adds at most, as a rule: sentinels, eos, tokens torn by the cuts."""
    holes = MAX_SPANS if fim.mode == "msp" else 1
    return 2 * holes + 2 + 4 * holes


class _Source:
    """A long text with its tokens' places."""

    def __init__(self, tokenizer: Tokenizer, text: str) -> None:
        self.ids = tokenizer.encode(text)
        self._data = text.encode()
        self._ends = np.cumsum(tokenizer.token_sizes[np.array(self.ids, np.int64)])
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
