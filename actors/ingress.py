"""The front on Ray Serve: the library's application over handles to the models' replicas."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle

from actors.replicas import Replicas
from gristmill.inference.stats import EngineStats
from gristmill.serving.access import FrontSettings
from gristmill.serving.app import build_app
from gristmill.serving.exchange import Generation, ModelCard, Piece, Refusal

CARDS_S = 2.0
"""How long the models' cards are believed before replicas are asked again."""


class HandleBackend:
    """A `Backend` over deployment handles."""

    def __init__(self, handles: Mapping[str, DeploymentHandle[Any]]) -> None:
        self._replicas = {name: Replicas(name, handle) for name, handle in handles.items()}
        self._cards: dict[str, ModelCard] = {}
        self._asked_s = 0.0

    async def cards(self) -> Sequence[ModelCard]:
        """Return the models' cards, at most `CARDS_S` old; older ones of a model that has no replica now."""
        if len(self._cards) < len(self._replicas) or time.monotonic() - self._asked_s > CARDS_S:
            found = await asyncio.gather(*(self._card(name) for name in self._replicas))
            self._cards = dict(zip(self._replicas, found, strict=True))
            self._asked_s = time.monotonic()
        return list(self._cards.values())

    async def _card(self, name: str) -> ModelCard:
        """Ask the replicas that are there, so that nobody's question keeps another model awake."""
        known = self._cards.get(name)
        if known is None:
            asked: ModelCard = await self._replicas[name].ask("card")
            return asked
        found: list[ModelCard] = await self._replicas[name].ask_all("card")
        return max(found, key=lambda card: card.created_s, default=known)

    def generate(self, model: str, generation: Generation) -> AsyncGenerator[Piece | Refusal, None]:
        """Stream from one of the model's replicas."""
        return self._replicas[model].stream(generation)

    async def loads(self) -> Mapping[str, Sequence[EngineStats]]:
        """Ask every replica of every model."""
        return {name: await self._replicas[name].ask_all("load") for name in self._replicas}

    async def lineage(self, model: str) -> Mapping[str, Any]:
        """Return what the model was made from."""
        found: Mapping[str, Any] = await self._replicas[model].ask("lineage")
        return found

    async def repositories(self, model: str) -> Sequence[str]:
        """Ask one of the model's replicas."""
        found: Sequence[str] = await self._replicas[model].ask("repositories")
        return found

    async def context(
        self, model: str, generation: Generation
    ) -> Sequence[tuple[str, str]] | Refusal:
        """Ask one of the model's replicas."""
        found: Sequence[tuple[str, str]] | Refusal
        found = await self._replicas[model].ask("context", generation)
        return found

    async def encode(self, model: str, text: str, *, add_bos: bool, special: bool) -> Sequence[int]:
        """Encode on one of the model's replicas."""
        ids: Sequence[int] = await self._replicas[model].ask("encode", text, add_bos, special)
        return ids

    async def decode(self, model: str, tokens: Sequence[int]) -> str | Refusal:
        """Decode on one of the model's replicas."""
        text: str | Refusal = await self._replicas[model].ask("decode", list(tokens))
        return text


@serve.ingress()
class Ingress:
    """The deployment's class; it holds no state."""

    def __init__(
        self, handles: Mapping[str, DeploymentHandle[Any]], settings: FrontSettings
    ) -> None:
        self._backend = HandleBackend(handles)
        self._settings = settings

    def __serve_build_asgi_app__(self) -> FastAPI:
        return build_app(self._backend, self._settings)
