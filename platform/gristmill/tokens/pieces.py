"""Documents into pieces: token ids that each fit a row, FIM already applied.

A piece is bos, then file by file the header (path comment, never transformed) and either the text's ids
or its FIM layout, and one eos where the document ends (not doubled after a transformed file, whose
middle ends in eos already). A document that fits a row is one piece. One that does not is parted where
it hurts least: first into the components that its import edges leave, each of which is then a document
of its own; then between files, where the fewest edges cross the cut (`corpus.windows.cut`); then a file
that does not fit alone at line ends (`file_blocks`). FIM comes after the cut, so no sample of it lies in
two rows. No eos stands at a forced cut. Where a plain file is followed by another and lacks a last
newline, one is added.

With `fim.files: last` a document of several files is

    bos repo_name {repository}\\n  file_sep header text  file_sep header text ...  file_sep header fim

and FIM decides for its last file alone; a document that is cut is several such ones.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gristmill.corpus.components import weak_components
from gristmill.corpus.documents import Document, DocumentFile
from gristmill.corpus.imports.model import Edge
from gristmill.corpus.windows import cut
from gristmill.tokens.file_blocks import (
    Block,
    Draft,
    Ids,
    Layout,
    LongFile,
    draft,
    overhead,
    shown,
    together,
)
from gristmill.tokens.tokenizer import Tokenizer

_FRAME = 2  # bos, and the eos of the document's end
_LONG = 3  # characters a token at most, as a guess that saves work and never shows in the result

EdgesOf = Callable[[str], Sequence[Edge] | None]
"""The import edges of a repository; None where nobody knows them."""


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
    components: int = 0
    """Documents that those were parted into along their import edges."""
    cut_files: int = 0
    spans: int = 0
    """Files, or pieces of cut files, that FIM decides on."""
    transformed: int = 0
    """Spans that were laid out by FIM."""
    suffix_first: int = 0
    """Transformed ones that are laid out suffix first."""
    line_holes: int = 0
    """Transformed ones whose hole is a run of whole lines."""
    syntax_holes: int = 0
    """Transformed ones whose hole is a syntax node."""
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

    ids: Ids
    lengths: NDArray[np.int64]
    documents: NDArray[np.int64]
    """Which of the documents each piece is of."""
    counts: Counts


def make_pieces(
    documents: Sequence[Document],
    tokenizer: Tokenizer,
    layout: Layout,
    edges_of: EdgesOf = lambda _: None,
) -> Pieces:
    """Return the pieces of documents, in order."""
    maker = _Maker(tokenizer, layout, edges_of)
    blocks = maker.whole(
        [
            (document, file, maker.is_plain(document, number))
            for document in documents
            for number, file in enumerate(document.files)
        ]
    )
    pieces_of = maker.cut_files(documents, blocks)
    flat: list[Ids] = []
    owners: list[int] = []
    at = 0
    for number, document in enumerate(documents):
        own = range(at, at + len(document.files))
        at = own.stop
        cut_own = {place - own.start: pieces_of[place] for place in own if place in pieces_of}
        flat += maker.pieces(document, [blocks[place] for place in own], cut_own)
        owners += [number] * (len(flat) - len(owners))
    counts = maker.counts
    lengths = np.array([len(ids) for ids in flat], np.int64)
    counts.documents = len(documents)
    counts.files = len(blocks)
    counts.pieces = len(flat)
    counts.tokens = int(lengths.sum())
    counts.num_bytes = sum(
        len((file.header + file.text).encode()) for item in documents for file in item.files
    )
    ids = np.concatenate(flat) if flat else np.zeros(0, np.uint32)
    return Pieces(ids, lengths, np.array(owners, np.int64), counts)


@dataclass
class _Maker:
    tokenizer: Tokenizer
    layout: Layout
    edges_of: EdgesOf
    counts: Counts = field(default_factory=Counts)

    @property
    def room(self) -> int:
        """Ids that a piece may hold between bos and eos."""
        return self.layout.sequence_length - _FRAME

    def is_plain(self, document: Document, number: int) -> bool:
        """Say whether FIM leaves a file alone, whatever its key says."""
        return self.layout.fim.files == "last" and number < len(document.files) - 1

    def whole(self, items: Sequence[tuple[Document, DocumentFile, bool]]) -> list[Block | None]:
        """Return files' blocks, encoded in one go; None for a text so long that it will hardly fit."""
        drafts: list[Draft | None] = [
            None
            if len(file.text) > _LONG * self.layout.sequence_length
            and not self._set_apart(document)
            else draft(self.layout, document, file, plain=plain)
            for document, file, plain in items
        ]
        encoded = iter(
            self.tokenizer.encode_arrays([text for item in drafts if item for text in item.texts])
        )
        blocks: list[Block | None] = []
        for item in drafts:
            if item is None:
                blocks.append(None)
                continue
            header, *parts = (next(encoded) for _ in item.texts)
            kept = shown(header, self.layout)
            self.counts.headers_left_out += len(kept) < len(header)
            blocks.append(item.block([kept, *parts], self.tokenizer.special))
        return blocks

    def cut_files(
        self, documents: Sequence[Document], blocks: Sequence[Block | None]
    ) -> dict[int, list[Block]]:
        """Return the blocks of the files that fit no row, or may not, by their place among all."""
        files = [(document, file) for document in documents for file in document.files]
        long = [
            place
            for place, block in enumerate(blocks)
            if block is None or len(block.ids) > self.room
        ]
        unseen = [files[place][1].header for place in long if blocks[place] is None]
        for header in self.tokenizer.encode_arrays(unseen):
            self.counts.headers_left_out += len(shown(header, self.layout)) < len(header)
        asking = [
            LongFile(
                self.layout, *files[place], self.tokenizer.special, self.tokenizer.token_sizes
            ).blocks(self.room)
            for place in long
        ]
        found = together(asking, self.tokenizer.encode_arrays)
        return dict(zip(long, found, strict=True))

    def _set_apart(self, document: Document) -> bool:
        """Say whether a document's files stand between separators."""
        return self.layout.fim.files == "last" and len(document.files) > 1

    def pieces(
        self,
        document: Document,
        blocks: Sequence[Block | None],
        pieces_of: Mapping[int, list[Block]],
    ) -> Iterator[Ids]:
        """Yield a document's pieces from its files' blocks; None stands for a long file's.

        `pieces_of` has the blocks that files which fit no row, or may not, were cut into.
        """
        lead = self._lead(document)
        if all(blocks):
            known = [block for block in blocks if block is not None]
            separators = len(blocks) if len(lead) else 0
            room = self.room + (known[-1].split is not None)  # no eos beside a middle's own
            if len(lead) + separators + sum(len(block.ids) for block in known) <= room:
                yield self._piece(known, lead, closes=True)
                return
        if len(document.files) > 1 or len(pieces_of[0]) > 1:
            yield from self._cut(document, blocks, pieces_of, lead)
        else:
            yield self._piece(pieces_of[0], lead, closes=True)

    def _lead(self, document: Document) -> Ids:
        """Return what stands before a document's files: its repository, where files are set apart."""
        if not self._set_apart(document):
            return np.zeros(0, np.uint32)
        (name,) = self.tokenizer.encode_arrays([document.repository + "\n"])
        name = name[: self.layout.sequence_length // 4]
        return np.concatenate([np.array([self.tokenizer.special.repo_name], np.uint32), name])

    def _cut(
        self,
        document: Document,
        blocks: Sequence[Block | None],
        pieces_of: Mapping[int, list[Block]],
        lead: Ids,
    ) -> Iterator[Ids]:
        found = [
            pieces_of[number][0] if len(pieces_of.get(number, ())) == 1 else block
            for number, block in enumerate(blocks)
        ]
        spare = len(lead) + overhead(self.layout.fim) if len(lead) else 0
        room = self.room - spare
        long = {number for number, pieces in pieces_of.items() if len(pieces) > 1}
        sizes = [
            room + 1 if block is None or number in long else len(block.ids) + bool(len(lead))
            for number, block in enumerate(found)
        ]
        self.counts.cut_files += len(long)
        if sum(sizes) <= room:  # every long file fits after all
            yield self._piece([block for block in found if block is not None], lead, closes=True)
            return
        self.counts.cut_documents += 1
        components = self._components(document)
        self.counts.components += len(components)
        for nodes, edges in components:
            runs = cut([(str(node), sizes[node]) for node in nodes], edges, room)
            for last, run in zip([*[False] * (len(runs) - 1), True], runs, strict=True):
                numbers = [int(name) for name in run]
                if numbers[0] in long:
                    parts = pieces_of[numbers[0]]
                    for part in parts:
                        yield self._piece([part], lead[:0], closes=last and part is parts[-1])
                else:
                    yield self._run(document, numbers, found, lead, closes=last)

    def _run(
        self,
        document: Document,
        numbers: Sequence[int],
        found: Sequence[Block | None],
        lead: Ids,
        *,
        closes: bool,
    ) -> Ids:
        """Return the piece of some files of a cut document."""
        blocks = [block for block in (found[number] for number in numbers) if block is not None]
        if self.layout.fim.files == "last":
            # only now is it known which file is the last
            item = draft(self.layout, document, document.files[numbers[-1]])
            header, *parts = self.tokenizer.encode_arrays(item.texts)
            own = item.block([shown(header, self.layout), *parts], self.tokenizer.special)
            lead = lead if len(numbers) > 1 else lead[:0]
            separators = len(numbers) if len(lead) else 0
            before = len(lead) + separators + sum(len(block.ids) for block in blocks[:-1])
            fits = before + len(own.ids) <= self.room
            blocks[-1] = own if fits else Block(blocks[-1].ids, wanted=own.split is not None)
        return self._piece(blocks, lead, closes=closes)

    def _components(self, document: Document) -> list[tuple[list[int], list[Edge]]]:
        """Return the files, by number, that import edges join, with these edges between numbers."""
        place = {file.path: number for number, file in enumerate(document.files)}
        edges = self.edges_of(document.repository)
        if edges is None:  # nobody knows: files hang together as they stand
            pairs = set(pairwise(range(len(document.files))))
        else:
            pairs = {
                (place[edge.imported], place[edge.importer])
                for edge in edges
                if edge.importer in place and edge.imported in place
            }
        components = weak_components(len(document.files), pairs)
        component_of = {node: number for number, nodes in enumerate(components) for node in nodes}
        held: list[list[Edge]] = [[] for _ in components]
        for imported, importer in sorted(pairs):
            edge = Edge(str(importer), str(imported), "import", document.language, None)
            held[component_of[importer]].append(edge)
        return list(zip(components, held, strict=True))

    def _piece(self, blocks: Sequence[Block], lead: Ids, *, closes: bool) -> Ids:
        special = self.tokenizer.special
        parts = [np.array([special.bos], np.uint32), lead]
        for number, block in enumerate(blocks):
            if len(lead):
                parts.append(np.array([special.file_sep], np.uint32))
            parts.append(block.ids)
            if self.layout.fim.files == "each" or number == len(blocks) - 1:
                self._count(block)
        if closes and blocks[-1].split is None:
            parts.append(np.array([special.eos], np.uint32))
        return np.concatenate(parts)

    def _count(self, block: Block) -> None:
        self.counts.spans += 1
        self.counts.untransformed += block.wanted
        if block.split is not None:
            self.counts.transformed += 1
            self.counts.suffix_first += block.split.mode in ("spm", "spm_plain")
            self.counts.line_holes += block.split.kind == "line"
            self.counts.syntax_holes += block.split.kind == "syntax"
