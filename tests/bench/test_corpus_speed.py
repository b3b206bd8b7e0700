"""How fast the whole corpus stage is, step by step in one process, and as the job with two workers.

    pytest tests/bench/test_corpus_speed.py -m truth

Input are installed distributions, default switches. MB are raw input bytes that were read; a core is a
second of CPU, so that a busy machine says nearly what an idle one does. The bar is 3 MB/s a core for the
job (10 GB an hour a core). Peer for the machine: the bare tree-sitter parse of the same Python files.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest
import tree_sitter_python
from tree_sitter import Language, Parser

from gristmill.corpus.assembly import Making, write_part
from gristmill.corpus.config import CorpusSection, InstalledSource
from gristmill.corpus.contamination import Benchmarks
from gristmill.corpus.imports import LANGUAGES, parse
from gristmill.corpus.imports.parsing import unlimited
from gristmill.corpus.judging import judge
from gristmill.corpus.languages import language_of
from gristmill.corpus.parts import piece_path, plan_parts, plan_path, read_table, tally, write_table
from gristmill.corpus.pieces import Piece, _contents, plan_pieces, read_piece
from gristmill.corpus.quality import measurer
from gristmill.corpus.redaction import redact
from gristmill.corpus.selection import INPUT, select
from gristmill.corpus.signatures import file_signatures
from gristmill.corpus.sources import open_sources, read_files
from gristmill.corpus.sources.repository import Bytes
from gristmill.corpus.summary import origins_of
from gristmill.corpus.text import decode
from gristmill.corpus.watch import Watch
from gristmill.storage import Storage
from tests.bench.corpus_runs import corpus_run

NAMES = ["transformers", "sympy", "pandas", "scipy", "numpy", "matplotlib", "networkx"]
SAMPLED_MB = float(os.environ.get("GRISTMILL_BENCH_SAMPLE_MB", "24"))
BAR_MB_A_CORE = 3.0
pytestmark = pytest.mark.truth


class Clock:
    """CPU seconds by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        started = time.process_time()
        yield
        passed = time.process_time() - started
        self.seconds[step] = self.seconds.get(step, 0.0) + passed


def section_of(names: list[str]) -> CorpusSection:
    return CorpusSection(sources=(InstalledSource(kind="installed", names=tuple(names)),))


def sampled(section: CorpusSection) -> list[Piece]:
    pieces = list(plan_pieces(open_sources(section), section))
    total = sum(piece.num_bytes for piece in pieces) / 1e6
    step = max(1, round(total / SAMPLED_MB))
    return pieces[::step]


def steps_alone(pieces: list[Piece], section: CorpusSection, clock: Clock) -> None:
    """Time each step of reading on its own."""
    benchmarks = Benchmarks.load(section.decontaminate)
    redact("warm", "Python", section.redact)
    parser = Parser(Language(tree_sitter_python.language()))
    for piece in pieces:
        with clock("read"):
            paths, _ = _contents(piece, section)
            found = list(read_files(piece.repository, paths, Watch()))
        raw = [item for item in found if isinstance(item, Bytes)]
        with clock("decode"):
            texts = [(item.path, decode(item.data)[0]) for item in raw]
        languages = [language_of(path, text) or "" for path, text in texts if text]
        texts = [pair for pair in texts if pair[1]]
        code = [(*pair, name) for pair, name in zip(texts, languages, strict=True) if name]
        python = [text.encode() for path, text, _ in code if path.endswith(".py")]
        with clock("(bare parse of Python)"):
            for data in python:
                parser.parse(lambda at, _, data=data: data[at : at + 65536])
        clock.seconds["(MB of Python)"] = (
            clock.seconds.get("(MB of Python)", 0.0) + sum(map(len, python)) / 1e6
        )
        with clock("redaction"):
            for _, text, language in code:
                redact(text, language, section.redact)
        with clock("parse, imports, quality"):
            for path, text, language in code:
                if language in LANGUAGES:
                    parse(language, text, path, measure=_measure(language, section))
        with clock("hash"):
            file_signatures(
                [text for _, text, _ in code], section.dedup.num_hashes, section.dedup.shingle_words
            )
        with clock("contamination"):
            benchmarks.find([text for _, text, _ in code])
        with clock("(all of judging)"):
            for item in raw:
                judge(item.path, item.data, "MIT", section)
    known = clock.seconds
    judged = known["decode"] + known["redaction"] + known["parse, imports, quality"]
    known["language and rules"] = max(0.0, known["(all of judging)"] - judged)


def _measure(language: str, section: CorpusSection) -> Callable[..., object] | None:
    return measurer(language) if section.quality.signals else None


def whole(pieces: list[Piece], section: CorpusSection, storage: Storage, clock: Clock) -> None:
    """Time the stage's own functions from pieces to parts."""
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


def test_steps_and_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    section = section_of(NAMES)
    pieces = sampled(section)
    num_mb = sum(piece.num_bytes for piece in pieces) / 1e6
    clock = Clock()
    with unlimited():
        steps_alone(pieces, section, clock)
    whole(pieces, section, Storage.open(str(tmp_path / "one")), clock)
    seconds = clock.seconds
    bare = seconds.pop("(MB of Python)") / seconds.pop("(bare parse of Python)")
    seconds.pop("(all of judging)")
    steps = ("READ PIECES", "write pieces", "select", "assemble and write parts")
    total = sum(seconds[name] for name in steps)
    with capsys.disabled():
        print(f"\n{num_mb:.0f} MB of {len(NAMES)} distributions, in one process")
        print(f"{'step':28}{'CPU s':>8}{'MB/s a core':>13}")
        for name, value in seconds.items():
            print(f"{name:28}{value:8.2f}{num_mb / max(value, 1e-9):13.1f}")
        print(f"{'pieces, select, parts':28}{total:8.2f}{num_mb / total:13.2f}")
        print(f"{'bare parse of Python':28}{'':8}{bare:13.2f}", flush=True)
    corpus = {"sources": [{"kind": "installed", "names": NAMES}]}
    run = corpus_run(corpus, tmp_path / "store", workers=2)
    wall = run.num_bytes / 1e6 / run.wall_s / 2
    with capsys.disabled():
        print(
            f"job, 2 workers: {run.num_bytes / 1e6:.0f} MB in {run.wall_s:.1f} s by the clock, "
            f"{run.cpu_s:.1f} s of CPU ({run.system_cpu_s:.1f} s beside it by Ray's own): "
            f"{run.mb_a_core:.2f} MB/s a core of CPU, {wall:.2f} by the clock; "
            f"peak {run.peak_bytes / 1e6:.0f} MB + {run.shared_bytes / 1e6:.0f} MB shared"
        )
    assert run.mb_a_core >= BAR_MB_A_CORE
