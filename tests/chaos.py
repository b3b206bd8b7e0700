"""Failures on purpose, for tests: a node that dies, a worker that dies, a node that is drained."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from cluster import processes
from cluster.local import LocalCluster


def kill_node(cluster: LocalCluster, pool: str) -> str:
    """Kill a pool's raylet as a machine that vanishes would, and return the node's id."""
    node = next(node for node in cluster.nodes if node["pool"] == pool)
    os.kill(node["raylet_pid"], signal.SIGKILL)
    return str(node["node_id"])


def wait_for_replacement(
    cluster: LocalCluster, pool: str, dead: str, timeout_s: float = 200.0
) -> str:
    """Wait until another node stands for the dead one and return its id."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        for node in cluster.nodes:
            if node["pool"] == pool and node["node_id"] != dead:
                return str(node["node_id"])
        time.sleep(0.1)
    raise AssertionError(f"pool {pool} got no node in place of {dead} within {timeout_s:g} s")


def kill_worker(cluster: LocalCluster, title: str) -> int:
    """Kill the worker process whose title holds `title` (`ray::NAME`) and return its pid."""
    for pid in processes.descendants(cluster.state["pid"]):
        if title in processes.command(pid):
            os.kill(pid, signal.SIGKILL)
            return pid
    raise AssertionError(f"no process of the cluster is called {title}")


def drain_node(cluster: LocalCluster, pool: str, deadline_s: int) -> str:
    """Tell a pool's node that its machine will be taken, as a cloud does, and return the node's id."""
    node = next(node for node in cluster.nodes if node["pool"] == pool)
    subprocess.run(
        [
            str(Path(sys.executable).parent / "ray"), "drain-node",
            "--address", cluster.state["gcs_address"],
            "--node-id", str(node["node_id"]),
            "--reason", "DRAIN_NODE_REASON_PREEMPTION",
            "--reason-message", "a test takes the machine",
            "--deadline-remaining-seconds", str(deadline_s),
        ],
        env={**os.environ, **cluster.env},
        check=True,
        capture_output=True,
    )  # fmt: skip
    return str(node["node_id"])
