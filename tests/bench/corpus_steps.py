"""The corpus stage in one process, without Ray, with the CPU seconds of each of its steps.

clock = Clock()
steps_alone(pieces, section, clock)      each step of reading by itself, by language
whole(pieces, section, storage, clock)   the stage's own functions from pieces to parts
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa

from gristmill.corpus.assembly import Making, write_part
from gristmill.corpus.config import CorpusSection
from gristmill.corpus.contamination import Benchmarks
from gristmill.corpus.imports import LANGUAGES, parse
from gristmill.corpus.imports.parsing import unlimited, unlimited_root
from gristmill.corpus.judging import judge
from gristmill.corpus.languages import language_of
from gristmill.corpus.parts import piece_path, plan_parts, plan_path, read_table, tally, write_table
from gristmill.corpus.pieces import Piece, _contents, read_piece
from gristmill.corpus.quality import measurer
from gristmill.corpus.redaction import redact
from gristmill.corpus.selection import INPUT, select
from gristmill.corpus.signatures import file_signatures
from gristmill.corpus.sources import read_files
from gristmill.corpus.sources.repository import Bytes
from gristmill.corpus.summary import origins_of
from gristmill.corpus.text import decode
from gristmill.corpus.watch import Watch
from gristmill.storage import Storage

STAGE = ("READ PIECES", "write pieces", "select", "assemble and write parts")
BARE, PARSED, JUDGED = "bare parse", "parse, imports, quality", "all of judging"


class Clock:
    """CPU seconds by step and language, and the megabytes of each language."""

    def __init__(self) -> None:
        self.seconds: dict[tuple[str, str], float] = {}
        self.megabytes: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str, language: str = "") -> Iterator[None]:
        started = time.process_time()
        yield
        key = step, language
        self.seconds[key] = self.seconds.get(key, 0.0) + time.process_time() - started

    def of(self, step: str) -> float:
        """Return a step's seconds over all languages."""
        return sum(spent for (name, _), spent in self.seconds.items() if name == step)

    def steps(self) -> list[str]:
        """Return the steps in the order in which they first ran."""
        return list(dict.fromkeys(name for name, _ in self.seconds))

    @property
    def stage_s(self) -> float:
        """Return the seconds of the whole stage."""
        return sum(self.of(step) for step in STAGE)


def steps_alone(pieces: Sequence[Piece], section: CorpusSection, clock: Clock) -> None:
    """Time each step of reading on its own, and the bare parse of each file as the floor."""
    benchmarks = Benchmarks.load(section.decontaminate)
    redact("warm", "Python", section.redact)
    for piece in pieces:
        with clock("read"):
            paths, _ = _contents(piece, section)
            found = list(read_files(piece.repository, paths, Watch()))
        raw = [item for item in found if isinstance(item, Bytes)]
        texts = []
        for item in raw:
            with clock("decode"):
                text = decode(item.data)[0]
            with clock("language"):
                language = (text and language_of(item.path, text)) or "(none)"
            clock.megabytes[language] = clock.megabytes.get(language, 0.0) + len(item.data) / 1e6
            _one_file(item, text, language, section, clock)
            texts.append(text)
        with clock("hash"):
            file_signatures(texts, section.dedup.num_hashes, section.dedup.shingle_words)
        with clock("decontamination"):
            benchmarks.hits(texts)


def _one_file(item: Bytes, text: str, language: str, section: CorpusSection, clock: Clock) -> None:
    with clock("secrets, addresses", language):
        redact(text, language, section.redact)
    if language in LANGUAGES:
        with clock(BARE, language):
            unlimited_root(language, text.encode(), item.path)
        with clock(PARSED, language):
            parse(language, text, item.path, measure=_measure(language, section))
    with clock(JUDGED, language):
        judge(item.path, item.data, "MIT", section)


def _measure(language: str, section: CorpusSection) -> Callable[..., object] | None:
    return measurer(language) if section.quality.signals else None


def whole(pieces: Sequence[Piece], section: CorpusSection, storage: Storage, clock: Clock) -> int:
    """Time the stage's own functions from pieces to parts; return how many files stay."""
    benchmarks = Benchmarks.load(section.decontaminate)
    tables = []
    for number, piece in enumerate(pieces):
        with clock("READ PIECES"), unlimited():
            table = read_piece(piece, section, benchmarks)
        with clock("write pieces"):
            write_table(storage, piece_path(number), table)
        table = read_table(storage, piece_path(number), [*INPUT, "signature"])
        tables.append(table.append_column("piece", pa.array([number] * len(table), pa.int32())))
    with clock("select"):
        plan = select(pa.concat_tables(tables), {}, section, 0, {})
        write_table(storage, plan_path(0), plan)
        tallies = tally(plan, 0)
    origins = origins_of(tallies, lambda number: pieces[number].repository)
    making = Making(section, 0, {number: str(number) for number in range(len(pieces))})
    with clock("assemble and write parts"):
        for part in plan_parts(tallies):
            write_part(storage, part, origins, making)
    return len(plan) - plan["split"].to_pylist().count("")
