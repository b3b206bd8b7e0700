"""`gristmill run` on a live cluster: artifacts, cache hits, two users at once, stopping."""

import json
import time
from pathlib import Path

import pytest

from cluster.local import LocalCluster
from gristmill.artifacts import Store
from jobs.__main__ import main
from jobs.runs import Runs, RunState, conductor_id
from jobs.submit import Submitter

pytestmark = [
    pytest.mark.ray,
    # Ray's client follows logs by an aiohttp argument that is on its way out
    pytest.mark.filterwarnings("ignore:ssl=None is deprecated:DeprecationWarning"),
]
SOURCES = "corpus.sources=[{kind: installed, names: [typer]}]"


def _run(cluster: LocalCluster, store: Path, *more: str) -> int:
    argv = ["run", "smoke", "corpus", "--set", SOURCES, "--store", str(store)]
    return main([*argv, "--on", cluster.address, *more])


def _wait(runs: Runs, run: str, *, until: tuple[str, ...], seconds: float = 400) -> RunState:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        state = runs.read(run)
        step = state.current.status if state.current is not None else ""
        if state.status in until or step in until:
            return state
        time.sleep(0.5)
    raise AssertionError(f"run {run} is {runs.read(run)}")


def test_a_run_is_followed_and_the_next_finds_everything(
    ray_cluster: LocalCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(ray_cluster, tmp_path) == 0
    out = capsys.readouterr().out
    for verb in ("logs", "status", "stop"):
        assert f"gristmill {verb} smoke-" in out
    assert "1/1 corpus: done" in out and "documents" in out
    (artifact,) = Store.open(str(tmp_path)).list()
    assert artifact.record.stage == "corpus" and artifact.storage.exists("job.log")
    assert artifact.record.code.commit != "unknown"
    assert _run(ray_cluster, tmp_path) == 0
    assert "1/1 corpus: in the store" in capsys.readouterr().out
    state = Runs.open(str(tmp_path)).find("last")
    assert main(["logs", state.run, "--store", str(tmp_path)]) == 0
    assert "corpus: in the store" in capsys.readouterr().out


def test_two_users_share_a_stage_and_both_are_listed(
    ray_cluster: LocalCluster,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for owner in ("ann", "bob"):
        monkeypatch.setenv("GRISTMILL_OWNER", owner)
        assert _run(ray_cluster, tmp_path, "--no-wait", "--set", "seed=2") == 0
    runs = Runs.open(str(tmp_path))
    ann, bob = (state.run for state in runs.states())
    capsys.readouterr()
    assert main(["status", "--on", ray_cluster.address, "--json"]) == 0
    rows = {row["run"]: row for row in json.loads(capsys.readouterr().out)}
    assert (rows[ann]["owner"], rows[bob]["owner"]) == ("ann", "bob")
    states = [_wait(runs, run, until=("succeeded", "failed")) for run in (ann, bob)]
    assert [state.status for state in states] == ["succeeded", "succeeded"]
    made = [job for job in Submitter(ray_cluster.address).list() if _of(job.id, states[0])]
    assert len(made) == 1, "the same artifact is made by one job"


def _of(job: str, state: RunState) -> bool:
    return job.startswith(f"corpus-{state.steps[0].fingerprint[:8]}")


def test_a_stopped_run_goes_on_at_the_next(ray_cluster: LocalCluster, tmp_path: Path) -> None:
    assert _run(ray_cluster, tmp_path, "--no-wait", "--set", "seed=3") == 0
    runs = Runs.open(str(tmp_path))
    (state,) = runs.states()
    _wait(runs, state.run, until=("running",))
    state = _wait(runs, state.run, until=("running",))
    assert main(["stop", state.run, "--store", str(tmp_path)]) == 0
    jobs = Submitter(ray_cluster.address)
    stopped = _wait(runs, state.run, until=("stopped",))
    ids = [conductor_id(state.run), *(step.job for step in stopped.steps if step.job)]
    deadline = time.monotonic() + 120
    while not all(jobs.info(name).done for name in ids) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert all(jobs.info(name).done for name in ids)
    assert list(Store.open(str(tmp_path)).list()) == []
    assert _run(ray_cluster, tmp_path, "--set", "seed=3") == 0
