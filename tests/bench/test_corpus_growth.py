"""How time and memory of the corpus job grow with the corpus, and what one giant repository costs.

    pytest tests/bench/test_corpus_growth.py -m truth
    GRISTMILL_BENCH_SIZES_MB=10,50,200,2000 pytest tests/bench/test_corpus_growth.py -m truth

The corpus is made of real files: installed distributions cut into repositories of some hundred kilobytes;
where more is asked for than there is, copies follow whose identifiers are renamed, so that no copy is a
near copy of another. Bars: time grows with an exponent of at most 1.05, in seconds of CPU, of the
difference to an almost empty corpus (starting workers costs the same at every size); memory of driver
and workers at the largest size is at most 1.3 times that at the one before it of at least a tenth; one
repository of 30 % of the bytes adds less than half of the clock's time.
"""

import keyword
import os
import re
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from tests.bench.corpus_runs import CorpusRun, corpus_run

SIZES_MB = [float(x) for x in os.environ.get("GRISTMILL_BENCH_SIZES_MB", "10,50,200").split(",")]
NAMES = ("transformers", "sympy", "pandas", "scipy", "numpy", "matplotlib", "networkx", "mypy")
REPOSITORY_BYTES = 400_000
EXPONENT, MEMORY, GIANT = 1.05, 1.3, 1.5
_KEPT = {word.encode() for word in keyword.kwlist}
_WORD = re.compile(rb"\b[A-Za-z_]{4,}\b")
pytestmark = pytest.mark.truth


def real_files() -> Iterator[bytes]:
    """Yield the Python files of the distributions, again and again, each time with other names."""
    again = 0
    while True:
        for name in NAMES:
            for file in sorted(metadata.files(name) or (), key=str):
                if file.suffix == ".py" and 500 < (file.size or 0) < 200_000:
                    data = Path(str(file.locate())).read_bytes()
                    yield data if again == 0 else _WORD.sub(_renamed(again), data)
        again += 1


def _renamed(again: int) -> Callable[[re.Match[bytes]], bytes]:
    mark = f"{again}".encode()

    def rename(match: re.Match[bytes]) -> bytes:
        return match[0] if match[0] in _KEPT else match[0] + mark

    return rename


def write(root: Path, num_mb: float, giant_share: float = 0.0) -> Path:
    """Write a corpus of about `num_mb`; a first repository takes the given share of it."""
    left = num_mb * 1e6
    target = max(giant_share * left, REPOSITORY_BYTES)
    repository = size = 0
    for number, data in enumerate(real_files()):
        folder = root / f"repo{repository:05}" / f"p{number % 50}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"m{number}.py").write_bytes(data)
        size += len(data)
        left -= len(data)
        if left <= 0:
            return root
        if size >= target:
            repository, size, target = repository + 1, 0, REPOSITORY_BYTES
    raise AssertionError


def run_of(root: Path, store: Path) -> CorpusRun:
    return corpus_run({"sources": [{"kind": "folder", "path": str(root)}]}, store)


def test_growth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = sorted(SIZES_MB)
    runs = [run_of(write(tmp_path / "in0", 0.5), tmp_path / "store0")]
    for size in sizes:
        root = write(tmp_path / f"in{size:g}", size)
        runs.append(run_of(root, tmp_path / f"store{size:g}"))
    giant = run_of(write(tmp_path / "giant", sizes[-1], 0.3), tmp_path / "store-giant")
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
        print(f"the last row has one repository of 30 %; growth exponent {exponent:.3f}")
    assert exponent <= EXPONENT
    before = [run for run in rest if run.num_bytes <= rest[-1].num_bytes / 4]
    if before:
        assert rest[-1].peak_bytes <= MEMORY * before[-1].peak_bytes
    assert giant.wall_s <= GIANT * rest[-1].wall_s
