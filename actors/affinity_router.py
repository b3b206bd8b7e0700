"""Serve's way to a replica: consistent hashing by what a request shares with earlier ones, overload apart."""

from collections.abc import Sequence

from ray.serve.experimental.consistent_hash_router import ConsistentHashRouter
from ray.serve.request_router import PendingRequest, RunningReplica

from gristmill.serving.exchange import Generation
from gristmill.serving.routing import affinity, spread


class AffinityRouter(ConsistentHashRouter):
    """The ring of Ray's router, with our key and with a way out of a busy replica."""

    async def choose_replicas(
        self,
        candidate_replicas: list[RunningReplica],
        pending_request: PendingRequest | None = None,
    ) -> list[list[RunningReplica]]:
        """Return replicas one by one, in the order they should be tried."""
        ranks = await super().choose_replicas(candidate_replicas, pending_request)
        if any(len(rank) != 1 for rank in ranks):
            return list(ranks)
        ranked = {rank[0].replica_id: rank[0] for rank in ranks}
        known = self.replica_queue_len_cache
        loads = {name: known.get(name) or 0 for name in ranked}
        return [[ranked[name]] for name in spread(list(ranked), loads)]

    def _routing_key(self, pending_request: PendingRequest | None) -> str | None:
        asked: Sequence[object] = pending_request.args if pending_request is not None else ()
        generation = next((one for one in asked if isinstance(one, Generation)), None)
        key = affinity(generation) if generation is not None else None
        return key if key is not None else super()._routing_key(pending_request)
