import json
import logging
import time
from collections.abc import Iterator

import httpx
import pytest

from gristmill.serving.access import FrontSettings, Key, digest
from tests.served_app import Served, served

SETTINGS = FrontSettings(
    keys=(
        Key("alice", digest("key-of-alice")),
        Key("ci", digest("key-of-ci"), requests_per_minute=1),
    ),
    max_body_bytes=4096,
    cors_origins=("https://ide.example", "localhost"),
    audit="requests",
    aliases={"gpt-3.5-turbo-instruct": "completion", "gpt-4": "chat", "old": "tiny"},
    lenient=True,
)
ALICE = {"Authorization": "Bearer key-of-alice"}
ASKED = {"prompt": "def secret_name(a, b):", "max_tokens": 3, "temperature": 0}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("door"), settings=SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def client(endpoint: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=endpoint.url) as made:
        yield made


@pytest.mark.parametrize(
    "headers", [ALICE, {"X-Api-Key": "key-of-alice"}, {"api-key": "key-of-alice"}]
)
def test_a_key_opens(client, headers):
    answer = client.post("/v1/completions", json=ASKED, headers=headers)
    assert answer.status_code == 200 and answer.headers["x-request-id"].startswith("call-")


@pytest.mark.parametrize("path", ["/health", "/", "/page/page.css", "/metrics", "/openapi.json"])
def test_what_holds_no_code_is_open_to_everybody(client, path):
    assert client.get(path).status_code == 200


def test_without_a_key_each_protocol_refuses_in_its_own_form(client):
    forms = {
        "/v1/completions": lambda said: said["error"]["code"] == "missing_api_key",
        "/v1/chat/completions": lambda said: said["error"]["type"] == "invalid_request_error",
        "/v1/fim/completions": lambda said: said["object"] == "error",
        "/infill": lambda said: said["error"]["type"] == "authentication_error",
        "/completions": lambda said: said["error"]["code"] == 401,
    }
    for path, fits in forms.items():
        answer = client.post(path, json=ASKED)
        assert answer.status_code == 401 and fits(answer.json()), path
        assert answer.headers["www-authenticate"] == "Bearer"
    wrong = client.post("/v1/completions", json=ASKED, headers={"Authorization": "Bearer nobody"})
    assert wrong.json()["error"]["code"] == "invalid_api_key"
    assert client.get("/v1/models").status_code == 401
    assert client.get("/lineage").status_code == 401


def test_a_limit_of_a_key_is_429_with_the_time_to_wait(client):
    headers = {"Authorization": "Bearer key-of-ci"}
    assert client.post("/v1/completions", json=ASKED, headers=headers).status_code == 200
    answer = client.post("/infill", json={}, headers=headers)
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert answer.headers["x-should-retry"] == "false"
    assert answer.json()["error"]["type"] == "rate_limit_error"


def test_origins_that_may_ask_and_others(client):
    asks = {"Access-Control-Request-Method": "POST"}
    for origin, allowed in {
        "https://ide.example": True,
        "http://localhost:3000": True,
        "http://127.0.0.1": True,
        "http://localhost.evil.example": False,
        "https://evil.example": False,
        "null": False,
    }.items():
        answer = client.options("/v1/completions", headers={"Origin": origin, **asks})
        assert answer.status_code == 200
        assert (answer.headers.get("access-control-allow-origin") == origin) is allowed
        answer = client.post("/v1/completions", json=ASKED, headers={"Origin": origin, **ALICE})
        assert (answer.headers.get("access-control-allow-origin") == origin) is allowed


def test_a_body_beyond_the_limit_is_413(client):
    for content in (b" " * 5000, iter([b" " * 3000, b" " * 3000])):
        answer = client.post("/v1/completions", content=content, headers=ALICE)
        assert answer.status_code == 413 and answer.json()["error"]["code"] == "body_too_large"


