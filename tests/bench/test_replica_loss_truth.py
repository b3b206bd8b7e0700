"""A replica is killed while it writes: others go on, its streams end with an error, traffic recovers.

An upgrade with streams open drops none of them.

    pytest tests/bench/test_replica_loss_truth.py -m truth -s

On real Ray Serve with two replicas of a random model of 35 M parameters, which writes for some seconds.
"""

import json
import socket
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic.warnings import PydanticDeprecatedSince20

from gristmill.tags import promote
from tests.served_store import recipe_text, served_store

with warnings.catch_warnings():  # Ray Serve's own models, as it is imported
    warnings.simplefilter("ignore", PydanticDeprecatedSince20)
    import ray
    from ray import serve
    from ray.serve.context import _get_global_client

    from jobs.serve import APPLICATION, main

pytestmark = [
    pytest.mark.ray,
    pytest.mark.truth,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
SCALING = "min_replicas: 2, max_replicas: 2, replica_cpus: 0.1"
MOST_S = 30.0
LONG = {"temperature": 1, "seed": 3, "ignore_eos": True, "stream": True}
PATHS: dict[str, dict[str, Any]] = {
    "/v1/completions": {"prompt": "def f():", "max_tokens": 400, **LONG},
    "/infill": {"input_prefix": "def f():", "input_suffix": "\n", "n_predict": 400, **LONG,
                "code_rules": False},
    "/v1/fim/completions": {"prompt": "def f():", "suffix": "\n", "max_tokens": 400,
                            "min_tokens": 400, "temperature": 1, "stream": True,
                            "code_rules": False},
}  # fmt: skip


@dataclass
class Stream:
    """What came of one stream."""

    path: str
    num_events: int = 0
    last: dict[str, Any] = field(default_factory=dict)
    done: bool = False

    @property
    def lost(self) -> bool:
        """Say whether it ended with an error."""
        return "error" in self.last or self.last.get("object") == "error"

    def start(self, url: str, file_path: str) -> None:
        """Read it in a thread of its own."""
        self._thread = threading.Thread(target=self._read, args=(url, file_path))
        self._thread.start()

    def join(self) -> None:
        """Wait for its end."""
        self._thread.join(timeout=120)

    def _read(self, url: str, file_path: str) -> None:
        asked = {**PATHS[self.path], "file_path": file_path}
        with httpx.stream("POST", url + self.path, json=asked, timeout=120) as answer:
            assert answer.status_code == 200, answer.read()
            for line in answer.iter_lines():
                if line.startswith("data: {"):
                    self.num_events += 1
                    self.last = json.loads(line[6:])
        self.done = True


@dataclass(frozen=True)
class Endpoint:
    """Where it answers, and how to serve it again."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def serve(self, scaling: str) -> int:
        """Run the job; return its exit code."""
        recipe = self.folder / "made.yaml"
        recipe.write_text(recipe_text(self.port, scaling=scaling))
        return main(["--recipe", str(recipe), "--store", str(self.folder / "store")])


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory, ray_cluster: Any) -> Iterator[Endpoint]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    made = Endpoint(tmp_path_factory.mktemp("loss"), port)
    served_store(made.folder / "store", port, size="35m")
    assert made.serve(SCALING) == 0
    yield made
    serve.shutdown()
    ray.shutdown()


@pytest.fixture(scope="module")
def url(endpoint: Endpoint) -> str:
    return endpoint.url


class Asker:
    """Asks for something short again and again, each time for another file, until it is left."""

    def __init__(self, url: str) -> None:
        self.asked: list[tuple[float, int, float]] = []
        """When it was asked, the status, the seconds it took."""
        self._url = url
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Asker":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._over.is_set():
            number += 1
            began_s = time.monotonic()
            body = {"prompt": "def", "max_tokens": 2, "file_path": f"other{number}.py"}
            status = httpx.post(f"{self._url}/v1/completions", json=body, timeout=60).status_code
            self.asked.append((began_s, status, time.monotonic() - began_s))
            time.sleep(0.05)


def _replicas() -> list[Any]:
    """Return the actors of the completion model's replicas."""
    controller: Any = _get_global_client()._controller
    found = ray.get(controller._all_running_replicas.remote())
    return [
        replica.get_actor_handle()
        for deployment, replicas in found.items()
        if deployment.name == "completion" and deployment.app_name == APPLICATION
        for replica in replicas
    ]


def _until_replicas(number: int) -> float:
    """Wait until so many run; return the seconds it took."""
    began_s = time.monotonic()
    while time.monotonic() - began_s < 4 * MOST_S:
        states = serve.status().applications[APPLICATION].deployments["completion"]
        if states.replica_states == {"RUNNING": number}:
            return time.monotonic() - began_s
        time.sleep(0.2)
    raise AssertionError(f"{states.replica_states}, {number} running were wanted")


def _streaming(url: str) -> list[Stream]:
    """Start streams of every protocol and return them when most of them are being written."""
    streams = [Stream(path) for path in PATHS for _ in range(2)]
    for number, stream in enumerate(streams):
        stream.start(url, f"file{number}.py")
    until = time.monotonic() + MOST_S
    while sum(stream.num_events > 2 for stream in streams) < 4 and time.monotonic() < until:
        time.sleep(0.01)
    assert not any(stream.done for stream in streams), "too short to be met in mid-stream"
    return streams


def test_a_lost_replica_costs_its_own_streams_and_nothing_else(url: str) -> None:
    _until_replicas(2)
    time.sleep(2)  # until the front knows both
    with Asker(url) as asker:
        streams = _streaming(url)
        ray.kill(_replicas()[0])
        killed_s = time.monotonic()
        for stream in streams:
            stream.join()
        _until_replicas(2)
        recovered_s = time.monotonic() - killed_s
    lost = [stream for stream in streams if stream.lost]
    after = [(status, took_s) for began_s, status, took_s in asker.asked if began_s > killed_s]
    print(
        f"{len(lost)} of {len(streams)} streams lost; {len(after)} requests afterwards, "
        f"{sum(status != 200 for status, _ in after)} failed, the slowest "
        f"{max(took_s for _, took_s in after):.1f} s; both replicas again within "
        f"{recovered_s:.1f} s"
    )
    assert all(stream.done for stream in streams)
    assert 0 < len(lost) < len(streams)
    for stream in streams:
        if not stream.lost:
            assert _is_whole(stream), stream
        elif stream.path == "/infill":
            assert stream.last["error"]["code"] == 503, stream.last
        elif stream.path == "/v1/completions":
            assert stream.last["error"]["code"] == "replica_lost", stream.last
        else:
            assert stream.last["code"] == "replica_lost", stream.last
    assert {status for _, status, _ in asker.asked} == {200}
    assert recovered_s < MOST_S


def _is_whole(stream: Stream) -> bool:
    if stream.path == "/infill":
        return stream.last["stop"] is True
    return stream.last["choices"][0]["finish_reason"] is not None


def test_traffic_waits_for_a_replica_when_all_are_lost(url: str) -> None:
    _until_replicas(2)
    for replica in _replicas():
        ray.kill(replica)
    began_s = time.monotonic()
    body = {"prompt": "def", "max_tokens": 2}
    status = httpx.post(f"{url}/v1/completions", json=body, timeout=120).status_code
    waited_s = time.monotonic() - began_s
    print(f"all replicas lost: the next answer came after {waited_s:.1f} s")
    assert status == 200
    assert waited_s < MOST_S


def test_an_upgrade_drops_no_stream_and_no_request(endpoint: Endpoint) -> None:
    _until_replicas(2)
    time.sleep(2)
    with Asker(endpoint.url) as asker:
        streams = _streaming(endpoint.url)
        began_s = time.monotonic()
        assert endpoint.serve(SCALING + ", max_new_tokens: 600") == 0
        took_s = time.monotonic() - began_s
        for stream in streams:
            stream.join()
    statuses = [status for _, status, _ in asker.asked]
    print(
        f"another version was served after {took_s:.1f} s: {len(statuses)} requests meanwhile, "
        f"{sum(status != 200 for status in statuses)} failed; of {len(streams)} open streams "
        f"{sum(stream.lost for stream in streams)} were lost"
    )
    assert all(stream.done and not stream.lost and _is_whole(stream) for stream in streams)
    assert set(statuses) == {200}


def test_promoted_weights_come_under_load_without_a_dropped_request(endpoint: Endpoint) -> None:
    _until_replicas(2)

    def label() -> str:
        models = httpx.get(f"{endpoint.url}/v1/models", timeout=30).json()["data"]
        return str(next(m["artifact"] for m in models if m["id"] == "made-pretrain"))

    before = label()
    store, _, steps = served_store(endpoint.folder / "store", endpoint.port, 2, "35m")
    other = store.find(steps["pretrain"].fingerprint)
    assert other is not None and other.label != before
    with Asker(endpoint.url) as asker:
        streams = _streaming(endpoint.url)
        began_s = time.monotonic()
        promote(store, other.label, "test")
        while label() != other.label and time.monotonic() - began_s < MOST_S:
            time.sleep(0.1)
        took_s = time.monotonic() - began_s
        for stream in streams:
            stream.join()
        time.sleep(1)
    statuses = [status for _, status, _ in asker.asked]
    print(f"other weights after {took_s:.1f} s; {len(statuses)} requests meanwhile, none failed")
    assert label() == other.label
    assert all(stream.done and not stream.lost and _is_whole(stream) for stream in streams)
    assert set(statuses) == {200}
