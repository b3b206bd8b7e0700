"""The definition cut to this machine: a real multi-node Ray on the loopback address.

Rule of the cut: a head with 0 CPUs and one node a pool; a pool has `local.cpus_per_core` logical CPUs
for each core (at least 2) and the GPUs that are really here, up to the definition's. The pools share
the cores, since stages take turns. Token authentication is on, with a token of the cluster's own.

`start()` gives a cluster that ends with the process that started it, killed or not; `detached` leaves
it running, found again by its state file and ended by exactly the pids that belong to it. Several
clusters on one machine do not see each other. Ray's own processes are held by `cluster.keeper`.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster import dashboards, processes
from cluster import definition as definitions
from cluster.definition import ClusterDefinition
from gristmill.errors import ClusterError

ROOT = Path(__file__).parent.parent
DASHBOARD_PORT = 8265
START_TIMEOUT_S = 180.0
GRACE_S = 1.5
"""Between SIGTERM and SIGKILL for what jobs left behind."""
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}
"""Without the first, Ray on Linux turns 127.0.0.1 into the machine's outer address wherever it meets it,
listens there, and then does not find a cluster that is on the loopback only. Read when ray is imported."""
_LONGEST_TEMP_DIR = 40
"""A unix socket's path holds 107 bytes; Ray's part of it takes 62."""


@dataclass
class LocalCluster:
    """A running local cluster; a context manager that ends it."""

    folder: Path
    """Its state: `state.json`, `token`, `keeper.log`, `metrics/`."""
    state: dict[str, Any]
    process: subprocess.Popen[bytes] | None = None
    """The keeper, when this process started it attached."""

    @classmethod
    def start(
        cls,
        definition: ClusterDefinition | None = None,
        *,
        state: Path | None = None,
        host: str = "127.0.0.1",
        port: int | None = None,
        token: str | None = None,
        detached: bool = False,
    ) -> LocalCluster:
        """Start a cluster and return when it takes jobs.

        `state` is the folder above its own (default `.gristmill/` here); `port` is the job API's, a
        free one unless given; `token` is a new one unless given. Raises ClusterError when memory or the port is missing, when a detached
        cluster is running already, or when Ray does not start.
        """
        definition = definition or definitions.load()
        _check_version(definition)
        _check_memory(definition.local.memory_gib)
        root = (state or default_state()).absolute()
        name = "cluster" if detached else f"cluster-{os.getpid()}-{secrets.token_hex(3)}"
        folder = root / name
        if detached and (running := cls.find(root)) is not None:
            raise ClusterError(
                f"a cluster is already running at {running.address} (pid {running.state['pid']}); "
                "use it with --on local, or end it: gristmill cluster down"
            )
        shutil.rmtree(folder, ignore_errors=True)
        _make_folder(folder, token or secrets.token_hex(32))
        for attempt in (1, 2):  # a port found free may be taken by another before Ray binds it
            plan = _plan(definition, folder, host, port, preferred=attempt == 1, detached=detached)
            process = _spawn_keeper(plan, folder)
            try:
                found = _wait(process, folder)
            except BaseException:
                _end_keeper(process)
                raise
            if found is not None:
                dashboards.write(folder / "metrics")
                if detached:
                    process.returncode = 0  # nobody's to wait for: it outlives this process
                return cls(folder, found, None if detached else process)
            _remove(plan["temp_dir"])
        raise ClusterError(
            f"the local cluster did not start; the end of {folder / 'keeper.log'}:\n"
            + _tail(folder / "keeper.log")
        )

    @classmethod
    def find(cls, state: Path | None = None) -> LocalCluster | None:
        """Return the detached cluster that is running from this state folder, or None."""
        folder = (state or default_state()).absolute() / "cluster"
        found = _read_state(folder)
        if found is None or processes.start_time(found["pid"]) != found["started"]:
            return None
        return cls(folder, found)

    @property
    def address(self) -> str:
        """The job API's and dashboard's address, `http://127.0.0.1:PORT`."""
        return str(self.state["address"])

    @property
    def gcs_address(self) -> str:
        """What a driver's `ray.init()` connects to, `127.0.0.1:PORT`."""
        return str(self.state["gcs_address"])

    @property
    def env(self) -> dict[str, str]:
        """What the environment of a client or a driver must hold."""
        return {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self.state["token_file"]),
            "RAY_ADDRESS": self.gcs_address,
            "RAY_API_SERVER_ADDRESS": self.address,
            **LOOPBACK,
        }

    @property
    def nodes(self) -> list[dict[str, Any]]:
        """The pools' nodes as they are now: pool, node_id, raylet_pid, cpus, gpus, labels."""
        state = _read_state(self.folder)
        return list((state or self.state)["nodes"])

    @property
    def metrics(self) -> Path:
        """The folder with Prometheus's targets and Grafana's dashboards (`cluster/dashboards.py`)."""
        return self.folder / "metrics"

    @property
    def num_gpus(self) -> int:
        """GPUs of the train pool."""
        return sum(node["gpus"] for node in self.nodes if node["pool"] == "train")

    def memory_mib(self) -> float:
        """Return the proportional set size of every process of the cluster together."""
        pid = self.state["pid"]
        return processes.memory_mib({pid, *processes.descendants(pid)})

    def close(self) -> None:
        """End the cluster: every process, every port, its temporary files. Safe to call twice."""
        pid, started = self.state["pid"], self.state["started"]
        if self.process is not None:
            _end_keeper(self.process)
        elif processes.start_time(pid) == started:
            family = {pid, *processes.descendants(pid)}
            os.kill(pid, signal.SIGTERM)
            until = time.monotonic() + GRACE_S + 20.0
            while processes.start_time(pid) == started and time.monotonic() < until:
                time.sleep(0.05)
            if processes.start_time(pid) == started:
                processes.end(family, grace_s=0.0)
        _remove(self.state["temp_dir"])
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> LocalCluster:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def default_state() -> Path:
    """Return the folder that clusters keep their state in: `GRISTMILL_STATE`, else `.gristmill/`."""
    return Path(os.environ.get("GRISTMILL_STATE") or ".gristmill")


