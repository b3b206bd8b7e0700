"""The front on Ray Serve: the library's application over handles to the models' replicas."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle, DeploymentResponseGenerator

from gristmill.inference.stats import EngineStats
from gristmill.serving.access import FrontSettings
from gristmill.serving.app import build_app
from gristmill.serving.exchange import Generation, ModelCard, Piece, Refusal

CARDS_S = 2.0
"""How long the models' cards are believed before replicas are asked again."""


class HandleBackend:
    """A `Backend` over deployment handles."""

    def __init__(self, handles: Mapping[str, DeploymentHandle[Any]]) -> None:
        self._handles = dict(handles)
        self._cards: Sequence[ModelCard] = ()
        self._asked_s = 0.0

    async def cards(self) -> Sequence[ModelCard]:
        """Return the models' cards, at most `CARDS_S` old."""
        if not self._cards or time.monotonic() - self._asked_s > CARDS_S:
            asked = [handle.card.remote() for handle in self._handles.values()]
            self._cards = await asyncio.gather(*asked)
            self._asked_s = time.monotonic()
        return self._cards

    async def generate(
        self, model: str, generation: Generation
    ) -> AsyncGenerator[Piece | Refusal, None]:
        """Stream from one of the model's replicas; leaving early cancels there."""
        pieces = self._handles[model].options(stream=True).answer.remote(generation)
        assert isinstance(pieces, DeploymentResponseGenerator)
        try:
            async for piece in pieces:
                yield piece
        finally:
            pieces.cancel()  # type: ignore[no-untyped-call]

    async def loads(self) -> Mapping[str, Sequence[EngineStats]]:
        """Ask every replica of every model."""
        return {
            name: await handle.broadcast("load").results_async()
            for name, handle in self._handles.items()
        }

    async def lineage(self, model: str) -> Mapping[str, Any]:
        """Return what the model was made from."""
        found: Mapping[str, Any] = await self._handles[model].lineage.remote()
        return found

    async def repositories(self, model: str) -> Sequence[str]:
        """Ask one of the model's replicas."""
        found: Sequence[str] = await self._handles[model].repositories.remote()
        return found

    async def context(
        self, model: str, generation: Generation
    ) -> Sequence[tuple[str, str]] | Refusal:
        """Ask one of the model's replicas."""
        found: Sequence[tuple[str, str]] | Refusal
        found = await self._handles[model].context.remote(generation)
        return found

    async def encode(self, model: str, text: str, *, add_bos: bool, special: bool) -> Sequence[int]:
        """Encode on one of the model's replicas."""
        ids: Sequence[int] = await self._handles[model].encode.remote(text, add_bos, special)
        return ids

    async def decode(self, model: str, tokens: Sequence[int]) -> str | Refusal:
        """Decode on one of the model's replicas."""
        text: str | Refusal = await self._handles[model].decode.remote(list(tokens))
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
