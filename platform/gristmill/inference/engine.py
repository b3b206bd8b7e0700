"""The engine: token ids in, text and token ids out, many requests in every step.

A step is one forward pass over a flat axis of tokens: the next token of every running request and chunks of
new prompts; `inference/runner.py` says who computes it. `add` and `abort` take effect at the next step. The
engine knows tokens, never protocols; it is not safe for threads: `inference/loop.py` runs one in a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from gristmill.errors import ModelError, RequestError
from gristmill.inference.blocks import BLOCK, BlockPool
from gristmill.inference.detokenizer import Detokenizer
from gristmill.inference.packing import Weights, pack
from gristmill.inference.runner import TorchRunner, runner_of
from gristmill.inference.sampling import SamplingParams, TokenLogprob, logprobs, sample
from gristmill.inference.scheduler import Chunk, Scheduler
from gristmill.inference.sequence import FinishReason
from gristmill.inference.sequence import Sequence as Request
from gristmill.inference.stats import EngineStats
from gristmill.inference.steering import steer
from gristmill.model.folder import load_model
from gristmill.model.llama import Llama
from gristmill.tokens.tokenizer import Tokenizer


@dataclass(frozen=True)
class Delta:
    """What one step added to one request."""

    request_id: str
    text: str
    tokens: tuple[int, ...]
    logprobs: tuple[TokenLogprob, ...] = ()
    finish_reason: FinishReason | None = None
    num_prompt: int = 0
    num_cached: int = 0
    """Prompt tokens that were in the cache already."""
    stopping_word: str = ""
    """The stop text that ended the answer, where one did."""
    prompt_logprobs: tuple[TokenLogprob, ...] = ()
    """Of the prompt's second token and on; told once, with the first token."""
    queued_s: float = 0.0
    """How long the request waited before any of it was computed."""


@dataclass(frozen=True)
class Completion:
    """A whole answer."""

    text: str
    tokens: tuple[int, ...]
    finish_reason: FinishReason
    logprobs: tuple[TokenLogprob, ...] = field(default=())
    num_prompt: int = 0
    num_cached: int = 0


