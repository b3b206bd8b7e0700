import json
import time
from collections.abc import Callable, Iterator

import httpx
import openai
import pytest

from gristmill.serving.host import HostLimits
from tests.served_app import LINEAGE, Served, served

PROMPT = "def add(a, b):\n    return"
LONG = {"ignore_eos": True}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture(scope="module")
def client(endpoint: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{endpoint.url}/v1", api_key="none", max_retries=0) as made:
        yield made


def _until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    return condition()


def test_models_say_what_they_are(client):
    models = {model.id: model for model in client.models.list()}
    assert list(models) == ["tiny", "tiny-chat"]
    assert models["tiny"].model_dump()["fim"] is True
    assert models["tiny"].model_dump()["max_model_len"] == 512
    assert client.models.retrieve("tiny-chat").model_dump()["artifact"] == "tiny-chat@1"


def test_infilling_is_not_the_same_as_completing(client):
    infilled = client.completions.create(
        model="tiny", prompt=PROMPT, suffix="\n\nadd(1, 2)", max_tokens=8, temperature=0
    )
    completed = client.completions.create(model="tiny", prompt=PROMPT, max_tokens=8, temperature=0)
    assert infilled.choices[0].text != completed.choices[0].text
    assert infilled.usage.prompt_tokens > completed.usage.prompt_tokens
    assert infilled.usage.total_tokens == infilled.usage.prompt_tokens + 8
    assert infilled.object == "text_completion"
    assert infilled.choices[0].finish_reason == "length"


def test_a_stream_says_what_the_whole_answer_says(client):
    asked = {"model": "tiny", "prompt": PROMPT, "max_tokens": 20, "temperature": 0.7, "seed": 5}
    whole = client.completions.create(**asked)
    chunks = list(
        client.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    )
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert "".join(chunk.choices[0].text for chunk in chunks[:-1]) == whole.choices[0].text
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_usage_is_sent_only_when_asked_for(client):
    chunks = list(client.completions.create(model="tiny", prompt="a", max_tokens=2, stream=True))
    assert all(chunk.choices for chunk in chunks)


def test_seed_decides_and_other_seeds_differ(client):
    def answer(seed: int) -> str:
        found = client.completions.create(
            model="tiny", prompt=PROMPT, max_tokens=24, temperature=1, seed=seed
        )
        return found.choices[0].text

    assert answer(1) == answer(1)
    assert len({answer(seed) for seed in range(4)}) > 1


def test_choices_and_prompts_are_counted(client):
    found = client.completions.create(
        model="tiny", prompt=["def a", "def b"], n=2, max_tokens=4, seed=1, logprobs=1
    )
    assert [choice.index for choice in found.choices] == [0, 1, 2, 3]
    once = client.completions.create(model="tiny", prompt="def a", max_tokens=4)
    assert found.usage.prompt_tokens == 2 * once.usage.prompt_tokens
    shown = found.choices[3].logprobs
    assert len(shown.tokens) == len(shown.token_logprobs) == len(shown.text_offset)
    assert all(value <= 0 for value in shown.token_logprobs)


def test_stop_texts_end_the_answer_and_are_not_in_it(client):
    asked = {"model": "tiny", "prompt": PROMPT, "max_tokens": 30, "temperature": 0}
    whole = client.completions.create(**asked).choices[0].text
    stop = whole[2:4]
    assert len(stop) == 2
    found = client.completions.create(**asked, stop=[f"no {i}" for i in range(15)] + [stop])
    assert found.choices[0].finish_reason == "stop"
    assert found.choices[0].text == whole[: whole.index(stop)]


def test_a_chat_is_answered_whole_and_in_chunks(client):
    asked = {
        "model": "tiny-chat",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "add two numbers"}]}],
        "max_completion_tokens": 12,
        "temperature": 0,
    }
    whole = client.chat.completions.create(**asked)
    chunks = list(client.chat.completions.create(**asked, stream=True))
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text.rstrip("\n") == whole.choices[0].message.content
    assert chunks[-1].choices[0].finish_reason == whole.choices[0].finish_reason
    assert whole.object == "chat.completion"


