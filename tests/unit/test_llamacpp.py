"""llama.cpp's protocol as its own clients use it (field by field as its server's documentation says)."""

import json
import re
from collections.abc import Iterator

import httpx
import pytest

from gristmill.serving.exchange import Rules
from gristmill.serving.llamacpp import InfillBody, NativeBody
from tests.served_app import Served, served

HOLE = {"input_prefix": "def add(a, b):\n    return ", "input_suffix": "\n\nadd(1, 2)\n"}
PLAIN = {"temperature": 0, "n_predict": 8}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("llama")) as running:
        yield running


@pytest.fixture(scope="module")
def client(endpoint: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=endpoint.url, timeout=60) as made:
        yield made


def test_infill_is_openai_s_suffix_by_another_name(client: httpx.Client) -> None:
    theirs = client.post("/infill", json={**HOLE, **PLAIN}).json()
    asked = {"prompt": HOLE["input_prefix"], "suffix": HOLE["input_suffix"], "max_tokens": 8}
    ours = client.post("/v1/completions", json={**asked, "temperature": 0}).json()
    assert theirs["content"] == ours["choices"][0]["text"]
    assert theirs["tokens_evaluated"] == ours["usage"]["prompt_tokens"]
    assert (theirs["stop"], theirs["stop_type"], theirs["tokens_predicted"]) == (True, "limit", 8)
    typed = {**HOLE, "input_prefix": "def add(a, b):\n", "prompt": "    return ", **PLAIN}
    assert client.post("/infill", json=typed).json()["content"] == theirs["content"]


def test_llama_vim_can_read_the_answer(client: httpx.Client) -> None:
    fields = ["content", "timings/prompt_n", "timings/predicted_ms", "truncated", "no/such"]
    sent = {"model": "", "n_indent": 4, "id_slot": 0, "cache_prompt": True, "t_max_prompt_ms": 500}
    answer = client.post("/infill", json={**HOLE, **PLAIN, **sent, "response_fields": fields})
    assert re.match(r"^\s*\{", answer.text) and re.search(r'"content"\s*:"', answer.text)
    assert "\n" not in answer.text
    assert set(answer.json()) == set(fields[:-1])
    assert answer.json()["timings/prompt_n"] >= 0


def test_a_warm_up_fills_the_cache_and_says_nothing(client: httpx.Client) -> None:
    hole = {**HOLE, "input_prefix": "# warm\n" * 20}
    warm = client.post("/infill", json={**hole, "n_predict": 0, "samplers": []}).json()
    assert (warm["content"], warm["tokens_predicted"]) == ("", 0)
    after = client.post("/infill", json={**hole, **PLAIN}).json()
    assert after["timings"]["cache_n"] > 0.5 * after["tokens_evaluated"]


def test_extra_files_lead_and_the_last_stay_where_not_all_fit(client: httpx.Client) -> None:
    without = client.post("/infill", json={**HOLE, **PLAIN}).json()["tokens_evaluated"]
    extra = [{"filename": "a.py", "text": "x = 1\n"}, {"text": "y = 2\n"}]
    asked = {**HOLE, **PLAIN, "input_extra": extra}
    assert client.post("/infill", json=asked).json()["tokens_evaluated"] > without
    asked["input_extra"] = [{"text": "z" * 5000}, extra[1]]
    found = client.post("/infill", json=asked).json()["tokens_evaluated"]
    assert without < found < without + 20


@pytest.mark.parametrize(
    "values",
    [
        {"input_suffix": "x"},
        {"input_prefix": "x"},
        {**HOLE, "input_extra": {"text": "x"}},
        {**HOLE, "input_extra": [{"filename": "x"}]},
        {**HOLE, "input_extra": [{"filename": 5, "text": "x"}]},
        {**HOLE, "grammar": "root ::= x"},
        {**HOLE, "n_probs": 3},
        {**HOLE, "logit_bias": [["x", 1.0]]},
    ],
)
def test_a_refusal_has_llama_cpp_s_form(client: httpx.Client, values: dict[str, object]) -> None:
    answer = client.post("/infill", json=values)
    error = answer.json()["error"]
    assert answer.status_code == error["code"] == 400
    assert error["type"] == "invalid_request_error" and error["message"]


def test_a_model_without_fim_says_501(client: httpx.Client) -> None:
    answer = client.post("/infill", json={**HOLE, "model": "tiny-chat"})
    assert answer.status_code == 501
    assert answer.json()["error"]["type"] == "not_supported_error"


