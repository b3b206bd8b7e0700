"""An endpoint from the asking side: what is sent, and what its answers are taken for."""

import json

import httpx
import pytest

from gristmill.errors import GristmillError
from gristmill.evaluation.benchmark import Prompt
from gristmill.evaluation.sources import Endpoint

SAID = {"tokens": ["So", " no", "!", "x"], "token_logprobs": [None, -1.5, -0.25, -9.0], "text_offset": [0, 2, 5, 6]}  # fmt: skip


def endpoint(answer: dict[str, object], seen: list[dict[str, object]]) -> Endpoint:
    def respond(request: httpx.Request) -> httpx.Response:
        seen.append(json.loads(request.content))
        return httpx.Response(200, json={"choices": [answer]})

    client = httpx.Client(transport=httpx.MockTransport(respond))
    return Endpoint("http://there", "m", _client=[client])


def test_a_likelihood_is_that_of_what_follows_alone() -> None:
    seen: list[dict[str, object]] = []
    asked = endpoint({"text": "x", "logprobs": SAID}, seen)
    assert json.loads(asked.ask(Prompt("So", choices=(("So", " no!"),)))) == [-1.75]
    assert seen[0]["echo"] is True and seen[0]["prompt"] == "So no!"


def test_an_endpoint_that_does_not_echo_is_said() -> None:
    with pytest.raises(GristmillError, match="give the model's folder"):
        endpoint({"text": "x", "logprobs": None}, []).ask(Prompt("So", choices=(("So", " no"),)))


def test_infilling_and_chat_go_where_they_belong() -> None:
    seen: list[dict[str, object]] = []
    assert endpoint({"text": "a"}, seen).ask(Prompt("p", "s", "# f\n")) == "a"
    assert (seen[0]["prompt"], seen[0]["suffix"]) == ("# f\np", "s")
    said = {"message": {"content": "b"}}
    assert endpoint(said, seen).ask(Prompt("q", chat=True)) == "b"
    assert seen[1]["messages"] == [{"role": "user", "content": "q"}]
