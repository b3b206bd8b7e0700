from types import SimpleNamespace

import pytest
import torch

from gristmill.errors import RequestError
from gristmill.inference.engine import TorchEngine, join
from gristmill.inference.protocol import open_engine
from gristmill.inference.sampling import SamplingParams, TokenLogprob
from gristmill.inference.vllm_engine import VllmEngine, told, wire
from tests.model_folder import tiny_model

BYTES = [bytes([number]) for number in range(256)]


class Scripted:
    """What we use of vLLM's LLMEngine, answering every prompt with the same tokens, `pace` a step."""

    def __init__(self, answer: bytes, pace: int) -> None:
        self.answer, self.pace = answer, pace
        self.asked: dict[str, tuple[dict, dict, int]] = {}
        self.aborted: list[str] = []
        self._at: dict[str, int] = {}

    def add_request(self, request_id, prompt, params, priority=0):
        self.asked[request_id] = (prompt, params, priority)
        self._at[request_id] = 0

    def abort_request(self, request_ids):
        self.aborted += request_ids
        for name in request_ids:
            self._at.pop(name, None)

    def step(self):
        outputs = []
        for name, at in list(self._at.items()):
            prompt, params, _ = self.asked[name]
            end = min(at + self.pace, params["max_tokens"])
            tokens = list(self.answer[at:end])
            scores = [{token: SimpleNamespace(logprob=-0.5)} for token in tokens]
            finished = end == params["max_tokens"]
            part = SimpleNamespace(
                token_ids=tokens, logprobs=scores if params["logprobs"] is not None else None,
                finish_reason="length" if finished else None,
            )  # fmt: skip
            outputs.append(
                SimpleNamespace(
                    request_id=name, outputs=[part], finished=finished, num_cached_tokens=16,
                    prompt_logprobs=None, prompt_token_ids=prompt["prompt_token_ids"],
                )
            )  # fmt: skip
            self._at[name] = end
            if finished:
                del self._at[name]
        return outputs


def _engine(answer: bytes, pace: int = 1) -> tuple[VllmEngine, Scripted]:
    theirs = Scripted(answer, pace)
    ours = VllmEngine(
        theirs, lambda **fields: fields, BYTES.__getitem__, max_position=64, num_blocks=10
    )
    return ours, theirs


def _run(engine: VllmEngine, params: SamplingParams):
    engine.add("x", [1, 2, 3], params)
    deltas = []
    while engine.has_work:
        deltas += engine.step()
    return join(deltas), deltas


@pytest.mark.parametrize("pace", [1, 3, 50])
def test_an_answer_ends_at_its_length(pace):
    engine, theirs = _engine(b"def add(a, b):", pace)
    answer, _ = _run(engine, SamplingParams(max_tokens=7, logprobs=0, priority=2))
    assert (answer.text, answer.finish_reason, answer.num_cached) == ("def add", "length", 16)
    assert [found.logprob for found in answer.logprobs] == [-0.5] * 7
    assert theirs.asked["x"][0] == {"prompt_token_ids": [1, 2, 3]}
    assert theirs.asked["x"][2] == -2 and theirs.aborted == []
    assert engine.stats().num_output_tokens == 7 and engine.stats().num_held_blocks == 0


@pytest.mark.parametrize("pace", [1, 4])
def test_a_stop_text_across_tokens_ends_it_and_vllm_is_told(pace):
    engine, theirs = _engine(b"return a\n\ndef other", pace)
    answer, deltas = _run(engine, SamplingParams(max_tokens=19, stop=("\n\n",)))
    assert (answer.text, answer.finish_reason) == ("return a", "stop")
    assert deltas[-1].stopping_word == "\n\n" and theirs.aborted == ["x"]


def test_a_stop_token_ends_it_after_the_least_length():
    engine, _ = _engine(b"ab;cd;ef")
    params = SamplingParams(max_tokens=8, stop_ids=frozenset(b";"), min_tokens=4)
    answer, _ = _run(engine, params)
    assert (answer.text, answer.finish_reason) == ("ab;cd", "stop")


def test_an_abort_forgets_the_request():
    engine, theirs = _engine(b"abcdef")
    engine.add("x", [1], SamplingParams(max_tokens=6))
    assert engine.stats().num_waiting == 1 and len(engine.step()) == 1
    assert (engine.stats().num_running, engine.stats().num_held_blocks) == (1, 1)
    engine.abort("x")
    engine.abort("x")
    assert theirs.aborted == ["x"] and not engine.has_work and engine.step() == []


def test_what_can_never_be_answered_is_refused():
    engine, theirs = _engine(b"")
    for tokens, params, field in [
        ([], SamplingParams(), "prompt"),
        ([1] * 60, SamplingParams(max_tokens=5), "max_tokens"),
        ([1], SamplingParams(max_tokens=2, logprobs=99), "logprobs"),
    ]:
        with pytest.raises(RequestError) as caught:
            engine.add("x", tokens, params)
        assert caught.value.param == field
    assert theirs.asked == {}


def test_log_probabilities_in_our_form():
    found = [{5: SimpleNamespace(logprob=-2.0), 7: SimpleNamespace(logprob=-0.1)}, None]
    assert told([5, 6], found, 1) == (TokenLogprob(5, -2.0, ((7, -0.1),)),)


def test_the_fields_are_vllm_s():
    params = pytest.importorskip("vllm").SamplingParams
    params(**wire(SamplingParams(logit_bias=((3, 1.0),), stop_ids=frozenset({2}))))


def test_without_a_gpu_our_engine_answers(tmp_path):
    engine = open_engine(
        tiny_model(tmp_path), max_batch=2, step_tokens=64, cache_tokens=256, dtype=torch.float32,
        weights="plain", compiled=False, overcommit=False, draft_tokens=0,
    )  # fmt: skip
    assert isinstance(engine, TorchEngine) or torch.cuda.is_available()
