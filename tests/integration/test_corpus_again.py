"""A corpus made again: after a change, after a kill, after an opt-out. The bytes are those from scratch."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest

from cluster.local import LocalCluster
from gristmill import recipe as recipes
from gristmill.artifacts import Artifact, Store
from gristmill.corpus.parts import WORK
from gristmill.corpus.piece_cache import FOLDER
from gristmill.corpus.sources import resolve_sources
from gristmill.pipeline import steps_of
from gristmill.removal import holders
from jobs import corpus
from jobs.stage import carry_out
from tests.made_repositories import module, write_repositories

pytestmark = [
    pytest.mark.ray,
    # Ray Data 2.60 sets its own deprecated options when its context is made
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

RECIPE = """
name: t
corpus:
  sources: [{{kind: folder, path: {folder}}}]
  decontaminate: []
  dedup: {{level: both}}
  held_out: {{share: 0.1, max_files: 10}}
  workers: 2
"""


def make(folder: Path, store: Path, *changes: str) -> Artifact:
    recipe = recipes.parse(RECIPE.format(folder=folder), list(changes))
    sources = resolve_sources(recipe.corpus)
    steps = steps_of(recipe, sources)
    return carry_out(steps["corpus"], steps, Store.open(str(store)), sources, corpus.work)


def contents(artifact: Artifact) -> dict[str, bytes]:
    return {path: artifact.storage.read_bytes(path) for path in artifact.record.files}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_repositories(tmp_path_factory.mktemp("again") / "in", 24)


def test_a_change_is_done_again_and_nothing_else(
    root: Path, tmp_path: Path, ray_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gristmill.corpus.parts.LEAST_PART_BYTES", 20_000)
    monkeypatch.setattr("gristmill.corpus.parts.MEAN_PART_BYTES", 40_000)
    folder = tmp_path / "in"
    shutil.copytree(root, folder)
    store = tmp_path / "store"
    first = make(folder, store)
    assert first.record.metrics["pieces_read"] == 24
    num_parts = first.record.metrics["parts_made"]
    assert num_parts >= 4
    (folder / "repo7" / "pkg" / "m0.py").write_text(module(4711))
    (folder / "repo7x").mkdir()
    (folder / "repo7x" / "new.py").write_text(module(4712))
    second = make(folder, store)
    assert second.record.fingerprint != first.record.fingerprint
    assert second.record.metrics["pieces_read"] == 2
    assert 1 <= second.record.metrics["parts_made"] <= 2
    scratch = make(folder, tmp_path / "scratch")
    assert scratch.record.metrics["pieces_read"] == 25
    assert contents(second) == contents(scratch)


def test_who_opts_out_is_gone_from_every_file(root: Path, tmp_path: Path, ray_cluster: Any) -> None:
    store = tmp_path / "store"
    before = make(root, store)
    after = make(root, store, "corpus.opt_out=[repo11]", "name=next")
    assert after.record.counts["repositories_opted_out"] == 1
    assert "repo11" in {source.repository for source in before.record.sources}
    assert "repo11" not in {source.repository for source in after.record.sources}
    for path, data in contents(after).items():
        if path.endswith(".parquet"):
            table = pq.read_table(f"{after.storage.root}/{path}")
            assert "repo11" not in str(table.to_pylist()), path
        else:
            assert b"repo11" not in data, path
    assert [item.label for item in holders(Store.open(str(store)), "repo11")] == [before.label]


DRIVER = """
import sys
from tests.integration.test_corpus_again import make
from pathlib import Path
make(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def started(root: Path, store: Path) -> "subprocess.Popen[bytes]":
    """Start the job in a process of its own, as the leader of a group."""
    command = [sys.executable, "-c", DRIVER, str(root), str(store)]
    return subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def pieces_in(store: Path) -> dict[Path, int]:
    """Return when each piece that the store keeps was written."""
    found = {}
    for path in (store / FOLDER).rglob("*.parquet"):
        with contextlib.suppress(FileNotFoundError):
            found[path] = path.stat().st_mtime_ns
    return found


def readers() -> list[psutil.Process]:
    """Return the processes of this session's cluster that read pieces now."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            title = " ".join(process.cmdline())
            raylet = process.parent()
            if title.startswith("ray::") and "RepositoryReader" in title and raylet is not None:
                token = raylet.environ().get("RAY_AUTH_TOKEN_PATH")
                if token == os.environ["RAY_AUTH_TOKEN_PATH"]:
                    found.append(process)
    return found


def kill_node_of(cluster: LocalCluster, worker: psutil.Process) -> None:
    """Kill the raylet of the node that a worker runs on, as a machine that vanishes would."""
    raylet = worker.parent()
    assert raylet is not None
    assert raylet.pid in {node["raylet_pid"] for node in cluster.nodes}
    raylet.kill()


@pytest.mark.parametrize("killed", ["driver", "worker", "node"])
def test_a_kill_loses_at_most_a_piece_a_worker(
    root: Path, tmp_path: Path, ray_cluster: LocalCluster, killed: str
) -> None:
    store = tmp_path / "store"
    driver = started(root, store)
    try:
        deadline = time.monotonic() + 500
        while len(pieces_in(store)) < 4 and driver.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert driver.poll() is None, "the job ended before it could be killed"
        read = pieces_in(store)
        if killed == "driver":
            os.killpg(driver.pid, signal.SIGKILL)
        elif killed == "worker":
            readers()[0].kill()
            driver.wait(500)
        else:
            kill_node_of(ray_cluster, readers()[0])
            driver.wait(500)
    finally:
        if driver.poll() is None:
            os.killpg(driver.pid, signal.SIGKILL)
        driver.wait(30)
    kept = pieces_in(store)
    assert len(kept) >= len(read) >= 4
    again_read = sum(kept.get(path) != written for path, written in read.items())
    assert again_read <= 2, "what was read is read again, beyond one piece a worker"
    again = make(root, store)
    if killed == "driver":
        assert (
            again.record.metrics["pieces_read"] <= 24 - len(kept) + 2
        )  # workers that lived a while
        assert again.record.metrics["pieces_read"] < 24
    else:
        assert driver.returncode == 0
    assert not again.storage.list(WORK)
    assert contents(again) == contents(make(root, tmp_path / "scratch"))