def cores() -> int:
    """Return how many cores this process may use, by affinity and control group."""
    num = len(os.sched_getaffinity(0))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return num
    return num if quota == "max" else max(1, min(num, -(-int(quota) // int(period))))


def gpus() -> int:
    """Return how many NVIDIA GPUs this machine shows to the process."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return len([part for part in chosen.split(",") if part.strip() not in {"", "-1"}])
    return len(list(Path("/dev").glob("nvidia[0-9]*")))


def local_pools(
    definition: ClusterDefinition, num_cores: int, num_gpus: int
) -> list[dict[str, Any]]:
    """Return one node a pool, cut to a machine of `num_cores` and `num_gpus`."""
    nodes = []
    for name, pool in definition.pools.items():
        here = min(pool.gpus, num_gpus)
        labels = definition.labels(name)
        if pool.accelerator and not here:
            del labels[definitions.ACCELERATOR_LABEL]
        cpus = max(2, round(num_cores * pool.local.cpus_per_core))
        nodes.append({"name": name, "cpus": cpus, "gpus": here, "labels": labels})
    return nodes


def train_slots(definition: ClusterDefinition, *, local: bool) -> int:
    """Return how many workers the train pool takes when all of it is there, here or on a cluster."""
    pool = definition.pools["train"]
    if local:
        node = next(n for n in local_pools(definition, cores(), gpus()) if n["name"] == "train")
        return int(node["gpus"] or node["cpus"])
    return max(1, pool.max_workers) * (pool.gpus or pool.cpus)


def _plan(
    definition: ClusterDefinition,
    folder: Path,
    host: str,
    port: int | None,
    *,
    preferred: bool,
    detached: bool,
) -> dict[str, Any]:
    """Return the keeper's orders. Raises ClusterError when the asked port is taken."""
    if port is not None and not _is_free(host, port):
        raise ClusterError(
            f"port {port} on {host} is taken; choose another, or leave it out to get a free one"
        )
    if port is None:
        wanted = preferred and _is_free(host, DASHBOARD_PORT)
        port = DASHBOARD_PORT if wanted else _free_port(host)
    temp_dir = tempfile.mkdtemp(prefix="gm-")
    if len(temp_dir) > _LONGEST_TEMP_DIR:
        _remove(temp_dir)
        temp_dir = tempfile.mkdtemp(prefix="gm-", dir="/tmp")
    return {
        "name": definition.name,
        "node_ip": "127.0.0.1",
        "host": host,
        "gcs_port": _free_port("127.0.0.1"),
        "dashboard_port": port,
        "head_labels": {definitions.POOL_LABEL: "head"},
        "object_store_bytes": definition.local.object_store_mib * 2**20,
        "temp_dir": temp_dir,
        "state_file": str(folder / "state.json"),
        "grace_s": GRACE_S,
        "detached": detached,
        "pools": local_pools(definition, cores(), gpus()),
    }


def _spawn_keeper(plan: dict[str, Any], folder: Path) -> subprocess.Popen[bytes]:
    plan_file = folder / "plan.json"
    plan_file.write_text(json.dumps(plan, indent=1), encoding="utf-8")
    env = {key: value for key, value in os.environ.items() if not _is_foreign(key)}
    env |= {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", "")]),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(folder / "token"),
        "RAY_METRICS_OUTPUT_ROOT": str(folder / "metrics"),
        **LOOPBACK,
        # Idle workers made ahead of time cost memory on a laptop and save nothing there.
        "RAY_enable_worker_prestart": "0",
        "RAY_prestart_worker_first_driver": "0",
    }
    with (folder / "keeper.log").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "cluster.keeper", str(plan_file)],
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL if plan["detached"] else subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _is_foreign(key: str) -> bool:
    return key in {
        "RAY_ADDRESS",
        "RAY_API_SERVER_ADDRESS",
        "RAY_REDIS_ADDRESS",
        "RAY_AUTH_TOKEN",
    } or (key.startswith(("RAY_JOB_", "RAY_OVERRIDE_")))


def _wait(process: subprocess.Popen[bytes], folder: Path) -> dict[str, Any] | None:
    """Return the state once the keeper has written it, None when the keeper died first."""
    until = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until:
        state = _read_state(folder)
        if state is not None and state["pid"] == process.pid:
            return state
        if process.poll() is not None:
            return None
        time.sleep(0.05)
    raise ClusterError(
        f"the local cluster was not up after {START_TIMEOUT_S:.0f} s; the end of "
        f"{folder / 'keeper.log'}:\n{_tail(folder / 'keeper.log')}"
    )


def _end_keeper(process: subprocess.Popen[bytes]) -> None:
    """Close the keeper's pipe (a detached one has none: SIGTERM) and wait until it has ended all."""
    family = {process.pid, *processes.descendants(process.pid)}
    if process.stdin is not None:
        process.stdin.close()
    else:
        process.terminate()
    try:
        process.wait(timeout=GRACE_S + 20.0)
    except subprocess.TimeoutExpired:
        processes.end(family, grace_s=0.0)
        process.wait(timeout=10.0)


def _make_folder(folder: Path, token: str) -> None:
    try:
        folder.mkdir(parents=True)
        file = folder / "token"
        file.touch(mode=0o600)
        file.write_text(token, encoding="ascii")
    except OSError as error:
        raise ClusterError(f"cluster state {folder} cannot be written: {error.strerror}") from error


def _read_state(folder: Path) -> dict[str, Any] | None:
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return None
    return state if isinstance(state, dict) else None


def _check_version(definition: ClusterDefinition) -> None:
    from importlib.metadata import version

    if version("ray") != definition.ray:
        raise ClusterError(
            f"cluster {definition.name} is defined for ray {definition.ray}, installed is "
            f"{version('ray')}; install that version or change `ray` in the definition"
        )


def _check_memory(wanted_gib: float) -> None:
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            free_gib = int(line.split()[1]) / 2**20
            if free_gib < wanted_gib:
                raise ClusterError(
                    f"{free_gib:.1f} GiB of memory are free, a local cluster wants {wanted_gib:g}; "
                    "end other programs, or lower local.memory_gib in the definition"
                )


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _free_port(host: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _remove(folder: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _tail(path: Path, lines: int = 15) -> str:
    try:
        return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except OSError:
        return "(no log)"
