"""The endpoint on real Ray Serve: protocols, streams, leaving, promotion, and a port that is taken."""

import json
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from pydantic.warnings import PydanticDeprecatedSince20

from gristmill.artifacts import Store
from gristmill.tags import promote
from tests.served_store import recipe_text, served_store

with warnings.catch_warnings():  # Ray Serve's own models, as it is imported
    warnings.simplefilter("ignore", PydanticDeprecatedSince20)
    import ray
    from ray import serve

    from jobs.serve import APPLICATION, main

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@dataclass(frozen=True)
class Endpoint:
    url: str
    store: Store
    recipe: Path


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory, ray_cluster: Any) -> Iterator[Endpoint]:
    folder = tmp_path_factory.mktemp("endpoint")
    port = _free_port()
    store, _, _ = served_store(folder / "store", port)
    recipe = folder / "made.yaml"
    recipe.write_text(recipe_text(port))
    assert main(["--recipe", str(recipe), "--store", str(folder / "store")]) == 0
    yield Endpoint(f"http://127.0.0.1:{port}", store, recipe)
    serve.shutdown()
    ray.shutdown()


@pytest.fixture(scope="module")
def client(endpoint: Endpoint) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{endpoint.url}/v1", api_key="none", max_retries=0) as made:
        yield made


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _until(condition: Callable[[], bool], seconds: float = 20) -> bool:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.1)
    return condition()


def _held_blocks() -> int:
    handle = serve.get_deployment_handle("completion", APPLICATION)
    return int(handle.num_held_blocks.remote().result())


def test_the_models_answer_in_openai_s_form(client, endpoint):
    models = {model.id: model.model_dump() for model in client.models.list()}
    assert {name: model["kind"] for name, model in models.items()} == {
        "made-pretrain": "completion",
        "made-finetune": "chat",
    }
    assert models["made-pretrain"]["lineage"]["repositories"] == 1
    asked = {"prompt": "def add(a, b):", "suffix": "\n", "max_tokens": 12, "temperature": 0}
    whole = client.completions.create(model="made-pretrain", **asked)
    pieces = client.completions.create(model="made-pretrain", **asked, stream=True)
    assert "".join(piece.choices[0].text for piece in pieces) == whole.choices[0].text
    said = client.chat.completions.create(
        model="made-finetune", messages=[{"role": "user", "content": "hi"}], max_tokens=4
    )
    assert said.choices[0].message.role == "assistant"


def test_a_refusal_keeps_its_status_through_ray(client):
    for asked, kind in [
        ({"model": "none"}, openai.NotFoundError),
        ({"prompt": "x" * 5000}, openai.BadRequestError),
        ({"prompt": "x" * 5000, "stream": True}, openai.BadRequestError),
    ]:
        with pytest.raises(kind):
            client.completions.create(**{"model": "made-pretrain", "prompt": "x", **asked})


@pytest.mark.parametrize("stream", [True, False])
def test_leaving_frees_the_engine(client, stream):
    asked: dict[str, Any] = {
        "model": "made-pretrain",
        "prompt": "def",
        "max_tokens": 500,
        "n": 12,
    }
    asked["extra_body"] = {"ignore_eos": True}
    if stream:
        answer = client.completions.create(**asked, stream=True)
        next(iter(answer))
        assert _held_blocks() > 0
        answer.close()
    else:
        with pytest.raises(openai.APITimeoutError):
            client.completions.create(**asked, timeout=0.2)
    assert _until(lambda: _held_blocks() == 0, 30)


def test_lineage_ends_at_repositories(endpoint):
    lineage = httpx.get(f"{endpoint.url}/lineage").json()
    assert [source["repository"] for source in lineage["repositories"]] == ["idna"]
    assert [artifact["stage"] for artifact in lineage["artifacts"]][-1] == "corpus"


def test_a_promoted_version_answers_without_a_dropped_request(client, endpoint):
    def label() -> str:
        return str(client.models.retrieve("made-pretrain").model_dump()["artifact"])

    before = label()
    port = int(endpoint.url.rsplit(":", 1)[1])
    store, _, steps = served_store(Path(endpoint.store.storage.root), port, seed=2)
    other = store.find(steps["pretrain"].fingerprint)
    assert other is not None
    assert other.label != before
    running = client.completions.create(
        model="made-pretrain", prompt="def", max_tokens=400, stream=True, temperature=1, seed=4
    )
    promote(store, other.label, "test")
    assert list(running)[-1].choices[0].finish_reason is not None
    assert _until(lambda: label() == other.label)
    promote(store, before, "test")
    assert _until(lambda: label() == before)


def test_serving_again_replaces_and_says_where(endpoint, capfd):
    assert main(["--recipe", str(endpoint.recipe), "--store", endpoint.store.storage.url]) == 0
    line = next(
        line for line in capfd.readouterr().out.splitlines() if line.startswith("@endpoint ")
    )
    assert json.loads(line.removeprefix("@endpoint "))["address"] == endpoint.url
    assert httpx.get(f"{endpoint.url}/health").is_success


def test_a_taken_port_is_said_in_one_sentence(endpoint, tmp_path, capfd):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        recipe = tmp_path / "taken.yaml"
        recipe.write_text(recipe_text(port))
        assert main(["--recipe", str(recipe), "--store", endpoint.store.storage.url]) == 1
    assert f"port {port} on 127.0.0.1 is taken" in capfd.readouterr().err
    assert httpx.get(f"{endpoint.url}/health").is_success  # what answers goes on


def test_metrics_are_of_all_replicas_and_what_is_not_made_is_refused(endpoint):
    with httpx.Client(base_url=endpoint.url, timeout=60) as client:
        asked = {"prompt": "def add(a, b):", "suffix": "\n", "max_tokens": 4, "code_rules": True}
        assert client.post("/v1/completions", json=asked).status_code == 200
        text = client.get("/metrics").text
        for model in ("made-pretrain", "made-finetune"):
            assert f'vllm:num_requests_running{{model_name="{model}"}} ' in text
        assert 'vllm:generation_tokens_total{model_name="made-pretrain"}' in text
        assert client.get("/v1/repositories").json() == {"repositories": []}
        refused = client.post("/v1/completions", json={**asked, "repository": "shop"})
        assert refused.json()["error"]["code"] == "unknown_repository"
