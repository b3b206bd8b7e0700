"""vLLM behind our engine's protocol, for production GPUs: fed token ids, its text made by our detokenizer.

vLLM schedules, caches and computes; stop texts, text and deltas are ours, so the front sees no difference.
What differs: a seeded answer is vLLM's own, not the torch engine's; who waits and which blocks are held
are told by how far requests have come, for vLLM keeps its own accounts. `wire` is the whole translation
of a request, `told` of its log probabilities.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from gristmill.errors import ModelError, RequestError
from gristmill.inference.blocks import BLOCK
from gristmill.inference.detokenizer import Detokenizer
from gristmill.inference.engine import Delta, visible_bytes
from gristmill.inference.sampling import SamplingParams, TokenLogprob
from gristmill.inference.sequence import FinishReason
from gristmill.inference.stats import EngineStats
from gristmill.tokens.tokenizer import Tokenizer

MOST_LOGPROBS = 32


@dataclass
class _Open:
    """A request that vLLM has."""

    num_prompt: int
    params: SamplingParams
    detokenizer: Detokenizer
    num_output: int = 0
    num_cached: int = 0
    arrived_s: float = field(default_factory=time.monotonic)
    queued_s: float = 0.0


class VllmEngine:
    """Our engine's methods over vLLM's synchronous one."""

    def __init__(
        self,
        engine: Any,
        params_of: Callable[..., Any],
        token_bytes: Callable[[int], bytes],
        *,
        max_position: int,
        num_blocks: int,
    ) -> None:
        """`engine` is vLLM's LLMEngine, `params_of` makes its SamplingParams from `wire`'s fields."""
        self.max_position = max_position
        self._engine = engine
        self._params_of = params_of
        self._token_bytes = token_bytes
        self._num_blocks = num_blocks
        self._open: dict[str, _Open] = {}
        self._counts = {"steps": 0, "prompt": 0, "cached": 0, "output": 0}

    @staticmethod
    def from_folder(
        folder: Path, *, max_batch: int, step_tokens: int, dtype: torch.dtype, draft_tokens: int
    ) -> VllmEngine:
        """Load a Hugging Face Llama folder with its tokenizer. Raises ModelError."""
        try:
            from vllm import EngineArgs
            from vllm import SamplingParams as Theirs
            from vllm.sampling_params import RequestOutputKind
            from vllm.v1.engine.llm_engine import LLMEngine
        except ImportError as error:
            raise ModelError(
                f"vLLM cannot be imported ({error}); install the extra: pip install 'gristmill[vllm]'"
            ) from error
        drafts = {"method": "ngram", "num_speculative_tokens": draft_tokens}
        asked = EngineArgs(
            model=str(folder),
            dtype=str(dtype).removeprefix("torch."),
            skip_tokenizer_init=True,
            max_num_seqs=max_batch,
            max_num_batched_tokens=max(step_tokens, 2048),
            max_logprobs=MOST_LOGPROBS,
            scheduling_policy="priority",
            speculative_config=(drafts | {"prompt_lookup_max": 3}) if draft_tokens else None,
        )
        engine = LLMEngine.from_engine_args(asked)
        config = engine.vllm_config
        return VllmEngine(
            engine,
            lambda **fields: Theirs(output_kind=RequestOutputKind.DELTA, **fields),
            visible_bytes(Tokenizer.load(folder)),
            max_position=config.model_config.max_model_len,
            num_blocks=(config.cache_config.num_gpu_blocks or 0)
            * config.cache_config.block_size
            // BLOCK,
        )

    @property
    def has_work(self) -> bool:
        """Say whether a step would do anything."""
        return bool(self._open)

    def check(self, num_prompt: int, params: SamplingParams) -> None:
        """Raise RequestError when a prompt of this length can never be answered."""
        if num_prompt < 1:
            raise RequestError("the prompt has no tokens; send at least one", param="prompt")
        if params.max_tokens < 1:
            raise RequestError(
                f"max_tokens is {params.max_tokens}; ask for at least 1", param="max_tokens"
            )
        if num_prompt + params.max_tokens > self.max_position:
            raise RequestError(
                f"this model's context is {self.max_position} tokens; the prompt has {num_prompt} and "
                f"max_tokens is {params.max_tokens}: shorten one of them",
                param="prompt" if num_prompt >= self.max_position else "max_tokens",
                code="context_length_exceeded",
            )
        if params.logprobs is not None and params.logprobs > MOST_LOGPROBS:
            raise RequestError(
                f"logprobs is {params.logprobs}; at most {MOST_LOGPROBS} are told", param="logprobs"
            )

    def add(self, request_id: str, tokens: Sequence[int], params: SamplingParams) -> None:
        """Queue a prompt. Raises RequestError when it can never be answered."""
        assert request_id not in self._open, f"request {request_id} is known already"
        self.check(len(tokens), params)
        prompt = {"prompt_token_ids": list(tokens)}
        theirs = self._params_of(**wire(params))
        self._engine.add_request(request_id, prompt, theirs, priority=-params.priority)
        detokenizer = Detokenizer(self._token_bytes, params.stop)
        self._open[request_id] = _Open(len(tokens), params, detokenizer)

    def abort(self, request_id: str) -> None:
        """Drop a request; nothing happens when it is not there any more."""
        if self._open.pop(request_id, None) is not None:
            self._engine.abort_request([request_id])

    def step(self) -> list[Delta]:
        """Let vLLM compute one step and return what it added."""
        self._counts["steps"] += 1
        deltas = []
        for output in self._engine.step():
            request = self._open.get(output.request_id)
            if request is not None and output.outputs:
                deltas.append(self._delta(output, request))
        return deltas

    def stats(self) -> EngineStats:
        """Return what the engine is doing now."""
        requests = list(self._open.values())
        waiting = [request for request in requests if not request.num_output]
        held = sum(
            -(-(one.num_prompt + one.num_output) // BLOCK) for one in requests if one.num_output
        )
        return EngineStats(
            num_waiting=len(waiting),
            num_running=len(requests) - len(waiting),
            num_held_blocks=min(held, self._num_blocks),
            num_blocks=self._num_blocks,
            num_steps=self._counts["steps"],
            num_prompt_tokens=self._counts["prompt"],
            num_cached_tokens=self._counts["cached"],
            num_output_tokens=self._counts["output"],
            num_queued_tokens=sum(request.num_prompt for request in waiting),
        )

    def _delta(self, output: Any, request: _Open) -> Delta:
        """Return what a step of vLLM's added to a request, and forget the request where it ends."""
        found = output.outputs[0]
        first = request.num_output == 0
        if first:
            request.num_cached = output.num_cached_tokens or 0
            request.queued_s = time.monotonic() - request.arrived_s
            self._counts["prompt"] += request.num_prompt
            self._counts["cached"] += request.num_cached
        text, taken = "", []
        reason: FinishReason | None = None
        for token in found.token_ids:
            taken.append(int(token))
            request.num_output += 1
            reason, more = _taken(request, int(token))
            text += more
            if reason is not None:
                break
        if reason is None and output.finished:
            reason = found.finish_reason or "abort"
        if reason is not None:
            text += request.detokenizer.finish()
            del self._open[output.request_id]
            if not output.finished:
                self._engine.abort_request([output.request_id])
        self._counts["output"] += len(taken)
        asked = request.params.logprobs
        scores = told(taken, found.logprobs, asked) if asked is not None else ()
        prompt: tuple[TokenLogprob, ...] = ()
        if first and request.params.prompt_logprobs and output.prompt_logprobs:
            prompt = told(output.prompt_token_ids[1:], output.prompt_logprobs[1:], asked or 0)
        return Delta(
            output.request_id, text, tuple(taken), scores, reason, request.num_prompt,
            request.num_cached, request.detokenizer.stopping_word, prompt, request.queued_s,
        )  # fmt: skip