def test_a_deadline_of_the_asker_ends_the_work(client, endpoint):
    long = {**ASKED, "max_tokens": 450, "ignore_eos": True}
    headers = {**ALICE, "X-Request-Timeout-Seconds": "0.02"}
    answer = client.post("/v1/completions", json=long, headers=headers)
    assert answer.status_code == 408 and answer.json()["error"]["code"] == "timeout"
    for wrong in ("soon", "0", "-1", "nan", "inf"):
        headers["X-Request-Timeout-Seconds"] = wrong
        answer = client.post("/v1/completions", json=ASKED, headers=headers)
        assert answer.status_code == 400
    until = time.monotonic() + 10
    while endpoint.completion.stats().num_held_blocks and time.monotonic() < until:
        time.sleep(0.02)
    assert endpoint.completion.stats().num_held_blocks == 0


def test_other_names_of_models(client):
    for name, model in {"gpt-3.5-turbo-instruct": "tiny", "old": "tiny"}.items():
        answer = client.post("/v1/completions", json={**ASKED, "model": name}, headers=ALICE)
        assert answer.json()["model"] == model
    chat = {"model": "gpt-4", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}
    answer = client.post("/v1/chat/completions", json=chat, headers=ALICE)
    assert answer.json()["model"] == "tiny-chat"


def test_a_lenient_front_says_what_it_ignored(client):
    asked = {**ASKED, "best_of": 4, "guided_regex": "a+"}
    answer = client.post("/v1/completions", json=asked, headers=ALICE)
    assert answer.status_code == 200
    assert answer.headers["x-gristmill-ignored"] == "best_of,guided_regex"


def test_the_audit_log_says_who_and_what_but_no_code(client, caplog):
    with caplog.at_level(logging.INFO, logger="gristmill.audit"):
        client.post("/v1/completions", json=ASKED, headers={**ALICE, "X-Request-Id": "mine-1"})
        client.post("/v1/completions", json={**ASKED, "stream": True}, headers=ALICE)
        until = time.monotonic() + 5
        while len(caplog.records) < 2 and time.monotonic() < until:
            time.sleep(0.02)
    first, second = (json.loads(record.message) for record in caplog.records)
    assert (first["call"], first["key"], first["status"]) == ("mine-1", "alice", 200)
    assert first["completion_tokens"] == second["completion_tokens"] == 3
    assert first["model"] == "tiny" and first["artifact"] == "tiny@1"
    assert "secret" not in caplog.text and "key-of-alice" not in caplog.text


def test_metrics_have_vllm_s_names_and_count(client):
    def value(name: str, labels: str = 'model_name="tiny"') -> float:
        lines = client.get("/metrics").text.splitlines()
        found = [line.split()[-1] for line in lines if line.startswith(f"{name}{{{labels}")]
        return sum(map(float, found))

    before = value("vllm:generation_tokens_total")
    prompts = value("vllm:prompt_tokens_total")
    answer = client.post("/v1/completions", json={**ASKED, "max_tokens": 5}, headers=ALICE).json()
    assert value("vllm:generation_tokens_total") - before == 5
    assert value("vllm:prompt_tokens_total") - prompts == answer["usage"]["prompt_tokens"]
    text = client.get("/metrics").text
    for name in (
        "num_requests_running", "num_requests_waiting", "kv_cache_usage_perc",
        "prefix_cache_queries_total", "prefix_cache_hits_total", "num_preemptions_total",
        "time_to_first_token_seconds_bucket", "inter_token_latency_seconds_bucket",
        "e2e_request_latency_seconds_bucket", "request_queue_time_seconds_bucket",
        "request_prefill_time_seconds_bucket", "request_decode_time_seconds_bucket",
        "request_success_total", "admission_rejections_total",
        "spec_decode_num_accepted_tokens_total", "request_time_per_output_token_seconds_bucket",
    ):  # fmt: skip
        assert f"vllm:{name}{{" in text, name
    assert value("vllm:admission_rejections_total", 'model_name="",reason="key"') > 0
    event = {"type": "select", "completion_id": "c", "choice_index": 0}
    assert client.post("/v1/events", json=event, headers=ALICE).status_code == 200
    assert value("gristmill_completion_events_total", 'model_name="tiny",type="select"') == 1
