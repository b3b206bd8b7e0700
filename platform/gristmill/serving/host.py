"""A model, hosted: tokenizer, engine, limits; and exchanged for another version without a pause.

`answer` renders a request with the tokenizer of the weights that are current when it comes, refuses what
is too long or too much at once, and streams pieces. `exchange` makes another folder current: requests that
run finish on the weights they began with, new ones get the new weights, none is dropped.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from gristmill.errors import RequestError
from gristmill.inference.habits import Habits
from gristmill.inference.loop import EngineLoop
from gristmill.inference.packing import Weights
from gristmill.inference.protocol import Engine, open_engine
from gristmill.inference.sampling import SamplingParams
from gristmill.inference.stats import EngineStats
from gristmill.serving.choices import Choices
from gristmill.serving.exchange import Generation, Kind, ModelCard, Piece, Refusal
from gristmill.serving.provenance import Watcher
from gristmill.serving.rendering import PAPER, Layout, check_ids, render
from gristmill.serving.repositories import Repositories
from gristmill.tokens.tokenizer import Tokenizer

DEFAULT_TOKENS = 64
"""Length of a completion whose request names none; a chat may fill what is left of the context."""
RETRY_AFTER_S = 1


@dataclass(frozen=True)
class HostLimits:
    """How much one replica does at once, and for one request."""

    max_batch: int = 16
    step_tokens: int = 512
    cache_tokens: int = 65536
    max_queued: int = 64
    max_new_tokens: int = 1024
    timeout_s: float = 120.0
    bf16: bool = False
    weights: Weights = "plain"
    """How the weights are packed, on a CPU."""
    compiled: bool = True
    """Compute with the CPU kernel, where it can be had."""
    overcommit: bool = False
    draft_tokens: int = 4
    """Most tokens that are guessed from what is there already; 0 guesses none."""
    threads: int | None = None


@dataclass(frozen=True)
class _Loaded:
    label: str
    tokenizer: Tokenizer
    engine: Engine
    created_s: int
    ends: frozenset[int]
    """Tokens that end an answer, the model's own among them."""
    lineage: Mapping[str, Any] = field(default_factory=dict)
    watcher: Watcher | None = None
    repositories: Repositories | None = None
    layout: Layout = PAPER


