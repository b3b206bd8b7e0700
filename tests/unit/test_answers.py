import json

import pytest

from gristmill.errors import RequestError
from gristmill.serving.answers import ChatAnswer, CompletionAnswer, compact, error_body, frame
from gristmill.serving.exchange import Piece, ShownLogprob

PIECES = [
    Piece(
        0, "a", 1, num_prompt=5, num_cached=4, logprobs=(ShownLogprob("a", -1.0, (("b", -2.0),)),)
    ),
    Piece(1, "x", 1, num_prompt=5, num_cached=4),
    Piece(0, "bc", 2, "stop", num_prompt=5, logprobs=(ShownLogprob("bc", -0.5, ()),)),
    Piece(1, "", 1, "length", num_prompt=5),
]


def test_usage_counts_a_prompt_once_for_all_its_choices():
    answer = CompletionAnswer("m", 2, "m@1")
    for piece in PIECES:
        answer.add(piece)
    body = answer.body()
    assert body["usage"] == {
        "prompt_tokens": 5,
        "completion_tokens": 5,
        "total_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 0},
    }
    assert [choice["text"] for choice in body["choices"]] == ["abc", "x"]
    assert body["choices"][0]["logprobs"]["text_offset"] == [0, 1]
    assert {"id", "object", "created", "model", "system_fingerprint"} <= set(body)


def test_events_add_up_to_the_whole():
    answer = CompletionAnswer("m", 2, "m@1")
    events = [json.loads(answer.event(piece).removeprefix("data: ")) for piece in PIECES]
    texts = {0: "", 1: ""}
    for event in events:
        assert event["id"] == answer.id
        texts[event["choices"][0]["index"]] += event["choices"][0]["text"]
    whole = answer.body()
    assert texts == {choice["index"]: choice["text"] for choice in whole["choices"]}
    assert events[2]["choices"][0]["logprobs"]["text_offset"] == [1]
    assert json.loads(answer.usage_event().removeprefix("data: "))["choices"] == []


def test_a_chat_begins_with_who_speaks_and_ends_with_why():
    answer = ChatAnswer("m", 1, "m@1")
    start = [json.loads(event.removeprefix("data: ")) for event in answer.start()]
    assert start[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    last = json.loads(answer.event(Piece(0, "", 1, "stop")).removeprefix("data: "))
    assert last["choices"][0] == {
        "index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop",
    }  # fmt: skip
    assert answer.body()["choices"][0]["message"]["content"] == ""


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (404, "not_found_error"),
        (413, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "server_error"),
        (503, "unavailable_error"),
    ],
)
def test_an_error_has_openai_s_four_fields(status, kind):
    body = error_body(RequestError("no", status=status, param="n", code="c"))
    assert body == {"error": {"message": "no", "type": kind, "param": "n", "code": "c"}}


def test_json_is_one_line_without_blanks():
    assert compact({"a": "\u00e9\n", "b": [1, 2]}) == '{"a":"\u00e9\\n","b":[1,2]}'
    assert frame({}) == "data: {}\n\n"
