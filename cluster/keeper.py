"""The process that holds a local cluster: it starts the nodes, replaces the dead, ends them all.

`python -m cluster.keeper PLAN` starts a head and one node a pool inside this one process, each from
Ray's own `Node`, all on the loopback address: `ray start` would move 127.0.0.1 to the machine's outer
address and costs an interpreter a node. The keeper is a subreaper, so every process that a job leaves
behind becomes its child; at the end it kills exactly its own descendants. It ends on SIGTERM, when its
head dies, and, unless detached, when its parent closes the pipe by dying.

A pool's node that dies is replaced, as an autoscaler would. What is running is written to the state
file after every change.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import select
import shutil
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster import processes

log = logging.getLogger("cluster.keeper")

MAX_REPLACEMENTS = 20
"""Of pool nodes in a keeper's life; more means that something kills them on purpose or by design."""
_SET_CHILD_SUBREAPER = 36  # prctl(2)


@dataclass
class Keeper:
    """The nodes of one cluster."""

    plan: dict[str, Any]
    head: Any = None
    nodes: list[tuple[dict[str, Any], Any]] = field(default_factory=list)
    num_replaced: int = 0
    stopping: bool = False

    def start(self) -> None:
        """Start the head, then the pools' nodes, and write the state file."""
        from ray._private.node import Node
        from ray._private.parameter import RayParams
        from ray._private.utils import write_ray_address

        plan = self.plan
        self.head = Node(
            RayParams(
                node_ip_address=plan["node_ip"],
                gcs_server_port=plan["gcs_port"],
                num_cpus=0,
                num_gpus=0,
                labels=plan["head_labels"],
                object_store_memory=plan["object_store_bytes"],
                include_dashboard=True,
                dashboard_host=plan["host"],
                dashboard_port=plan["dashboard_port"],
                temp_dir=plan["temp_dir"],
                no_monitor=True,
                **_shared(log_monitor=True),
            ),
            head=True,
            shutdown_at_exit=False,
            spawn_reaper=True,
        )
        # Else a job's driver, where several clusters run, may be given another one's address.
        write_ray_address(self.head.gcs_address, plan["temp_dir"])
        for pool in plan["pools"]:
            self.add(pool)
        self.write_state()

    def add(self, pool: dict[str, Any]) -> None:
        """Start one node of a pool."""
        from ray._private.node import Node
        from ray._private.parameter import RayParams

        node = Node(
            RayParams(
                gcs_address=self.head.gcs_address,
                node_ip_address=self.plan["node_ip"],
                num_cpus=pool["cpus"],
                num_gpus=pool["gpus"],
                labels=pool["labels"],
                object_store_memory=self.plan["object_store_bytes"],
                **_shared(log_monitor=False),
            ),
            head=False,
            shutdown_at_exit=False,
            spawn_reaper=True,
        )
        self.nodes.append((pool, node))

    def watch(self, pipe: int | None) -> str:
        """Run until told to stop and return why: `parent`, `signal`, `head`."""
        while True:
            if pipe is None:
                time.sleep(1.0)
            elif select.select([pipe], [], [], 1.0)[0] and not os.read(pipe, 4096):
                return "parent"
            if self.stopping:
                return "signal"
            if self.head.dead_processes():
                return "head"
            self.replace_dead()
            processes.reap_adopted(self.own_pids())

    def replace_dead(self) -> None:
        """Start a node for every one that lost its raylet."""
        dead = [(pool, node) for pool, node in self.nodes if node.dead_processes()]
        for pool, node in dead:
            self.nodes.remove((pool, node))
            node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)
            if self.num_replaced >= MAX_REPLACEMENTS:
                log.error("pool %s lost a node; %d were replaced, no more are", pool["name"], 20)
                continue
            self.num_replaced += 1
            log.warning("pool %s lost node %s; starting another", pool["name"], node.node_id)
            self.add(pool)
        if dead:
            self.write_state()

    def own_pids(self) -> set[int]:
        """Return the pids whose exit Ray itself waits for."""
        every = [self.head, *(node for _, node in self.nodes)]
        return {
            info.process.pid
            for node in every
            if node is not None
            for infos in node.all_processes.values()
            for info in infos
        }

    def stop(self) -> None:
        """End every node, then whatever else descends from this process."""
        family = processes.descendants(os.getpid())
        for node in [*(node for _, node in self.nodes), self.head]:
            if node is not None:
                node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)
        family |= processes.descendants(os.getpid())
        processes.end(family, grace_s=self.plan["grace_s"])

    def write_state(self) -> None:
        """Write what is running, so that another process can use it or end it."""
        state = {
            "name": self.plan["name"],
            "pid": os.getpid(),
            "started": processes.start_time(os.getpid()),
            "address": f"http://{self.head.webui_url}",
            "gcs_address": self.head.gcs_address,
            "token_file": os.environ["RAY_AUTH_TOKEN_PATH"],
            "temp_dir": self.plan["temp_dir"],
            "session_dir": self.head.get_session_dir_path(),
            "nodes": [
                {
                    "pool": pool["name"],
                    "node_id": node.node_id,
                    "raylet_pid": node.all_processes["raylet"][0].process.pid,
                    "cpus": pool["cpus"],
                    "gpus": pool["gpus"],
                    "labels": pool["labels"],
                }
                for pool, node in self.nodes
            ],
        }
        path = Path(self.plan["state_file"])
        aside = path.with_name(path.name + ".part")
        aside.write_text(json.dumps(state, indent=1), encoding="utf-8")
        aside.replace(path)


def _shared(*, log_monitor: bool) -> dict[str, Any]:
    """Return what every node gets: ports that the system chooses; one log monitor is enough."""
    return {
        "min_worker_port": 0,
        "max_worker_port": 0,
        "dashboard_agent_listen_port": None,
        "include_log_monitor": log_monitor,
    }


def main(argv: list[str]) -> int:
    """Hold the cluster of the plan (a JSON file) until told to stop."""
    plan = json.loads(Path(argv[0]).read_text(encoding="utf-8"))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    keeper = Keeper(plan)

    def on_signal(number: int, frame: object) -> None:
        keeper.stopping = True

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reason = "failed"
    try:
        keeper.start()
        reason = keeper.watch(None if plan["detached"] else sys.stdin.fileno())
        log.info("stopping: %s", reason)
        return 1 if reason == "head" else 0
    finally:
        keeper.stop()
        Path(plan["state_file"]).unlink(missing_ok=True)
        if reason in {"parent", "signal"}:  # else the logs say what went wrong
            shutil.rmtree(plan["temp_dir"], ignore_errors=True)
            shutil.rmtree(Path(plan["state_file"]).parent, ignore_errors=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