@pytest.mark.parametrize(
    ("asked", "kind", "param", "code"),
    [
        ({"model": "other"}, openai.NotFoundError, "model", "model_not_found"),
        ({"best_of": 3}, openai.BadRequestError, "best_of", "unsupported_parameter"),
        ({"logit_bias": {"5": 101}}, openai.BadRequestError, "logit_bias", None),
        ({"temperature": 3}, openai.BadRequestError, "temperature", None),
        ({"max_tokens": 0}, openai.BadRequestError, "max_tokens", None),
        ({"prompt": [999999]}, openai.BadRequestError, "prompt", None),
        ({"prompt": [1], "suffix": "x"}, openai.BadRequestError, "suffix", None),
        ({"n": 20, "prompt": ["a", "b"]}, openai.BadRequestError, "n", None),
        ({"stop": ["x"] * 33}, openai.BadRequestError, "stop", None),
        (
            {"prompt": "word " * 600},
            openai.BadRequestError,
            "prompt",
            "context_length_exceeded",
        ),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_wrong_request_is_refused_by_name(client, asked, kind, param, code, stream):
    with pytest.raises(kind) as caught:
        client.completions.create(**{"model": "tiny", "prompt": "x", "stream": stream, **asked})
    assert (caught.value.body["param"], caught.value.code) == (param, code)


def test_neutral_and_unknown_fields_are_accepted(client):
    found = client.completions.create(
        model="tiny", prompt="x", max_tokens=1, presence_penalty=0, best_of=1, echo=False,
        user="me", extra_body={"language": "python", "min_p": 0},
    )  # fmt: skip
    assert found.usage.completion_tokens == 1


def test_a_long_prompt_is_cut_where_that_is_asked(client):
    found = client.completions.create(
        model="tiny", prompt="p" * 900, suffix="s" * 900, max_tokens=12,
        extra_body={"truncate_prompt_tokens": -1},
    )  # fmt: skip
    # what is cut begins at a multiple of 64 of the prefix's tokens, so that the cache keeps knowing it
    assert 512 - 12 - 64 < found.usage.prompt_tokens <= 512 - 12


def test_special_texts_are_text_beside_a_suffix_and_tokens_without(client):
    literal = "<|EOT|>"
    beside = client.completions.create(model="tiny", prompt=literal, suffix="", max_tokens=1)
    alone = client.completions.create(model="tiny", prompt=literal, max_tokens=1)
    assert alone.usage.prompt_tokens == 2  # bos and the token
    assert beside.usage.prompt_tokens == 4 + len(literal.encode())  # bytes: nothing was merged


def test_bodies_that_are_no_request(endpoint):
    with httpx.Client(base_url=endpoint.url) as client:
        for body, status in ((b"{", 400), (b"[1]", 400), (b'{"prompt":{}}', 400)):
            answer = client.post("/v1/completions", content=body)
            assert answer.status_code == status
            assert answer.json()["error"]["type"] == "invalid_request_error"
        assert client.post("/v1/chat/completions", json={}).json()["error"]["param"] == "messages"
        assert client.post("/v1/completions", content=b" " * 5 * 2**20).status_code == 413
        assert client.get("/nowhere").json()["error"]["message"].startswith("GET /nowhere")


def test_answers_are_one_compact_line(endpoint):
    answer = httpx.post(f"{endpoint.url}/v1/completions", json={"prompt": "x", "max_tokens": 1})
    assert answer.text == json.dumps(answer.json(), separators=(",", ":"), ensure_ascii=False)


def test_leaving_a_stream_frees_its_blocks(client, endpoint):
    stream = client.completions.create(
        model="tiny", prompt="def", max_tokens=480, stream=True, extra_body=LONG
    )
    next(iter(stream))
    stream.close()
    assert _until(lambda: endpoint.completion.num_open == 0)
    assert _until(lambda: endpoint.completion.stats().num_held_blocks == 0)


def test_a_full_queue_is_429_with_a_time_to_wait(client, endpoint):
    streams = [
        client.completions.create(
            model="tiny", prompt="def", max_tokens=400, stream=True, extra_body=LONG
        )
        for _ in range(8)
    ]
    try:
        with pytest.raises(openai.RateLimitError) as caught:
            client.completions.create(model="tiny", prompt="one more", n=8)
        assert caught.value.response.headers["retry-after"] == "1"
        assert caught.value.code == "queue_full"
    finally:
        for stream in streams:
            stream.close()
    assert _until(lambda: endpoint.completion.num_open == 0)


def test_a_late_answer_is_a_timeout(tmp_path):
    with served(tmp_path, HostLimits(timeout_s=0.001, threads=1)) as running:
        answer = httpx.post(
            f"{running.url}/v1/completions", json={"prompt": "x", "max_tokens": 450, **LONG}
        )
        assert answer.status_code == 408
        assert _until(lambda: running.completion.stats().num_held_blocks == 0)


def test_health_lineage_and_the_page(endpoint):
    with httpx.Client(base_url=endpoint.url) as client:
        assert client.get("/health").json()["models"] == {
            "tiny": "tiny@1",
            "tiny-chat": "tiny-chat@1",
        }
        assert client.get("/lineage").json() == LINEAGE
        assert client.get("/lineage", params={"model": "none"}).status_code == 404
        page = client.get("/")
        assert page.headers["content-type"].startswith("text/html")
        assert "Gristmill" in page.text
        assert client.get("/page/editor.js").headers["content-type"].startswith("text/javascript")
        assert client.get("/page/../app.py").status_code == 404
        assert client.get("/page/secret").status_code == 404
