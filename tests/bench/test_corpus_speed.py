"""How fast the whole corpus stage is, step by step in one process, and as the job with two workers.

    pytest tests/bench/test_corpus_speed.py -m truth -s
    GRISTMILL_BENCH_MB=400 pytest tests/bench/test_corpus_speed.py -m truth -s -k job

Input are real repositories of many languages (`corpus_trees.py`), default switches. MB are raw input
bytes that were read; a core is a second of CPU, so that a busy machine says nearly what an idle one does.
The bar is 3 MB/s a core for the job (10 GB an hour a core). Peer for the machine: the bare tree-sitter
parse of the same files, which no step that reads syntax can go below.
"""

import os
from pathlib import Path

import pytest

from gristmill.corpus.config import CorpusSection, FolderSource
from gristmill.corpus.imports.parsing import unlimited
from gristmill.corpus.pieces import plan_pieces
from gristmill.corpus.sources import open_sources
from gristmill.storage import Storage
from tests.bench.corpus_runs import corpus_run
from tests.bench.corpus_steps import BARE, JUDGED, PARSED, STAGE, Clock, steps_alone, whole
from tests.bench.corpus_trees import write

STEPS_MB = float(os.environ.get("GRISTMILL_BENCH_SAMPLE_MB", "24"))
JOB_MB = float(os.environ.get("GRISTMILL_BENCH_MB", "200"))
BAR_MB_A_CORE = 3.0
pytestmark = [pytest.mark.truth, pytest.mark.timeout(3600)]


def test_steps_in_one_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "in", STEPS_MB)
    source = FolderSource(kind="folder", path=str(tmp_path / "in"))
    section = CorpusSection(sources=(source,))
    pieces = list(plan_pieces(open_sources(section), section))
    num_mb = sum(piece.num_bytes for piece in pieces) / 1e6
    alone, clock = Clock(), Clock()
    with unlimited():
        steps_alone(pieces, section, alone)
    whole(pieces, section, Storage.open(str(tmp_path / "one")), clock)
    with capsys.disabled():
        print(f"\n{num_mb:.0f} MB of real repositories, in one process, CPU seconds")
        print(f"{'step':28}{'CPU s':>8}{'MB/s a core':>13}")
        for step in (*alone.steps(), *STAGE):
            spent = alone.of(step) + clock.of(step)
            print(f"{step:28}{spent:8.2f}{num_mb / max(spent, 1e-9):13.1f}")
        print(f"{'the whole stage':28}{clock.stage_s:8.2f}{num_mb / clock.stage_s:13.2f}")
        _print_languages(alone)
    assert num_mb / clock.stage_s >= BAR_MB_A_CORE


def _print_languages(clock: Clock) -> None:
    """Print MB/s by language: the bare parse, all that comes of the tree, and all of judging."""
    print(f"\n{'language':22}{'MB':>7}{'bare parse':>12}{'with imports':>14}{'judged':>9}")
    for language, size in sorted(clock.megabytes.items(), key=lambda pair: -pair[1]):
        steps = (clock.seconds.get((step, language), 0.0) for step in (BARE, PARSED, JUDGED))
        speeds = [f"{size / spent:.1f}" if spent > 1e-4 else "" for spent in steps]
        print(f"{language:22}{size:7.2f}{speeds[0]:>12}{speeds[1]:>14}{speeds[2]:>9}", flush=True)


def test_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "in", JOB_MB)
    corpus = {"sources": [{"kind": "folder", "path": str(tmp_path / "in")}]}
    run = corpus_run(corpus, tmp_path / "store", workers=2)
    wall = run.num_bytes / 1e6 / run.wall_s / 2
    with capsys.disabled():
        print(
            f"\njob, 2 workers: {run.num_bytes / 1e6:.0f} MB in {run.wall_s:.1f} s by the clock, "
            f"{run.cpu_s:.1f} s of CPU ({run.system_cpu_s:.1f} s beside it by Ray's own): "
            f"{run.mb_a_core:.2f} MB/s a core of CPU, {wall:.2f} by the clock; "
            f"peak {run.peak_bytes / 1e6:.0f} MB + {run.shared_bytes / 1e6:.0f} MB shared"
        )
    assert run.mb_a_core >= BAR_MB_A_CORE
