"""Replicas come when tokens wait and go without load, down to none and back; a file stays with its replica.

pytest tests/bench/test_scaling_truth.py -m truth -s
"""

import random
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from pydantic.warnings import PydanticDeprecatedSince20

from tests.served_store import recipe_text, served_store

with warnings.catch_warnings():  # Ray Serve's own models, as it is imported
    warnings.simplefilter("ignore", PydanticDeprecatedSince20)
    import ray
    from ray import serve

    from jobs.serve import APPLICATION, main

pytestmark = [
    pytest.mark.ray,
    pytest.mark.truth,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
SCALING = """min_replicas: 0, max_replicas: 2, target_ongoing: 1000.0, upscale_delay_s: 1.0,
  downscale_delay_s: 3.0, replica_cpus: 0.1, target_queued_tokens: 64, metrics_window_s: 11"""
"""So many requests that only the tokens that wait can be the reason."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, ray_cluster: Any) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("scaling")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    served_store(folder / "store", port)
    recipe = folder / "made.yaml"
    recipe.write_text(recipe_text(port, scaling=SCALING))
    assert main(["--recipe", str(recipe), "--store", str(folder / "store")]) == 0
    yield f"http://127.0.0.1:{port}"
    serve.shutdown()
    ray.shutdown()


def _running() -> int:
    deployment = serve.status().applications[APPLICATION].deployments["completion"]
    return deployment.replica_states.get("RUNNING", 0)


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not (seen := condition()) and time.monotonic() < until:
        time.sleep(0.3)
    return seen


def _ask(url: str, tokens: int, prompt: str = "def", **more: Any) -> dict[str, Any]:
    asked = {"model": "made-pretrain", "prompt": prompt, "max_tokens": tokens, "temperature": 1}
    answer = httpx.post(f"{url}/v1/completions", json={**asked, **more}, timeout=120)
    return {**answer.json(), "status": answer.status_code}


def _words(number: int) -> str:
    return "".join(random.Random(number).choices("abcdefgh ", k=300))


def test_load_brings_a_second_replica_and_quiet_ends_all(url: str) -> None:
    done, statuses = threading.Event(), []

    def keep_asking() -> None:
        while not done.is_set():
            statuses.append(_ask(url, 100, _words(len(statuses)))["status"])

    askers = [threading.Thread(target=keep_asking) for _ in range(8)]
    for asker in askers:
        asker.start()
    began_s = time.monotonic()
    try:
        assert _until(lambda: _running() == 2, 300)
        print(f"a second replica after {time.monotonic() - began_s:.0f} s of tokens that wait")
        time.sleep(3)  # until the front knows it
        _one_file_stays_with_one_replica(url)
    finally:
        done.set()
        for asker in askers:
            asker.join()
    assert set(statuses) == {200}
    assert _until(lambda: _running() == 0, 300)
    time.sleep(3)
    assert httpx.get(f"{url}/metrics").status_code == 200  # nobody has to be there for that
    assert httpx.get(f"{url}/v1/models").status_code == 200
    time.sleep(3)
    assert _running() == 0
    assert _ask(url, 4)["status"] == 200  # the first request after that brings one back
    assert _running() >= 1


def _one_file_stays_with_one_replica(url: str) -> None:
    cached = []
    for number in range(12):
        asked = {"file_path": f"file{number}.py", "suffix": "\n", "user": "me"}
        for end in ("", "x"):  # typed on: all but the end is known where it was asked before
            found = _ask(url, 2, _words(1000 + number) + end, anchor=True, **asked)
        cached.append(found["usage"]["prompt_tokens_details"]["cached_tokens"])
    print("prompt tokens known to the replica of the file:", cached)
    assert sum(tokens > 0 for tokens in cached) >= 10  # by chance it would be 6
