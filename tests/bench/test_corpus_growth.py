"""How time and memory of the corpus job grow with the corpus, and what one giant repository costs.

    pytest tests/bench/test_corpus_growth.py -m truth -s
    GRISTMILL_BENCH_SIZES_MB=10,50,200,2000 pytest tests/bench/test_corpus_growth.py -m truth -s

The corpus is made of real repositories of many languages, of the same mix at every size
(`corpus_trees.py`, which says what it does when they run out). Bars: time grows with an exponent of at
most 1.05, in seconds of CPU, of the difference to an almost empty corpus (starting workers costs the
same at every size); memory of driver and workers at the largest size is at most 1.3 times that at the
one before it of at most a quarter; one repository of 30 % of the bytes adds less than half of the clock's
time.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from tests.bench.corpus_runs import CorpusRun, corpus_run
from tests.bench.corpus_trees import write

SIZES_MB = [float(x) for x in os.environ.get("GRISTMILL_BENCH_SIZES_MB", "10,50,200").split(",")]
EXPONENT, MEMORY, GIANT = 1.05, 1.3, 1.5
pytestmark = [pytest.mark.truth, pytest.mark.timeout(7200)]


def run_of(root: Path, store: Path) -> CorpusRun:
    return corpus_run({"sources": [{"kind": "folder", "path": str(root)}]}, store)


def test_growth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = sorted(SIZES_MB)
    runs, copied = [], 0.0
    for size in (0.5, *sizes):
        root = tmp_path / f"in{size:g}"
        copied = write(root, size, largest_mb=sizes[-1])
        runs.append(run_of(root, tmp_path / f"store{size:g}"))
    write(tmp_path / "giant", sizes[-1], 0.3)
    giant = run_of(tmp_path / "giant", tmp_path / "store-giant")
    start, rest = runs[0], runs[1:]
    x = np.log([run.num_bytes for run in rest])
    exponent = float(np.polyfit(x, np.log([run.cpu_s - start.cpu_s for run in rest]), 1)[0])
    with capsys.disabled():
        print(
            f"\n{'MB read':>9}{'wall s':>9}{'CPU s':>9}{'MB/s a core':>13}{'PSS MB':>8}{'shared':>8}"
        )
        for run in [*runs, giant]:
            print(
                f"{run.num_bytes / 1e6:9.1f}{run.wall_s:9.1f}{run.cpu_s:9.1f}{run.mb_a_core:13.2f}"
                f"{run.peak_bytes / 1e6:8.0f}{run.shared_bytes / 1e6:8.0f}"
            )
        print(
            f"the last row has one repository of 30 %; growth exponent {exponent:.3f}; "
            f"{copied:.0%} of the largest are renamed copies"
        )
    assert exponent <= EXPONENT
    before = [run for run in rest if run.num_bytes <= rest[-1].num_bytes / 4]
    if before:
        assert rest[-1].peak_bytes <= MEMORY * before[-1].peak_bytes
    assert giant.wall_s <= GIANT * rest[-1].wall_s
