"""The HTTP surface under fire: requests drawn from the OpenAPI document, and broken ones. Never a 500.

    pytest tests/bench/test_fuzz_truth.py -m truth -s

schemathesis draws for every operation what the document allows and what it does not. Held: no status of
5xx but 501 and 503, an answer of a documented status, errors as JSON in the protocol's form, and an
engine that holds no block afterwards.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from gristmill.serving.host import HostLimits
from tests.served_app import Served, served

pytestmark = pytest.mark.truth
EXAMPLES = 60
ANSWERS: Counter[tuple[str, int]] = Counter()
MINE = {400, 404, 405, 408, 413, 429, 501, 503}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    limits = HostLimits(max_batch=8, max_queued=8, cache_tokens=8192, timeout_s=5, threads=1)
    with served(tmp_path_factory.mktemp("fuzz"), limits) as running:
        yield running
    for (path, status), times in sorted(ANSWERS.items()):
        print(f"{path:32} {status} {times:6}")


def _operations(endpoint: Served) -> list[Any]:
    schema = schemathesis.openapi.from_url(f"{endpoint.url}/openapi.json")
    return [found.ok() for found in schema.get_all_operations()]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_nothing_that_can_be_asked_is_a_500(endpoint: Served, mode: GenerationMode) -> None:
    with httpx.Client(base_url=endpoint.url, timeout=30) as client:
        for operation in _operations(endpoint):
            try:
                cases = operation.as_strategy(generation_mode=mode)
                _ask_all(client, operation.path, cases)
            except (schemathesis.errors.SchemathesisError, Unsatisfiable):
                continue  # an operation without anything that could be wrong
    until = time.monotonic() + 20
    while endpoint.completion.stats().num_held_blocks and time.monotonic() < until:
        time.sleep(0.05)
    assert endpoint.completion.stats().num_held_blocks == 0
    assert endpoint.completion.failure is None and endpoint.chat.failure is None


def _ask_all(client: httpx.Client, path: str, cases: Any) -> None:
    @given(case=cases)
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    def ask(case: Any) -> None:
        answer = case.call(base_url=str(client.base_url))
        ANSWERS[path, answer.status_code] += 1
        assert answer.status_code in {200, *MINE}, (case.as_curl_command(), answer.text)
        if answer.status_code != 200:
            said = answer.json()
            assert "error" in said or said.get("object") == "error", answer.text

    ask()


@pytest.mark.parametrize(
    "path",
    [
        "/v1/completions", "/v1/chat/completions", "/beta/completions", "/v1/fim/completions",
        "/infill", "/completion", "/tokenize", "/detokenize", "/v1/events",
    ],
)  # fmt: skip
def test_no_bytes_are_a_500(endpoint: Served, path: str) -> None:
    json_like = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "prompt", "suffix", "messages", "max_tokens", "n", "stop", "logprobs", "echo",
                    "logit_bias", "input_prefix", "input_suffix", "input_extra", "n_predict",
                    "segments", "prefix", "role", "content", "tokens", "stream", "seed", "top_k",
                    "temperature", "code_rules", "repository", "recent", "file_path",
                ]
            ),
            inner,
            max_size=6,
        ),
        max_leaves=12,
    )  # fmt: skip
    with httpx.Client(base_url=endpoint.url, timeout=30) as client:

        @given(st.one_of(st.binary(max_size=200), json_like))
        @settings(max_examples=150, deadline=None, database=None)
        def send(body: Any) -> None:
            if isinstance(body, bytes):
                answer = client.post(path, content=body)
            else:
                answer = client.post(path, content=json.dumps(body).encode("utf-8", "replace"))
            ANSWERS[path, answer.status_code] += 1
            assert answer.status_code in {200, *MINE}, (body, answer.text)

        send()