class TorchEngine:
    """Continuous batching over a paged cache, on a CPU or one GPU."""

    def __init__(
        self,
        model: Llama,
        token_bytes: Callable[[int], bytes],
        *,
        num_tokens: int | None = None,
        max_batch: int = 16,
        step_tokens: int = 512,
        cache_tokens: int = 65536,
        prefix_cache: bool = True,
        overcommit: bool = False,
        draft_tokens: int = 0,
        draft_batch: int = 4,
        compiled: bool = False,
    ) -> None:
        """`num_tokens` is the number of ids the tokenizer has; rows above it are never chosen.

        `compiled` takes the CPU kernel, where it can be had and the model suits it.
        """
        self.model = model.eval()
        self.max_position = model.config.max_position
        self.num_tokens = num_tokens or model.config.vocab_rows
        self._token_bytes = token_bytes
        num_blocks = max(1, cache_tokens // BLOCK)
        self._runner = runner_of(model, num_blocks, compiled=compiled)
        self._pool = BlockPool(num_blocks)
        self._scheduler = Scheduler(
            self._pool,
            max_batch,
            step_tokens,
            prefix_cache,
            overcommit,
            draft_tokens,
            draft_batch,
        )
        self._requests: dict[str, Request] = {}
        self._counts = {"steps": 0, "prompt": 0, "cached": 0, "output": 0}
        self._drafts = {"num_drafts": 0, "num_draft_tokens": 0, "num_accepted_tokens": 0}

    @staticmethod
    def from_folder(
        folder: Path,
        *,
        max_batch: int = 16,
        step_tokens: int = 512,
        cache_tokens: int = 65536,
        dtype: torch.dtype = torch.float32,
        device: str | None = None,
        overcommit: bool = False,
        draft_tokens: int = 0,
        weights: Weights = "plain",
        compiled: bool = False,
    ) -> TorchEngine:
        """Load a Hugging Face Llama folder with its tokenizer. Raises ModelError.

        `weights` packs the matrices, on a CPU: see `packing`. With `compiled` the kernel keeps the weights
        in its own order, where it can be had, and `model` has none any more.
        """
        tokenizer = Tokenizer.load(folder)
        place = device or ("cuda" if torch.cuda.is_available() else "cpu")
        model = pack(load_model(folder, dtype=dtype).to(place), weights)
        engine = TorchEngine(
            model,
            visible_bytes(tokenizer),
            num_tokens=tokenizer.num_tokens,
            max_batch=max_batch,
            step_tokens=step_tokens,
            cache_tokens=cache_tokens,
            overcommit=overcommit,
            draft_tokens=draft_tokens,
            compiled=compiled,
        )
        if not isinstance(engine._runner, TorchRunner):
            model.to("meta")
        return engine

    @property
    def has_work(self) -> bool:
        """Say whether a step would do anything."""
        return bool(self._requests)

    def check(self, num_prompt: int, params: SamplingParams) -> None:
        """Raise RequestError when a prompt of this length can never be answered."""
        if num_prompt < 1:
            raise RequestError("the prompt has no tokens; send at least one", param="prompt")
        if params.max_tokens < 1:
            raise RequestError(
                f"max_tokens is {params.max_tokens}; ask for at least 1", param="max_tokens"
            )
        total = num_prompt + params.max_tokens
        room = min(self.max_position, self._pool.num_blocks * BLOCK)
        if total > room:
            raise RequestError(
                f"this model's context is {room} tokens; the prompt has {num_prompt} and "
                f"max_tokens is {params.max_tokens}: shorten one of them",
                param="prompt" if num_prompt >= room else "max_tokens",
                code="context_length_exceeded",
            )

    def add(self, request_id: str, tokens: Sequence[int], params: SamplingParams) -> None:
        """Queue a prompt. Raises RequestError when it can never be answered."""
        assert request_id not in self._requests, f"request {request_id} is known already"
        self.check(len(tokens), params)
        detokenizer = Detokenizer(self._token_bytes, params.stop)
        request = Request(request_id, list(tokens), len(tokens), params, detokenizer)
        self._requests[request_id] = request
        self._scheduler.add(request)

    def abort(self, request_id: str) -> None:
        """Drop a request and free its blocks; nothing happens when it is not there any more."""
        request = self._requests.pop(request_id, None)
        if request is not None:
            self._scheduler.remove(request)

    @torch.inference_mode()
    def step(self) -> list[Delta]:
        """Compute one step and return what it added; an empty list when nothing finished prefill."""
        chunks = sorted(self._scheduler.plan(), key=lambda chunk: chunk.width > 1)
        if not chunks:
            return []
        self._counts["steps"] += 1
        hidden_NC = self._runner.run(chunks)
        rows: list[int] = []
        asking: list[Chunk] = []
        at = 0
        for chunk in chunks:
            if chunk.sequence.params.prompt_logprobs:
                self._score(chunk, hidden_NC[at : at + chunk.num_tokens])
            if chunk.completes:
                rows += range(at + chunk.num_tokens - 1, at + chunk.width)
                asking.append(chunk)
            at += chunk.width
        for chunk in chunks:
            self._scheduler.computed(chunk.sequence, chunk.num_tokens)
        if len(rows) < at:
            hidden_NC = hidden_NC[rows]
        return self._choose(asking, hidden_NC) if asking else []

    def _choose(self, asking: Sequence[Chunk], hidden_RC: Tensor) -> list[Delta]:
        """Choose the tokens after each chunk: one, and one more for each token of a draft that held."""
        logits_RV = self._runner.logits(hidden_RC)[:, : self.num_tokens]
        cases = [(chunk.sequence, i) for chunk in asking for i in range(len(chunk.draft) + 1)]
        drafts = {chunk.sequence.request_id: chunk.draft for chunk in asking}
        params = [request.params for request, _ in cases]
        histories = [
            ([*request.tokens, *drafts[request.request_id][:i]] if i else request.tokens,
             request.num_prompt)
            for request, i in cases
        ]  # fmt: skip
        steered_RV = steer(logits_RV, params, histories)
        chosen = sample(steered_RV, params, [request.num_output + i for request, i in cases])
        known = logprobs(logits_RV, chosen, params)
        deltas: list[Delta] = []
        row = 0
        for chunk in asking:
            request, draft = chunk.sequence, chunk.draft
            num_held = 0
            for i in range(len(draft) + 1):
                token = chosen[row + i]
                deltas.append(self._advance(request, token, known[row + i]))
                if request.finish_reason is not None or i == len(draft) or token != draft[i]:
                    break
                num_held += 1
                self._scheduler.computed(request, 1)
            row += len(draft) + 1
            if draft:
                request.lookup.told(num_held)
                self._drafts["num_drafts"] += 1
                self._drafts["num_draft_tokens"] += len(draft)
                self._drafts["num_accepted_tokens"] += num_held
        return deltas

    def _score(self, chunk: Chunk, hidden_TC: Tensor) -> None:
        """Keep the log probabilities of the prompt's tokens after those of a chunk."""
        request = chunk.sequence
        start = max(request.num_computed, len(request.prompt_logprobs))
        end = min(request.num_computed + chunk.num_tokens, request.num_prompt - 1)
        if start >= end:
            return
        first = start - request.num_computed
        logits_TV = self._runner.logits(hidden_TC[first : first + end - start])
        tokens = request.tokens[start + 1 : end + 1]
        found = logprobs(logits_TV[:, : self.num_tokens], tokens, [request.params] * len(tokens))
        request.prompt_logprobs += [value for value in found if value is not None]

    def complete(
        self, prompts: Iterable[Sequence[int]], params: SamplingParams
    ) -> list[Completion]:
        """Answer prompts together, offline. Prompt i is answered with seed `params.seed` + i."""
        asked = [list(tokens) for tokens in prompts]
        for tokens in asked:
            self.check(len(tokens), params)
        ids = [f"offline-{number}" for number in range(len(asked))]
        for number, (name, tokens) in enumerate(zip(ids, asked, strict=True)):
            self.add(name, tokens, replace(params, seed=params.seed + number))
        answers: dict[str, list[Delta]] = {name: [] for name in ids}
        while any(name in self._requests for name in ids):
            for delta in self.step():
                answers[delta.request_id].append(delta)
        return [join(answers[name]) for name in ids]

    def stats(self) -> EngineStats:
        """Return what the engine is doing now."""
        return EngineStats(
            num_waiting=len(self._scheduler.waiting),
            num_running=len(self._scheduler.running),
            num_held_blocks=self._pool.num_held,
            num_blocks=self._pool.num_blocks,
            num_steps=self._counts["steps"],
            num_prompt_tokens=self._counts["prompt"],
            num_cached_tokens=self._counts["cached"],
            num_output_tokens=self._counts["output"],
            num_preemptions=self._scheduler.num_preemptions,
            num_queued_tokens=sum(
                request.num_left
                for request in list(self._requests.values())
                if request.num_left > 1
            ),
            **self._drafts,
        )

    def _advance(self, request: Request, token: int, found: TokenLogprob | None) -> Delta:
        """Add a chosen token to a request, finish it where it ends, and say what is new."""
        first = request.num_output == 0
        if first:
            self._counts["prompt"] += request.num_prompt
            self._counts["cached"] += request.num_cached
        self._counts["output"] += 1
        text = ""
        if token in request.params.stop_ids:
            request.finish_reason = "stop"
        else:
            counts = request.num_output + 1 >= request.params.min_tokens
            text = request.detokenizer.push(token, stops=counts)
            if request.detokenizer.stopped:
                request.finish_reason = "stop"
            elif request.num_output + 1 >= request.params.max_tokens:
                request.finish_reason = "length"
        request.tokens.append(token)
        if request.finish_reason is not None:
            text += request.detokenizer.finish()
            del self._requests[request.request_id]
            self._scheduler.remove(request)
        return Delta(
            request.request_id,
            text,
            (token,),
            () if found is None else (found,),
            request.finish_reason,
            request.num_prompt,
            request.num_cached,
            request.detokenizer.stopping_word,
            tuple(request.prompt_logprobs) if first else (),
            max(0.0, request.started_s - request.arrived_s),
        )


def visible_bytes(tokenizer: Tokenizer) -> Callable[[int], bytes]:
    """Return each token's bytes as an answer shows them: special tokens have none."""
    hidden = tokenizer.special.ids()
    table = [b"" if i in hidden else tokenizer.token_bytes(i) for i in range(tokenizer.num_tokens)]
    return table.__getitem__


def join(deltas: Sequence[Delta]) -> Completion:
    """Put the deltas of a finished request together."""
    last = deltas[-1]
    if last.finish_reason is None:
        raise ModelError(f"request {last.request_id} is not finished; its last delta is needed")
    return Completion(
        "".join(delta.text for delta in deltas),
        tuple(token for delta in deltas for token in delta.tokens),
        last.finish_reason,
        tuple(found for delta in deltas for found in delta.logprobs),
        last.num_prompt,
        last.num_cached,
    )
