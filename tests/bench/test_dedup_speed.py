"""Signatures, decontamination and whole MinHash dedup in speed, against datatrove and text-dedup.

    .venv/bin/python -m pytest tests/bench/test_dedup_speed.py -m truth -s

The peers run in a venv of their own under the truth cache (`dedup_yardsticks.py`); CPU seconds of one
process on the same files, the tools in turn, the best of two. Megabytes are those of the texts.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gristmill.corpus.config import Dedup
from gristmill.corpus.contamination import BUNDLED, Benchmarks
from gristmill.corpus.signatures import file_signatures
from tests.bench.near_copies import texts
from tests.bench.repositories import ROOT

pytestmark = pytest.mark.truth

CHECKOUT = Path(__file__).parents[2]
PEERS = ("datatrove==0.10.1", "text-dedup==0.4.0")
BESIDES = ("tokenizers", "spacy", "datasets", "xxhash<3.6")
MEGABYTES = 12


@pytest.fixture(scope="module")
def some() -> list[str]:
    """Files of several packages, evenly taken, `MEGABYTES` together."""
    everything = texts()
    every = max(1, round(sum(map(len, everything)) / (MEGABYTES * 1e6)))
    return everything[::every]


def peers_python() -> str:
    folder = ROOT / "yardsticks" / "dedup"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        command = [python, "-m", "pip", "install", "--quiet", *PEERS, *BESIDES]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"the peers cannot be installed: {done.stderr[-300:]}")
        (folder / "ready").touch()
    return str(python)


def cpu_seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def in_parts(some: list[str], work: Callable[[list[str]], object]) -> Callable[[], None]:
    """Do the work on as many texts at a time as a piece of 4 MB has."""

    def run() -> None:
        for start in range(0, len(some), 300):
            work(some[start : start + 300])

    return run


def test_signatures_and_decontamination_do_50_megabytes_a_second(some: list[str]) -> None:
    dedup = Dedup()
    benchmarks = Benchmarks.load(tuple(BUNDLED))
    steps = {
        "signatures": lambda part: file_signatures(part, dedup.num_hashes, dedup.shingle_words),
        "decontamination": benchmarks.hits,
    }
    megabytes = sum(len(text.encode()) for text in some) / 1e6
    print(f"\n{len(some)} files, {megabytes:.1f} MB")
    for name, work in steps.items():
        best = min(cpu_seconds(in_parts(some, work)) for _ in range(5))
        print(f"{name:16s} {megabytes / best:6.1f} MB/s a core")
        assert megabytes / best >= 50, name


def run(tool: str, python: str, path: Path, scratch: Path) -> dict[str, float]:
    scratch.mkdir()
    env = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    env |= {"HF_HOME": str(scratch / "hf"), "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
    if tool == "gristmill":
        env["PYTHONPATH"] = f"{CHECKOUT}:{CHECKOUT / 'platform'}"
    script = str(Path(__file__).with_name("dedup_yardsticks.py"))
    command = [python, script, tool, str(path), str(scratch)]
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=scratch)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout.strip().split("\n")[-1]))


def test_whole_dedup_is_five_times_as_fast(some: list[str], tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in some))
    pythons = {"gristmill": sys.executable, "datatrove": peers_python()}
    pythons["text-dedup"] = pythons["datatrove"]
    runs: dict[str, list[dict[str, float]]] = {tool: [] for tool in pythons}
    for turn in range(2):
        for tool, python in pythons.items():
            runs[tool].append(run(tool, python, path, tmp_path / f"{tool}-{turn}"))
    megabytes = sum(len(text.encode()) for text in some) / 1e6
    ours = min(each["cpu_s"] for each in runs["gristmill"])
    print(f"\n{len(some)} files, {megabytes:.1f} MB; CPU seconds, MB/s, files kept")
    for tool, each in runs.items():
        best = min(one["cpu_s"] for one in each)
        print(
            f"{tool:12s} {best:7.2f} s {megabytes / best:6.1f} MB/s  kept {each[0]['kept']:.0f}"
            f"  {best / ours:5.1f}x"
        )
        assert tool == "gristmill" or best / ours >= 5