class ModelHost:
    """One served name and the weights behind it."""

    def __init__(self, name: str, kind: Kind, limits: HostLimits) -> None:
        self.name = name
        self.kind = kind
        self.limits = limits
        self._loop = EngineLoop(limits.threads)
        self._current: _Loaded | None = None
        self._num_open = 0

    def exchange(
        self,
        folder: Path,
        label: str,
        lineage: Mapping[str, Any] | None = None,
        *,
        watcher: Watcher | None = None,
        repositories: Repositories | None = None,
        layout: Layout = PAPER,
    ) -> None:
        """Load a model folder and make it current; slow, call it in a thread. Raises ModelError.

        `watcher` looks for text of the training corpus, `repositories` give context, `layout` is how
        the model was trained to infill.
        """
        engine = open_engine(
            folder,
            max_batch=self.limits.max_batch,
            step_tokens=self.limits.step_tokens,
            cache_tokens=self.limits.cache_tokens,
            dtype=torch.bfloat16 if self.limits.bf16 else torch.float32,
            weights=self.limits.weights,
            compiled=self.limits.compiled,
            overcommit=self.limits.overcommit,
            draft_tokens=self.limits.draft_tokens,
        )
        tokenizer = Tokenizer.load(folder)
        habits = Habits.of(folder, tokenizer)
        self._current = _Loaded(
            label,
            tokenizer,
            engine,
            created_s=int(time.time()),
            ends=habits.ends,
            lineage=lineage or {},
            watcher=watcher,
            repositories=repositories,
            layout=replace(layout, bos=bool(habits.begins)),
        )

    def close(self) -> None:
        """End the engine's thread."""
        self._loop.close()

    @property
    def failure(self) -> Exception | None:
        """What the engine died of, if it did."""
        return self._loop.failure

    @property
    def label(self) -> str:
        """The artifact that answers new requests."""
        return self._loaded.label

    @property
    def num_open(self) -> int:
        """Answers being written or waited for."""
        return self._num_open

    def stats(self) -> EngineStats:
        """Return what the current engine is doing."""
        return self._loaded.engine.stats()

    def card(self) -> ModelCard:
        """Return what `/v1/models` says."""
        loaded = self._loaded
        return ModelCard(
            name=self.name,
            kind=self.kind,
            label=loaded.label,
            created_s=loaded.created_s,
            context=loaded.engine.max_position,
            fim=self.kind == "completion",
            lineage=loaded.lineage,
        )

    async def answer(self, generation: Generation) -> AsyncGenerator[Piece | Refusal, None]:
        """Yield the pieces of every choice as they come; a refusal is the last item."""
        try:
            async with aclosing(self._pieces(generation)) as pieces:
                async for piece in pieces:
                    yield piece
        except RequestError as error:
            yield Refusal.of(error)
        except TimeoutError:
            yield Refusal(
                "no complete answer in the time that was given; ask for fewer tokens",
                status=408,
                code="timeout",
            )

    async def _pieces(self, generation: Generation) -> AsyncGenerator[Piece, None]:
        limit_s = min(self.limits.timeout_s, generation.timeout_s or self.limits.timeout_s)
        deadline = asyncio.get_running_loop().time() + limit_s
        loaded = self._loaded
        generation = _placed(loaded, generation)
        if generation.repository is not None:
            extra = await asyncio.to_thread(_context, loaded, generation)
            generation = replace(generation, extra=(*extra, *generation.extra))
        params = self._params(loaded, generation)
        room = loaded.engine.max_position - params.max_tokens
        prompts = render(loaded.tokenizer, generation, room, loaded.layout)
        seed = secrets.randbits(48) if generation.seed is None else generation.seed
        asked = [
            (tokens, replace(_fitted(params, tokens, generation, loaded), seed=seed + choice))
            for tokens in prompts
            for choice in range(generation.num_choices)
        ]
        self._check_room(len(asked))
        self._num_open += len(asked)
        choices = Choices(generation, prompts, loaded.tokenizer, loaded.watcher, loaded.layout)
        try:
            async with aclosing(self._loop.stream(loaded.engine, asked)) as stream:
                while choices.has_open:
                    async with asyncio.timeout_at(deadline):  # only while waiting, never at a yield
                        found = await anext(stream, None)
                    if found is None:
                        return
                    piece = choices.take(*found)
                    if piece is not None:
                        yield piece
        finally:
            self._num_open -= len(asked)

    def repositories(self) -> Sequence[str]:
        """Return the repositories whose index can give context."""
        found = self._loaded.repositories
        return found.names if found is not None else ()

    def context(self, generation: Generation) -> Sequence[tuple[str, str]] | Refusal:
        """Return the other files that a request would be given."""
        try:
            return _context(self._loaded, _placed(self._loaded, generation))
        except RequestError as error:
            return Refusal.of(error)

    def encode(self, text: str, *, add_bos: bool, special: bool) -> list[int]:
        """Return a text's token ids; `special`: a special token written in it is meant."""
        tokenizer = self._loaded.tokenizer
        ids = tokenizer.encode_with_special(text) if special else tokenizer.encode(text)
        return [tokenizer.special.bos, *ids] if add_bos else ids

    def decode(self, tokens: Sequence[int]) -> str | Refusal:
        """Return the text of token ids, special tokens as they are written."""
        tokenizer = self._loaded.tokenizer
        try:
            check_ids(tokenizer, tokens)
        except RequestError as error:
            return Refusal.of(error)
        return tokenizer.decode(tokens, skip_special=False)

    def _params(self, loaded: _Loaded, generation: Generation) -> SamplingParams:
        """Return what the request asks, stop texts that are special tokens as ids."""
        special = loaded.tokenizer.special
        most = min(self.limits.max_new_tokens, loaded.engine.max_position - 1)
        wanted = generation.max_tokens
        if wanted is None:
            wanted = most if generation.messages else DEFAULT_TOKENS
        return SamplingParams(
            max_tokens=max(1, min(wanted, most)),
            temperature=generation.temperature,
            top_p=generation.top_p,
            top_k=generation.top_k,
            min_p=generation.min_p,
            presence_penalty=generation.presence_penalty,
            frequency_penalty=generation.frequency_penalty,
            repetition_penalty=generation.repetition_penalty,
            logit_bias=generation.logit_bias,
            stop=generation.stop,
            # a special token always ends an answer: it can only begin something else
            stop_ids=frozenset(generation.stop_ids)
            | (frozenset() if generation.ignore_eos else special.ids() | loaded.ends),
            min_tokens=generation.min_tokens,
            logprobs=generation.logprobs,
            prompt_logprobs=generation.echo and generation.logprobs is not None,
            priority=-generation.priority,
        )

    def _check_room(self, num_asked: int) -> None:
        limit = self.limits.max_batch + self.limits.max_queued
        if self._num_open and self._num_open + num_asked > limit:
            raise RequestError(
                f"model {self.name} is busy: {self._num_open} answers are being written or wait; "
                f"try again in {RETRY_AFTER_S} s",
                status=429,
                code="queue_full",
                retry_after_s=RETRY_AFTER_S,
            )

    @property
    def _loaded(self) -> _Loaded:
        if self._current is None:
            raise RequestError(f"model {self.name} is still loading; try again", status=503)
        return self._current


def _fitted(
    params: SamplingParams, tokens: list[int], generation: Generation, loaded: _Loaded
) -> SamplingParams:
    """Let an answer without a wanted length fill at most what the prompt leaves."""
    left = loaded.engine.max_position - len(tokens)
    if generation.max_tokens is not None or left < 1:
        return params
    return replace(params, max_tokens=min(params.max_tokens, left))


def _placed(loaded: _Loaded, generation: Generation) -> Generation:
    """Return the request with the repository that its git URL is of, where the index has it."""
    if generation.repository is None and generation.git_url and loaded.repositories is not None:
        return replace(generation, repository=loaded.repositories.of_url(generation.git_url))
    return generation


def _context(loaded: _Loaded, generation: Generation) -> tuple[tuple[str, str], ...]:
    if loaded.repositories is None:
        raise RequestError(
            "this endpoint has no index of repositories; leave 'repository' out, or add an index "
            "section to the recipe",
            param="repository",
            code="unknown_repository",
        )
    return loaded.repositories.extra(generation)
