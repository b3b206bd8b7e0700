import json
from collections.abc import Iterator

import httpx
import pytest

from tests.served_app import Served, served

PREFIX, SUFFIX = "def add(a, b):\n    return ", "\n\nadd(1, 2)\n"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("editors")) as running:
        yield running


@pytest.fixture(scope="module")
def client(endpoint: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=endpoint.url, timeout=60) as made:
        yield made


@pytest.fixture(scope="module")
def wanted(client: httpx.Client) -> str:
    asked = {"prompt": PREFIX, "suffix": SUFFIX, "max_tokens": 8, "temperature": 0}
    text: str = client.post("/beta/completions", json=asked).json()["choices"][0]["text"]
    return text


def test_codestral_asks_like_a_completion_and_reads_a_chat(
    client: httpx.Client, wanted: str
) -> None:
    asked = {"model": "tiny", "prompt": PREFIX, "suffix": SUFFIX, "max_tokens": 8, "temperature": 0}
    whole = client.post("/v1/fim/completions", json=asked).json()
    assert whole["object"] == "chat.completion"
    assert whole["choices"][0]["message"]["content"] == wanted
    assert whole["usage"]["completion_tokens"] == 8
    streamed = client.post("/v1/fim/completions", json={**asked, "stream": True}).text
    frames = [line[6:] for line in streamed.splitlines() if line]
    assert frames.pop() == "[DONE]"
    chunks = [json.loads(frame) for frame in frames]
    said = [chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks]
    assert "".join(said) == wanted
    assert chunks[-1]["usage"]["completion_tokens"] == 8
    assert not [chunk for chunk in chunks[:-1] if "usage" in chunk]


def test_codestral_refuses_by_name(client: httpx.Client) -> None:
    answer = client.post("/v1/fim/completions", json={"prompt": "x", "n": 5})
    said = answer.json()
    assert answer.status_code == 400 and said["object"] == "error"
    assert "'n'" in said["message"] and said["param"] == "n"


def test_tabby_s_segments_on_openai_s_path(client: httpx.Client) -> None:
    segments = {"prefix": PREFIX, "suffix": SUFFIX, "filepath": "a.py"}
    asked = {"language": "python", "segments": segments, "temperature": 0, "user": "ann"}
    found = client.post("/v1/completions", json=asked).json()
    assert found["id"].startswith("cmpl-") and found["mode"] == "standard"
    plain = {"prompt": PREFIX, "suffix": SUFFIX, "file_path": "a.py", "temperature": 0}
    text = client.post("/v1/completions", json=plain).json()["choices"][0]["text"]
    assert found["choices"][0]["text"] == text
    segments["declarations"] = [{"filepath": "b.py", "body": "def sub(): ..."}]
    with_more = client.post("/v1/completions", json=asked).json()
    assert with_more["usage"]["prompt_tokens"] > found["usage"]["prompt_tokens"]
    empty = {"segments": {"prefix": PREFIX, "suffix": ""}, "temperature": 0}
    assert client.post("/v1/completions", json=empty).status_code == 200
    edit = client.post("/v1/completions", json={**asked, "mode": "next_edit_suggestion"})
    assert edit.status_code == 400


def test_tabby_s_clients_find_what_they_ask_for_first(client: httpx.Client) -> None:
    for answer in (client.get("/v1/health"), client.post("/v1/health")):
        assert answer.json()["version"]["git_describe"].startswith("gristmill-")
    setting = client.get("/v1beta/server_setting").json()
    assert setting == {"disable_client_side_telemetry": True}
    event = {"type": "select", "completion_id": "cmpl-1", "choice_index": 0, "elapsed": 7}
    assert client.post("/v1/events", json=event).status_code == 200
    assert client.post("/v1/events", json={"type": "select"}).status_code == 400


def test_openai_s_controls_do_something(client: httpx.Client) -> None:
    asked = {"prompt": PREFIX, "max_tokens": 12, "temperature": 0}

    def text(**more: object) -> str:
        answer = client.post("/v1/completions", json={**asked, **more})
        said: str = answer.json()["choices"][0]["text"]
        return said

    plain = text()
    assert text(echo=True) == PREFIX + plain
    assert text(presence_penalty=0, frequency_penalty=0, logit_bias={}) == plain
    one, other = (
        client.post("/tokenize", json={"content": letter}).json()["tokens"][0] for letter in "xy"
    )
    assert text(logit_bias={str(one): 100}) == "x" * 12
    both = {str(one): 60, str(other): 59}
    assert set(text(logit_bias=both)) == {"x", "y"}
    assert text(logit_bias=both, frequency_penalty=2) != text(logit_bias=both)
    assert client.post("/v1/completions", json={**asked, "logit_bias": {"x": 1}}).status_code == 400
