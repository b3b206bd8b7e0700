"""What a completion service adds to a protocol: scores, rules, the anchored hole, context, sources."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gristmill.serving.access import Key, digest
from gristmill.serving.front import _of_key
from gristmill.serving.protocols import CompletionBody, read
from gristmill.serving.provenance import Index, Watcher
from gristmill.serving.repositories import Repositories
from tests.made_index import document, write_provenance, write_repository
from tests.served_app import LINEAGE, Served, served

PREFIX = "def add(a, b):\n    return"
ASKED = {"prompt": PREFIX, "max_tokens": 60, "temperature": 0}
FILES = {"lib.py": "def helper(value):\n    return value\n", "main.py": "import lib\n"}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("front")
    shelf = write_repository(folder / "repositories", "shop", FILES, {"main.py": ["lib.py"]})
    with served(folder, repositories=Repositories(shelf)) as running:
        yield running


@pytest.fixture(scope="module")
def client(endpoint: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=endpoint.url, timeout=60) as made:
        yield made


def _ask(client: httpx.Client, path: str = "/v1/completions", **more: Any) -> Any:
    answer = client.post(path, json={**ASKED, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def _ids(client: httpx.Client, text: str) -> list[int]:
    found: list[int] = client.post("/tokenize", json={"content": text}).json()["tokens"]
    return found


def test_a_prompt_is_scored_without_writing_anything(client):
    said = _ask(client, echo=True, logprobs=2, max_tokens=0)
    choice = said["choices"][0]
    assert choice["text"] == PREFIX and choice["finish_reason"] == "length"
    shown = choice["logprobs"]
    assert "".join(shown["tokens"]) == PREFIX
    assert len(shown["token_logprobs"]) == len(_ids(client, PREFIX))
    assert all(value < 0 for value in shown["token_logprobs"])  # bos leads: the first has one too
    assert said["usage"]["completion_tokens"] == 0
    refused = client.post("/v1/completions", json={**ASKED, "max_tokens": 0})
    assert refused.status_code == 400 and refused.json()["error"]["param"] == "max_tokens"


def test_an_echo_s_scores_are_those_of_the_same_tokens_given_as_ids(client):
    by_text = _ask(client, echo=True, logprobs=0, max_tokens=1)["choices"][0]["logprobs"]
    ids = _ids(client, PREFIX)
    by_ids = _ask(client, prompt=ids, echo=True, logprobs=0, max_tokens=1)["choices"][0]["logprobs"]
    assert by_ids["token_logprobs"][0] is None  # nothing is before it
    assert by_text["tokens"][:-1] == by_ids["tokens"][:-1]
    beside = _ask(client, suffix="\n", echo=True, logprobs=0, max_tokens=1)["choices"][0]
    assert beside["text"].startswith(PREFIX)
    assert len(beside["logprobs"]["tokens"]) == len(ids) + 1


def test_rules_are_off_on_openai_s_route_and_on_on_editors(client):
    (newline,) = _ids(client, "\n")
    asked = {"suffix": "\n", "ignore_eos": True, "logit_bias": {str(newline): 6}}
    plain = _ask(client, **asked)["choices"][0]["text"]
    assert plain.strip("\n").count("\n") > 1
    assert _ask(client, **asked, code_rules=False)["choices"][0]["text"] == plain
    ruled = _ask(client, **asked, code_rules={"extent": "line"})["choices"][0]
    assert "\n" not in ruled["text"].strip("\n") and plain.startswith(ruled["text"])
    assert ruled["finish_reason"] == "stop"
    body = {"input_prefix": PREFIX, "input_suffix": "\n", "n_predict": 60, "temperature": 0}
    body |= {"ignore_eos": True, "logit_bias": {str(newline): 6}, "min_p": 0}
    on = client.post("/infill", json=body).json()["content"]
    off = client.post("/infill", json={**body, "code_rules": False}).json()["content"]
    assert off == plain and off.startswith(on) and len(on) < len(off)
    chat = _ask(client, "/v1/fim/completions", suffix="\n")["choices"][0]["message"]["content"]
    assert chat == _ask(client, suffix="\n", code_rules=True)["choices"][0]["text"]
    echoed = _ask(client, **asked, code_rules={"extent": "line"}, echo=True)["choices"][0]
    assert echoed["text"] == PREFIX + ruled["text"]  # rules are for the answer alone
    wrong = client.post("/v1/completions", json={**ASKED, "code_rules": {"extend": "line"}})
    assert wrong.status_code == 400 and wrong.json()["error"]["param"] == "code_rules"


def test_a_stream_with_rules_says_what_the_whole_answer_says(client):
    asked = {**ASKED, "suffix": "\n", "code_rules": True, "stream": True}
    with client.stream("POST", "/v1/completions", json=asked) as stream:
        events = [line[6:] for line in stream.iter_lines() if line.startswith("data: {")]
    text = "".join(json.loads(event)["choices"][0]["text"] for event in events)
    assert text == _ask(client, suffix="\n", code_rules=True)["choices"][0]["text"]


def test_with_an_anchored_hole_all_but_the_typed_part_stays_in_the_cache(client):
    above = "def total(values):\n" + "    # a comment\n" * 12
    suffix = "\n" + "print(total([1, 2]))\n" * 12

    def cached(typed: str, *, anchor: bool) -> float:
        said = _ask(client, prompt=above + typed, suffix=suffix, anchor=anchor, max_tokens=1)
        usage = said["usage"]
        return float(usage["prompt_tokens_details"]["cached_tokens"] / usage["prompt_tokens"])

    line = "    result = sum(values)"
    for anchor in (True, False):
        cached(line[:5], anchor=anchor)
    anchored = [cached(line[:at], anchor=True) for at in range(6, len(line))]
    plain = [cached(line[:at], anchor=False) for at in range(6, len(line))]
    assert min(anchored) > 0.85 and max(plain) < 0.75


def test_context_of_a_repository_leads_the_prompt(client):
    assert client.get("/v1/repositories").json() == {"repositories": ["shop"]}
    asked = {**ASKED, "suffix": "\n", "repository": "shop", "file_path": "main.py"}
    found = client.post("/v1/context", json=asked).json()["files"]
    assert found == [{"path": "lib.py", "text": "def helper(value):"}]
    with_it = client.post("/v1/completions", json=asked).json()["usage"]["prompt_tokens"]
    del asked["repository"]
    assert with_it > client.post("/v1/completions", json=asked).json()["usage"]["prompt_tokens"]
    for path in ("/v1/completions", "/v1/context"):
        refused = client.post(path, json={**asked, "repository": "nowhere"})
        assert refused.status_code == 400
        assert refused.json()["error"]["code"] == "unknown_repository"
    assert client.post("/v1/context", json=asked).status_code == 400


def test_tabby_s_git_url_leads_to_the_index_where_there_is_one(client):
    def num_prompt(**segments: Any) -> int:
        given = {"prefix": PREFIX, "suffix": "\n", "filepath": "main.py", **segments}
        said = client.post("/v1/completions", json={"segments": given, "temperature": 0}).json()
        return int(said["usage"]["prompt_tokens"])

    plain = num_prompt()
    assert num_prompt(git_url="https://git.example/acme/shop.git") > plain
    assert num_prompt(git_url="https://git.example/acme/nowhere.git") == plain


def test_a_client_that_leaves_while_it_sends_is_no_failure(endpoint, caplog):
    host, port = endpoint.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as half:
        half.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
        time.sleep(0.1)
    seen = 'gristmill_calls_total{model_name="",path="/v1/completions",status="499"}'
    until = time.monotonic() + 10
    while seen not in (text := httpx.get(f"{endpoint.url}/metrics").text):
        assert time.monotonic() < until, text
        time.sleep(0.05)
    assert [record.levelname for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize(
    ("asked", "of_key", "found"), [(0, 0, 0), (7, 0, 7), (-7, 0, 0), (-7, -9, -7), (-9, -7, -7)]
)
def test_a_request_is_as_important_as_its_key_may_be_and_is_its_user_s(asked, of_key, found):
    body = read(CompletionBody, {"prompt": "x", "priority": asked})
    key = Key("alice", digest("a"), priority=of_key)
    told = _of_key(body.generation(), key, 3.0)
    assert (told.priority, told.user, told.timeout_s) == (found, "alice", 3.0)
    assert _of_key(body.generation(), None, None).priority == asked
    named = read(CompletionBody, {"prompt": "x", "user": "bob"})
    assert _of_key(named.generation(), key, None).user == "bob"


def test_stop_tokens_least_lengths_and_names_that_are_not_carried_out(client):
    (token,) = _ids(client, "x")
    asked = {"max_tokens": 20, "logit_bias": {str(token): 100}}
    assert _ask(client, **asked)["choices"][0]["text"] == "x" * 20
    stopped = _ask(client, **asked, stop_token_ids=[token])["choices"][0]
    longer = _ask(client, **asked, stop_token_ids=[token], min_tokens=9)
    assert (stopped["finish_reason"], stopped["text"]) == ("stop", "")
    assert longer["usage"]["completion_tokens"] == 10
    assert "x" not in longer["choices"][0]["text"]
    for name in (
        "guided_json",
        "bad_words",
        "length_penalty",
        "prompt_logprobs",
        "use_beam_search",
    ):
        answer = client.post("/v1/completions", json={**ASKED, name: {"x": 1}})
        assert answer.json()["error"]["code"] == "unsupported_parameter"
        assert answer.json()["error"]["param"] == name


def test_an_answer_that_repeats_the_corpus_says_whose_it_is_or_is_blocked(
    tmp_path: Path, endpoint: Served
) -> None:
    with httpx.Client(base_url=endpoint.url, timeout=60) as client:
        text = _ask(client, max_tokens=200, ignore_eos=True)["choices"][0]["text"]
    folder = write_provenance(tmp_path / "index", [[document("alpha", "x = 1\n", text)]])
    for block in (False, True):
        watcher = Watcher(Index(folder), 40, block=block)
        asked = {**ASKED, "max_tokens": 200, "ignore_eos": True}
        with (
            served(tmp_path / str(block), watcher=watcher) as running,
            httpx.Client(base_url=running.url, timeout=60) as client,
        ):
            answer = client.post("/v1/completions", json=asked)
            with client.stream("POST", "/v1/completions", json={**asked, "stream": True}) as s:
                lines = [line[6:] for line in s.iter_lines() if line.startswith("data: {")]
        said = answer.json()
        (source,) = said["sources"]
        assert json.loads(answer.headers["x-gristmill-sources"])[0]["repository"] == "alpha"
        assert (source["repository"], source["revision"]) == ("alpha", "1.0")
        assert (source["licence"], source["path"]) == ("MIT", "1.py") and source["num_words"] >= 40
        last = json.loads(lines[-1])
        if block:  # how much was written when it was found depends on how deltas came together
            assert [found["path"] for found in last["sources"]] == ["1.py"]
        else:
            assert last["sources"] == said["sources"]
        shown = said["choices"][0]
        assert shown["finish_reason"] == ("content_filter" if block else "length")
        assert (shown["text"] == text) is not block and text.startswith(shown["text"])
    assert LINEAGE["complete"]
