"""What Ray Serve adds to the engine's time to the first token.

    pytest tests/bench/test_serve_overhead_truth.py -m truth -s

A random model of 35 M parameters behind our job on real Ray Serve, and the same folder in an engine of
this process; both on one thread, asked in turn with prompts that neither has seen. The bar is 1.3 times
the engine's, for a prompt as an editor sends it; the milliseconds are shown for a short one too.
"""

import asyncio
import random
import socket
import statistics
import time
import warnings
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic.warnings import PydanticDeprecatedSince20

from gristmill.serving.exchange import Generation
from gristmill.serving.host import HostLimits, ModelHost
from tests.model_folder import sized_model
from tests.served_store import recipe_text, served_store

with warnings.catch_warnings():  # Ray Serve's own models, as it is imported
    warnings.simplefilter("ignore", PydanticDeprecatedSince20)
    import ray
    from ray import serve

    from jobs.serve import main

pytestmark = [
    pytest.mark.ray,
    pytest.mark.truth,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
TIMES = 12
SCALING = "max_replicas: 1, replica_cpus: 0.1, precision: fp32"
LIMITS = HostLimits(max_batch=4, max_queued=8, cache_tokens=8192, threads=1)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelHost]:
    made = ModelHost("bare", "completion", LIMITS)
    made.exchange(sized_model(tmp_path_factory.mktemp("bare"), "35m"), "bare@1")
    yield made
    made.close()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, ray_cluster: Any) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("overhead")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    served_store(folder / "store", port, size="35m")
    recipe = folder / "made.yaml"
    recipe.write_text(recipe_text(port, scaling=SCALING))
    assert main(["--recipe", str(recipe), "--store", str(folder / "store")]) == 0
    yield f"http://127.0.0.1:{port}"
    serve.shutdown()
    ray.shutdown()


def _text(number: int, length: int) -> str:
    return "".join(random.Random(number).choices("abcdefghij \n", k=length))


async def _bare_s(host: ModelHost, prompt: str) -> float:
    asked = Generation(prompts=(prompt,), max_tokens=4, temperature=0.0)
    began_s = time.perf_counter()
    async with aclosing(host.answer(asked)) as pieces:
        async for _ in pieces:
            return time.perf_counter() - began_s
    raise AssertionError("no piece came")


def _served_s(client: httpx.Client, prompt: str) -> float:
    asked = {"prompt": prompt, "max_tokens": 4, "temperature": 0, "stream": True}
    began_s = time.perf_counter()
    with client.stream("POST", "/v1/completions", json=asked) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                return time.perf_counter() - began_s
    raise AssertionError("no event came")


def test_the_first_token_through_serve(host: ModelHost, url: str) -> None:
    ratios: dict[int, float] = {}
    with httpx.Client(base_url=url, timeout=60) as client, asyncio.Runner() as runner:
        for length in (16, 1200):
            pairs: list[tuple[float, float]] = []
            for number in range(TIMES + 2):
                prompt = _text(10 * length + number, length)
                pairs.append((runner.run(_bare_s(host, prompt)), _served_s(client, prompt)))
                time.sleep(0.05)
            bare_s, served_s = (statistics.median(times) for times in zip(*pairs[2:], strict=True))
            ratios[length] = served_s / bare_s
            print(
                f"{length:5} characters: bare engine {1000 * bare_s:6.1f} ms, through Serve "
                f"{1000 * served_s:6.1f} ms, {1000 * (served_s - bare_s):5.1f} ms more, "
                f"{ratios[length]:.2f} times"
            )
    assert ratios[1200] <= 1.3
