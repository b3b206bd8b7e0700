"""One model's replicas as the front sees them: calls that outlive the loss of a replica."""

import logging
from collections.abc import AsyncGenerator
from typing import Any

from ray.exceptions import RayActorError, WorkerCrashedError
from ray.serve.exceptions import DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle, DeploymentResponseGenerator

from gristmill.serving.exchange import Generation, Piece, Refusal

log = logging.getLogger("ray.serve")

TRIES = 3
LOST = (RayActorError, WorkerCrashedError, DeploymentUnavailableError)
"""What Ray raises when a replica is gone, or a model has none."""
LOST_REFUSAL = Refusal(
    "the replica that was writing this answer is gone; ask again",
    status=503,
    code="replica_lost",
    retry_after_s=1,
)


class Replicas:
    """A deployment's handle."""

    def __init__(self, name: str, handle: DeploymentHandle[Any]) -> None:
        self._name = name
        self._handle = handle

    async def stream(self, generation: Generation) -> AsyncGenerator[Piece | Refusal, None]:
        """Stream from one of the replicas; leaving early cancels there.

        A replica that is lost before its first piece is another's turn; later, the answer ends in a
        refusal, because nobody can go on with it.
        """
        for left in reversed(range(TRIES)):
            pieces = self._handle.options(stream=True).answer.remote(generation)
            assert isinstance(pieces, DeploymentResponseGenerator)
            begun = False
            try:
                async for piece in pieces:
                    begun = True
                    yield piece
                return
            except LOST as error:
                log.warning("a replica of %s was lost: %s", self._name, error)
                if begun or not left:
                    yield LOST_REFUSAL
                    return
            finally:
                pieces.cancel()  # type: ignore[no-untyped-call]

    async def ask(self, method: str, *given: Any) -> Any:
        """Call a method of one of the replicas; when that is lost, another's."""
        for left in reversed(range(TRIES)):
            try:
                return await getattr(self._handle, method).remote(*given)
            except LOST as error:
                if not left:
                    raise LOST_REFUSAL.error() from error
        raise AssertionError("unreachable")

    async def ask_all(self, method: str) -> list[Any]:
        """Call a method of all replicas that are there; one that is just lost says nothing."""
        try:
            said = await self._handle.broadcast(method).results_async(return_exceptions=True)
        except LOST:
            return []
        return [one for one in said if not isinstance(one, Exception)]
