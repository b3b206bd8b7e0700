"""Reading a piece: in this process, or in one that may die with a hostile file.

The isolated reader is watched from outside (see `isolation`), so its parser runs without a limit of its
own, which is a third faster.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import pyarrow as pa

from gristmill.corpus.config import CorpusSection, Score
from gristmill.corpus.contamination import Benchmarks
from gristmill.corpus.imports.parsing import unlimited
from gristmill.corpus.isolation import Isolated
from gristmill.corpus.pieces import Piece, read_piece, sketch_table
from gristmill.corpus.watch import Watch

if TYPE_CHECKING:
    from gristmill.corpus.scoring import Scorer


@dataclass(frozen=True)
class ReadPiece:
    """What reading a piece gives."""

    table: pa.Table
    sketches: pa.Table | None
    """Of its repositories; None where dedup is not at their level."""


def make_reader(section: CorpusSection) -> Callable[[Piece, Watch], ReadPiece]:
    """Build what is dear once, and return what reads a piece in an isolated process."""
    benchmarks = Benchmarks.load(section.decontaminate)

    def read(piece: Piece, watch: Watch) -> ReadPiece:
        with unlimited():
            return _read(piece, section, benchmarks, watch)

    return read


class Reader:
    """Reads pieces by the section's rules; `close` it, or use it with `with`."""

    def __init__(self, section: CorpusSection) -> None:
        self._section = section
        self._isolated: Isolated | None = None
        self._benchmarks: Benchmarks | None = None
        self._scorer = None if section.score is None else _scorer(section.score)
        if section.isolation is None:
            self._benchmarks = Benchmarks.load(section.decontaminate)
        else:
            self._isolated = Isolated(make_reader, (section,), section.isolation)

    def read(self, piece: Piece) -> ReadPiece:
        """Return the piece's tables. One bad file costs that file. Raises SourceError."""
        found: ReadPiece
        if self._isolated is not None:
            found = self._isolated(piece)
        else:
            assert self._benchmarks is not None
            found = _read(piece, self._section, self._benchmarks, Watch())
        return found if self._scorer is None else self._scored(piece, found)

    def _scored(self, piece: Piece, found: ReadPiece) -> ReadPiece:
        """Ask the model here, outside the process that may die: it reads texts, not bytes."""
        from gristmill.corpus.scoring import scored

        assert self._scorer is not None
        domain = piece.repository.source.domain
        table = scored(found.table, self._scorer, self._section, domain)
        wanted = found.sketches is not None
        return ReadPiece(table, sketch_table(table, self._section) if wanted else None)

    def close(self) -> None:
        """End the isolated process."""
        if self._isolated is not None:
            self._isolated.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _scorer(section: Score) -> "Scorer":
    """Load the model that scores files; torch is loaded for it alone."""
    from gristmill.corpus.scoring import Scorer

    return Scorer.load(Path(section.model), section.context_tokens)


def _read(piece: Piece, section: CorpusSection, benchmarks: Benchmarks, watch: Watch) -> ReadPiece:
    table = read_piece(piece, section, benchmarks, watch)
    wanted = section.dedup.level in ("repository", "both")
    return ReadPiece(table, sketch_table(table, section) if wanted else None)
