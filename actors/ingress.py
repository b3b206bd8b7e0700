"""The front on Ray Serve: the library's application over handles to the models' replicas."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.exceptions import RayActorError, WorkerCrashedError
from ray.serve.exceptions import DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle, DeploymentResponseGenerator

from gristmill.inference.stats import EngineStats
from gristmill.serving.access import FrontSettings
from gristmill.serving.app import build_app
from gristmill.serving.exchange import Generation, ModelCard, Piece, Refusal

log = logging.getLogger("ray.serve")

CARDS_S = 2.0
"""How long the models' cards are believed before replicas are asked again."""
TRIES = 3
LOST = (RayActorError, WorkerCrashedError, DeploymentUnavailableError)
"""What Ray raises when a replica is gone, or a model has none."""
LOST_REFUSAL = Refusal(
    "the replica that was writing this answer is gone; ask again",
    status=503,
    code="replica_lost",
    retry_after_s=1,
)


class HandleBackend:
    """A `Backend` over deployment handles."""

    def __init__(self, handles: Mapping[str, DeploymentHandle[Any]]) -> None:
        self._handles = dict(handles)
        self._cards: dict[str, ModelCard] = {}
        self._asked_s = 0.0

    async def cards(self) -> Sequence[ModelCard]:
        """Return the models' cards, at most `CARDS_S` old; older ones of a model that has no replica now."""
        if len(self._cards) < len(self._handles) or time.monotonic() - self._asked_s > CARDS_S:
            found = await asyncio.gather(*(self._card(name) for name in self._handles))
            self._cards = dict(zip(self._handles, found, strict=True))
            self._asked_s = time.monotonic()
        return list(self._cards.values())

    async def _card(self, name: str) -> ModelCard:
        """Ask the replicas that are there, so that nobody's question keeps another model awake."""
        known = self._cards.get(name)
        if known is None:
            asked: ModelCard = await self._ask(name, "card")
            return asked
        found: list[ModelCard] = await self._all(name, "card")
        return max(found, key=lambda card: card.created_s, default=known)

    async def generate(
        self, model: str, generation: Generation
    ) -> AsyncGenerator[Piece | Refusal, None]:
        """Stream from one of the model's replicas; leaving early cancels there.

        A replica that is lost before its first piece is another's turn; later, the answer ends in a
        refusal, because nobody can go on with it.
        """
        for left in reversed(range(TRIES)):
            pieces = self._handles[model].options(stream=True).answer.remote(generation)
            assert isinstance(pieces, DeploymentResponseGenerator)
            begun = False
            try:
                async for piece in pieces:
                    begun = True
                    yield piece
                return
            except LOST as error:
                log.warning("a replica of %s was lost: %s", model, error)
                if begun or not left:
                    yield LOST_REFUSAL
                    return
            finally:
                pieces.cancel()  # type: ignore[no-untyped-call]

    async def loads(self) -> Mapping[str, Sequence[EngineStats]]:
        """Ask every replica of every model."""
        return {name: await self._all(name, "load") for name in self._handles}

    async def lineage(self, model: str) -> Mapping[str, Any]:
        """Return what the model was made from."""
        found: Mapping[str, Any] = await self._ask(model, "lineage")
        return found

    async def repositories(self, model: str) -> Sequence[str]:
        """Ask one of the model's replicas."""
        found: Sequence[str] = await self._ask(model, "repositories")
        return found

    async def context(
        self, model: str, generation: Generation
    ) -> Sequence[tuple[str, str]] | Refusal:
        """Ask one of the model's replicas."""
        found: Sequence[tuple[str, str]] | Refusal
        found = await self._ask(model, "context", generation)
        return found

    async def encode(self, model: str, text: str, *, add_bos: bool, special: bool) -> Sequence[int]:
        """Encode on one of the model's replicas."""
        ids: Sequence[int] = await self._ask(model, "encode", text, add_bos, special)
        return ids

    async def decode(self, model: str, tokens: Sequence[int]) -> str | Refusal:
        """Decode on one of the model's replicas."""
        text: str | Refusal = await self._ask(model, "decode", list(tokens))
        return text

    async def _all(self, model: str, method: str) -> list[Any]:
        """Call a method of all the model's replicas that are there; one that is just lost says nothing."""
        try:
            said = (
                await self._handles[model].broadcast(method).results_async(return_exceptions=True)
            )
        except LOST:
            return []
        return [one for one in said if not isinstance(one, Exception)]

    async def _ask(self, model: str, method: str, *given: Any) -> Any:
        """Call a method of one of the model's replicas; when that is lost, another's."""
        for left in reversed(range(TRIES)):
            try:
                return await getattr(self._handles[model], method).remote(*given)
            except LOST as error:
                if not left:
                    raise LOST_REFUSAL.error() from error
        raise AssertionError("unreachable")


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
