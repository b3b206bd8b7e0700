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
_LONG = 3  # characters a token at most, as a guess that saves work and never shows in the result


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

    def whole(self, document: Document, file: DocumentFile) -> "_Block | None":
        """Return a file's block; None for a text so long that it will hardly fit a row."""
        if len(file.text) > _LONG * self.layout.sequence_length:
            return None
        header = self.header(file)
        split = self.split(document, file, len(file.text), 0)
        if split is None:
            return _Block(header + self.tokenizer.encode(_joined(document, file)), closed=False)
        parts = self.tokenizer.encode_batch(split.parts(file.text))
        return _Block(header + lay_out(split, parts, self.tokenizer.special), closed=True)

    def pieces(self, document: Document, blocks: Sequence["_Block | None"]) -> Iterator[list[int]]:
        """Yield a document's pieces from its files' blocks; None stands for a long file's."""
        special = self.tokenizer.special
        groups = list(self._groups(document, blocks, self.layout.sequence_length - _FRAME))
        self.counts.cut_documents += len(groups) > 1
        for number, group in enumerate(groups):
            ids = [special.bos]
            for block in group:
                ids += block.ids
                self.counts.spans += 1
                self.counts.transformed += block.closed
            if number == len(groups) - 1 and not group[-1].closed:
                ids.append(special.eos)
            yield ids

    def _groups(
        self, document: Document, blocks: Sequence["_Block | None"], room: int
    ) -> Iterator[list["_Block"]]:
        group: list[_Block] = []
        held = 0
        for file, block in zip(document.files, blocks, strict=True):
            fits = block is not None and len(block.ids) <= room
            for part in [block] if block and fits else self._cut(document, file, room):
                if group and held + len(part.ids) > room:
                    yield group
                    group, held = [], 0
                group.append(part)
                held += len(part.ids)
        yield group

    def _cut(self, document: Document, file: DocumentFile, room: int) -> list["_Block"]:
        """Return the blocks of a long file, each of at most `room` ids; one when it fits after all."""
        header = self.header(file)
        source = _Source(self.tokenizer, _joined(document, file))
        blocks: list[_Block] = []
        start = 0
        while start < len(source.ids):
            own = header if start == 0 else []
            split = self.split(document, file, 0, len(blocks))
            found = None
            if split is not None:
                found = self._transformed(
                    document, file, source, start, len(blocks), room - len(own)
                )
                self.counts.untransformed += found is None
            if found is None:
                end = source.cut(start, room - len(own))
                found = _Block(source.ids[start:end], closed=False), end
            block, start = found
            blocks.append(_Block(own + block.ids, block.closed))
        self.counts.cut_files += len(blocks) > 1
        return blocks

    def _transformed(
        self,
        document: Document,
        file: DocumentFile,
        source: "_Source",
        start: int,
        number: int,
        room: int,
    ) -> "tuple[_Block, int] | None":
        """Return the transformed block from token `start` and its end; None when none fits."""
        cautious = room - _overhead(self.layout.fim)
        limit = room if len(source.ids) - start <= room else cautious
        for _ in range(_ATTEMPTS):
            if limit < room // 2:
                return None
            end = source.cut(start, limit)
            text = source.text(start, end)
            if end == len(source.ids) and not file.text.endswith("\n"):
                text = text.removesuffix("\n")
            split = self.split(document, file, len(text), number)
            assert split is not None
            parts = self.tokenizer.encode_batch(split.parts(text))
            ids = lay_out(split, parts, self.tokenizer.special)
            if len(ids) <= room:
                return _Block(ids, closed=True), end
            limit = min(limit, cautious) - (len(ids) - room)
        return None

    def header(self, file: DocumentFile) -> list[int]:
        """Return a header's ids; none when it is too long for the row."""
        ids = self.tokenizer.encode(file.header) if file.header else []
        return ids if len(ids) <= self.layout.sequence_length // 4 else []


def make_pieces(documents: Sequence[Document], tokenizer: Tokenizer, layout: Layout) -> Pieces:
    """Return the pieces of documents, in order."""
    maker = _Maker(tokenizer, layout)
    flat: list[NDArray[np.uint32]] = []
    for document in documents:
        blocks = [maker.whole(document, file) for file in document.files]
        flat += [np.array(ids, np.uint32) for ids in maker.pieces(document, blocks)]
        maker.counts.documents += 1
        maker.counts.files += len(blocks)
        maker.counts.headers_left_out += sum(
            bool(file.header and not maker.header(file)) for file in document.files
        )
        maker.counts.num_bytes += sum(len((f.header + f.text).encode()) for f in document.files)
    lengths = np.array([len(ids) for ids in flat], np.int64)
    maker.counts.pieces = len(flat)
    maker.counts.tokens = int(lengths.sum())
    ids = np.concatenate(flat) if flat else np.zeros(0, np.uint32)
    return Pieces(ids, lengths, maker.counts)


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
