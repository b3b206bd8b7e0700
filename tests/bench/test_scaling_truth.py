"""Replicas come under load and go without it, down to none and back, on real Ray Serve.

pytest tests/bench/test_scaling_truth.py -m truth
"""

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
SCALING = """min_replicas: 0, max_replicas: 2, target_ongoing: 2.0, upscale_delay_s: 1.0,
  downscale_delay_s: 3.0, replica_cpus: 0.1"""


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


def _ask(url: str, tokens: int) -> int:
    asked = {"model": "made-pretrain", "prompt": "def", "max_tokens": tokens, "temperature": 1}
    return httpx.post(f"{url}/v1/completions", json=asked, timeout=120).status_code


def test_load_brings_a_second_replica_and_quiet_ends_all(url: str) -> None:
    done, statuses = threading.Event(), []

    def keep_asking() -> None:
        while not done.is_set():
            statuses.append(_ask(url, 400))

    askers = [threading.Thread(target=keep_asking) for _ in range(8)]
    for asker in askers:
        asker.start()
    try:
        assert _until(lambda: _running() == 2, 300)
    finally:
        done.set()
        for asker in askers:
            asker.join()
    assert set(statuses) == {200}
    assert _until(lambda: _running() == 0, 300)
    assert _ask(url, 4) == 200  # the first request after that brings one back
    assert _running() >= 1
