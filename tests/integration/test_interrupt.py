"""Ctrl-C on a local run: it ends the run and its cluster, keeps what was made, and says so."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cluster.processes import alive, descendants
from jobs.runs import Runs

pytestmark = pytest.mark.ray
ROOT = Path(__file__).parents[2]
SOURCES = "corpus.sources=[{kind: installed, names: [typer]}]"


def test_ctrl_c_ends_the_run_and_the_cluster_it_started(tmp_path: Path) -> None:
    argv = ["run", "smoke", "corpus", "--set", SOURCES, "--store", str(tmp_path / "store")]
    output = tmp_path / "output"
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "jobs", *argv],
            cwd=ROOT,
            env={**os.environ, "GRISTMILL_STATE": str(tmp_path / "state"), "RAY_ADDRESS": ""},
            stdout=stream,
            stderr=subprocess.STDOUT,
            # a shell's background job ignores Ctrl-C, and hands that down to these tests
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
    deadline = time.monotonic() + 300
    while "corpus: running" not in output.read_text() and time.monotonic() < deadline:
        assert process.poll() is None, output.read_text()
        time.sleep(0.2)
    family = descendants(process.pid)
    assert family
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=200) == 130, output.read_text()
    said = output.read_text()
    assert "Ctrl-C again kills it at once" in said and "goes on from there" in said
    assert "Traceback" not in said
    until = time.monotonic() + 90  # what the keeper has ended may still be going
    while any(alive(pid) for pid in family) and time.monotonic() < until:
        time.sleep(0.2)
    assert not [pid for pid in family if alive(pid)]
    (state,) = Runs.open(str(tmp_path / "store")).states()
    assert state.status == "stopped"
