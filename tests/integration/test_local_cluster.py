"""The local cluster and the job API, through Ray."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cluster import processes
from cluster.local import ROOT, LocalCluster
from gristmill.errors import ClusterError, JobError
from jobs.submit import Submitter
from tests.chaos import kill_node, wait_for_replacement

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def jobs(ray_cluster: LocalCluster) -> Submitter:
    return Submitter(ray_cluster.address, ray_cluster.env)


def script(folder: Path, text: str) -> str:
    """Write a driver and return the command that runs it."""
    path = folder / "driver.py"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return f"python {path}"


WHERE = """
    import json, os, platform, ray
    ray.init(logging_level="ERROR")

    def where():
        import gristmill, jobs
        context = ray.get_runtime_context()
        return [context.get_node_id(), gristmill.__file__, jobs.__file__, platform.system()]

    found = {
        pool: ray.get(ray.remote(where).options(label_selector={"pool": pool}).remote())
        for pool in ("data", "train", "serve")
    }
    cpus = {n["Labels"]["pool"]: n["Resources"].get("CPU", 0) for n in ray.nodes() if n["Alive"]}
    print("@found " + json.dumps([found, cpus, os.environ["GRISTMILL_COMMIT"]]))
"""


@pytest.mark.parametrize("code", ["local", "source"])
def test_a_job_finds_its_code_and_its_pools(
    ray_cluster: LocalCluster, jobs: Submitter, tmp_path: Path, code: str
) -> None:
    name = f"where-{code}"
    command = script(tmp_path, WHERE)
    assert jobs.submit(command, name, {"stage": "corpus"}, code=code) == name  # type: ignore[arg-type]
    lines = list(jobs.follow(name))
    info = jobs.check(name)
    assert info.status == "SUCCEEDED" and info.metadata["stage"] == "corpus"
    [line] = [line for line in lines if line.startswith("@found ")]
    found, cpus, commit = json.loads(line.removeprefix("@found "))
    nodes = {node["node_id"]: node["pool"] for node in ray_cluster.nodes}
    assert {pool: nodes[seen[0]] for pool, seen in found.items()} == {
        "data": "data",
        "train": "train",
        "serve": "serve",
    }
    assert {seen[3] for seen in found.values()} == {"Linux"}  # platform is the standard library's
    assert cpus["head"] == 0 and cpus["train"] >= 2
    assert info.metadata["commit"] == commit
    assert jobs.submit(command, name) == name  # known and not failed: not run again
    assert [job.id for job in jobs.list()].count(name) == 1


def test_output_comes_while_the_job_runs_and_stop_ends_it(jobs: Submitter, tmp_path: Path) -> None:
    command = script(tmp_path, "import time\nprint('first')\ntime.sleep(600)\n")
    jobs.submit(command, "endless")
    lines = jobs.follow("endless")
    assert next(line for line in lines if line == "first")
    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    with pytest.raises(KeyboardInterrupt):  # Ctrl-C ends the following, not the job
        list(lines)
    signal.signal(signal.SIGALRM, previous)
    assert jobs.status("endless") == "RUNNING"
    lines = jobs.follow("endless")
    assert next(line for line in lines if line == "first")
    assert jobs.stop("endless")
    assert list(lines) == []
    with pytest.raises(JobError, match="job endless was stopped; run again"):
        jobs.check("endless")
    with pytest.raises(JobError, match="its id is used up"):
        jobs.submit(command, "endless")


def test_a_failure_is_a_sentence(jobs: Submitter, tmp_path: Path) -> None:
    jobs.submit(script(tmp_path, "raise SystemExit('the disk is full')"), "failing")
    assert any("the disk is full" in line for line in jobs.follow("failing"))
    with pytest.raises(JobError, match="job failing: the job's command failed with exit code 1"):
        jobs.check("failing")
    assert jobs.find("nobody") is None
    with pytest.raises(JobError, match="has no such job"):
        jobs.info("nobody")


def refusal(address: str, env: dict[str, str]) -> str:
    """Return what a client in a process of its own says when it cannot get in."""
    code = f"from jobs.submit import Submitter; Submitter({address!r}, {env!r})"
    kept = {key: value for key, value in os.environ.items() if not key.startswith("RAY_AUTH")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=kept,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode != 0, "the client got in"
    return done.stderr


def test_a_token_is_required(ray_cluster: LocalCluster) -> None:
    # Ray reads its mode and token once a process, so each client is a process of its own.
    none = {"RAY_AUTH_MODE": "disabled"}
    assert "wants a token and none was given" in refusal(ray_cluster.address, none)
    wrong = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}
    assert "the token was refused" in refusal(ray_cluster.address, wrong)
    with pytest.raises(ClusterError, match="no cluster answers"):
        Submitter("http://127.0.0.1:9", {"RAY_AUTH_MODE": "disabled"})


def test_everything_listens_on_the_loopback_only(ray_cluster: LocalCluster) -> None:
    pid = ray_cluster.state["pid"]
    hosts = processes.listening({pid, *processes.descendants(pid)})
    assert hosts and {host for host, _ in hosts} == {"127.0.0.1"}


def test_a_killed_node_is_replaced_and_its_task_runs_again(
    ray_cluster: LocalCluster, jobs: Submitter, tmp_path: Path
) -> None:
    flag = tmp_path / "tries"
    command = script(
        tmp_path,
        f"""
        import ray, time
        ray.init(logging_level="ERROR")

        @ray.remote(label_selector={{"pool": "data"}}, max_retries=3)
        def work():
            with open({str(flag)!r}, "a") as file:
                file.write("x")
            if len(open({str(flag)!r}).read()) == 1:
                time.sleep(600)
            return "done"

        print(ray.get(work.remote()))
        """,
    )
    jobs.submit(command, "outlives-a-node")
    until = time.monotonic() + 200
    while not flag.exists() and time.monotonic() < until:
        time.sleep(0.1)
    dead = kill_node(ray_cluster, "data")
    assert wait_for_replacement(ray_cluster, "data", dead) != dead
    assert "done" in list(jobs.follow("outlives-a-node"))
    jobs.check("outlives-a-node")
    assert flag.read_text() == "xx"


def test_a_second_cluster_and_an_end_that_leaves_nothing(
    ray_cluster: LocalCluster, tmp_path: Path
) -> None:
    with LocalCluster.start(state=tmp_path, detached=True) as second:
        assert second.address != ray_cluster.address
        family = {second.state["pid"], *processes.descendants(second.state["pid"])}
        assert len(family) > 10
        found = LocalCluster.find(tmp_path)
        assert found is not None and found.address == second.address
        with pytest.raises(ClusterError, match="already running at"):
            LocalCluster.start(state=tmp_path, detached=True)
        second_jobs = Submitter(second.address, second.env)
        second_jobs.submit("sleep 600", "asleep")
        until = time.monotonic() + 200
        while second_jobs.status("asleep") != "RUNNING" and time.monotonic() < until:
            time.sleep(0.2)
        family |= processes.descendants(second.state["pid"])
    assert not [pid for pid in family if processes.alive(pid)]
    assert LocalCluster.find(tmp_path) is None
    assert not Path(second.state["temp_dir"]).exists()
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", urlsplit(second.address).port))
    assert Submitter(ray_cluster.address, ray_cluster.env).list() is not None


def test_it_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    text = (
        "import time\nfrom pathlib import Path\nfrom cluster.local import LocalCluster\n"
        f"cluster = LocalCluster.start(state=Path({str(tmp_path)!r}))\n"
        "print(cluster.state['pid'], flush=True)\ntime.sleep(600)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", text], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    keeper = int(parent.stdout.readline())
    family = {keeper, *processes.descendants(keeper)}
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    until = time.monotonic() + 120
    while any(processes.alive(pid) for pid in family) and time.monotonic() < until:
        time.sleep(0.1)
    assert not [pid for pid in family if processes.alive(pid)]
