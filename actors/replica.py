"""A replica of a model on Ray Serve: a `ModelHost` that follows the promoted version."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from actors.engine_gauges import EngineGauges
from gristmill.inference.stats import EngineStats
from gristmill.serving.exchange import Generation, Kind, ModelCard, Piece, Refusal
from gristmill.serving.following import Follower
from gristmill.serving.host import HostLimits, ModelHost
from gristmill.serving.lookups import Repeats, lookups

log = logging.getLogger("ray.serve")

METRICS_S = 5.0


@dataclass(frozen=True)
class ReplicaSettings:
    """Everything a replica is told."""

    name: str
    kind: Kind
    follower: Follower
    follow_s: float
    limits: HostLimits
    repeats: Repeats


class Replica:
    """The deployment's class; one engine each."""

    def __init__(self, settings: ReplicaSettings) -> None:
        self._settings = settings
        self._host = ModelHost(settings.name, settings.kind, settings.limits)
        self._exchange(settings.follower.wanted())
        self._gauges = EngineGauges(settings.name)
        loop = asyncio.get_event_loop()
        self._tasks = [loop.create_task(self._follow()), loop.create_task(self._report())]

    async def answer(self, generation: Generation) -> AsyncGenerator[Piece | Refusal, None]:
        """Stream an answer; cancelling it aborts the work in the engine."""
        async with aclosing(self._host.answer(generation)) as pieces:
            async for piece in pieces:
                yield piece

    async def card(self) -> ModelCard:
        """Return what this model is, now."""
        return self._host.card()

    async def lineage(self) -> Mapping[str, Any]:
        """Return what the current weights were made from."""
        return await asyncio.to_thread(self._settings.follower.lineage, self._host.label)

    async def repositories(self) -> Sequence[str]:
        """Return the repositories whose index can give context."""
        return await asyncio.to_thread(self._host.repositories)

    async def context(self, generation: Generation) -> Sequence[tuple[str, str]] | Refusal:
        """Return the other files that a request would be given."""
        return await asyncio.to_thread(self._host.context, generation)

    async def encode(self, text: str, add_bos: bool, special: bool) -> Sequence[int]:
        """Return a text's token ids."""
        return self._host.encode(text, add_bos=add_bos, special=special)

    async def decode(self, tokens: Sequence[int]) -> str | Refusal:
        """Return the text of token ids."""
        return self._host.decode(tokens)

    async def load(self) -> EngineStats:
        """Return what the engine is doing and has done."""
        return self._host.stats()

    def record_autoscaling_stats(self) -> dict[str, float]:
        """Tell Serve's policy what the engine has to do (`token_scaling`)."""
        stats = self._host.stats()
        return {
            "queued_tokens": float(stats.num_queued_tokens),
            "cache_use": stats.num_held_blocks / max(stats.num_blocks, 1),
        }

    async def num_held_blocks(self) -> int:
        """Return the cache blocks that requests hold now."""
        return self._host.stats().num_held_blocks

    def check_health(self) -> None:
        """Let Serve replace this replica when its engine has failed."""
        if self._host.failure is not None:
            raise self._host.failure

    def _exchange(self, label: str) -> None:
        follower = self._settings.follower
        folder, summary = follower.fetch(label)
        repeats, context = lookups(follower.fetch_index(label), self._settings.repeats)
        layout = follower.layout(label)
        self._host.exchange(
            folder, label, summary, watcher=repeats, repositories=context, layout=layout
        )

    async def _follow(self) -> None:
        """Look for another promoted version, again and again; a failed look costs nothing."""
        while True:
            await asyncio.sleep(self._settings.follow_s)
            try:
                label = await asyncio.to_thread(self._settings.follower.wanted)
                if label != self._host.label:
                    await asyncio.to_thread(self._exchange, label)
                    log.info("model %s answers with %s from now on", self._host.name, label)
            except Exception as error:  # a store's or a model file's: the next look may find better
                log.warning("model %s stays at %s: %s", self._host.name, self._host.label, error)

    async def _report(self) -> None:
        while True:
            self._gauges.set(self._host.stats())
            await asyncio.sleep(METRICS_S)