def test_several_choices_are_a_list(client: httpx.Client) -> None:
    found = client.post("/infill", json={**HOLE, "n_cmpl": 3, "n_predict": 4}).json()
    assert [item["index"] for item in found] == [0, 1, 2]


def test_several_prompts_are_a_list_of_texts_ids_and_objects(client: httpx.Client) -> None:
    tokens = client.post("/tokenize", json={"content": "def", "add_special": True}).json()
    prompts = ["def", tokens["tokens"], {"prompt_string": "def"}]
    found = client.post("/completion", json={**PLAIN, "prompt": prompts}).json()
    assert len(found) == 3 and len({item["content"] for item in found}) == 1
    assert client.post("/completion", json={"prompt": []}).status_code == 400
    asked = {**PLAIN, "prompt": ["def"], "response_fields": []}
    assert client.post("/completion", json=asked).json()["stop"] is True


def test_a_stream_ends_with_the_frame_that_tells_everything(client: httpx.Client) -> None:
    asked = {**PLAIN, "prompt": "def add(a, b):", "n_predict": 12}
    whole = client.post("/completion", json=asked).json()
    streamed = client.post("/completion", json={**asked, "stream": True})
    frames = [json.loads(line[6:]) for line in streamed.text.splitlines() if line]
    assert "".join(item["content"] for item in frames) == whole["content"]
    assert [item["stop"] for item in frames] == [False] * (len(frames) - 1) + [True]
    assert frames[-1]["tokens_predicted"] == 12 and "[DONE]" not in streamed.text


def test_a_stop_text_is_named(client: httpx.Client) -> None:
    asked = {**PLAIN, "prompt": "def", "n_predict": 40, "temperature": 0}
    text = client.post("/completion", json=asked).json()["content"]
    word = text[5:8]
    found = client.post("/completion", json={**asked, "stop": [word]}).json()
    assert (found["stop_type"], found["stopping_word"]) == ("word", word)
    assert found["content"] == text[: text.index(word)]


def test_the_clock_ends_an_answer_that_has_a_line(client: httpx.Client) -> None:
    newline = client.post("/tokenize", json={"content": "\n"}).json()["tokens"][0]
    asked = {"prompt": "x", "n_predict": 300, "logit_bias": [[newline, 50]]}
    found = client.post("/completion", json={**asked, "t_max_predict_ms": 1}).json()
    assert found["has_new_line"] and 1 < found["tokens_predicted"] < 300
    assert found["stop_type"] == "limit"


def test_text_becomes_tokens_and_text_again(client: httpx.Client) -> None:
    text = "def caf\u00e9():\n\treturn 1\n"
    tokens = client.post("/tokenize", json={"content": text}).json()["tokens"]
    with_bos = client.post("/tokenize", json={"content": text, "add_special": True}).json()
    assert with_bos["tokens"][1:] == tokens
    assert client.post("/detokenize", json={"tokens": tokens}).json()["content"] == text
    theirs = client.post("/tokenize", json={"prompt": text}).json()
    assert (theirs["count"], theirs["tokens"]) == (len(tokens) + 1, with_bos["tokens"])
    assert client.post("/detokenize", json={"tokens": [10**6]}).status_code == 400
    assert client.post("/tokenize", json={}).status_code == 400


def test_props_tell_the_context(client: httpx.Client) -> None:
    props = client.get("/props").json()
    assert props["default_generation_settings"]["n_ctx"] == 512
    assert props["model_path"] == "tiny@1"


def test_the_sampler_chain_says_which_limits_count() -> None:
    asked = InfillBody(**HOLE, samplers=["top_k", "infill"]).generation()
    assert (asked.top_k, asked.top_p, asked.min_p) == (40, 1.0, 0.0)
    asked = NativeBody(prompt=[1, 2]).generation()
    assert (asked.prompts, asked.top_p, asked.min_p, asked.seed) == (((1, 2),), 0.95, 0.05, None)


def test_the_least_indentation_is_a_rule_with_and_without_the_others() -> None:
    alone = InfillBody(input_prefix="a", input_suffix="b", n_indent=4, code_rules=False)
    beside = InfillBody(input_prefix="a", input_suffix="b", n_indent=4)
    assert alone.generation().rules == Rules("block", False, False, False, False, 4)
    assert beside.generation().rules == Rules(least_indent=4)
    assert NativeBody(prompt="a").generation().rules is None