def _taken(request: _Open, token: int) -> tuple[FinishReason | None, str]:
    """Return whether a token ends its request, and the text that is certain with it."""
    params = request.params
    if token in params.stop_ids and request.num_output >= params.min_tokens:
        return "stop", ""
    text = request.detokenizer.push(token, stops=request.num_output >= params.min_tokens)
    if request.detokenizer.stopped:
        return "stop", text
    return ("length" if request.num_output >= params.max_tokens else None), text


def wire(params: SamplingParams) -> dict[str, Any]:
    """Return the fields of vLLM's SamplingParams that ask for the same."""
    return {
        "max_tokens": params.max_tokens,
        "min_tokens": min(params.min_tokens, params.max_tokens),
        "temperature": params.temperature,
        "top_p": params.top_p,
        "top_k": max(params.top_k, 0),
        "min_p": params.min_p,
        "presence_penalty": params.presence_penalty,
        "frequency_penalty": params.frequency_penalty,
        "repetition_penalty": params.repetition_penalty,
        "logit_bias": dict(params.logit_bias) or None,
        "seed": params.seed,
        "stop_token_ids": sorted(params.stop_ids),
        "ignore_eos": True,  # what ends an answer is in stop_ids already
        "logprobs": params.logprobs,
        "prompt_logprobs": (params.logprobs or 0) if params.prompt_logprobs else None,
        "detokenize": False,
    }


def told(
    tokens: Sequence[int], found: Sequence[Mapping[int, Any] | None] | None, most: int
) -> tuple[TokenLogprob, ...]:
    """Return vLLM's log probabilities of tokens in our form, with up to `most` alternatives each."""
    scores = []
    for token, known in zip(tokens, found or (), strict=False):
        if known is None:
            continue
        best = sorted(known.items(), key=lambda pair: -float(pair[1].logprob))[:most]
        pairs = tuple((int(one), float(value.logprob)) for one, value in best)
        scores.append(TokenLogprob(int(token), float(known[token].logprob), pairs))
    return tuple(scores)
