"""How many replicas a model should have: by the tokens that wait, the cache that is held, the open requests.

Runs inside Serve's controller, to which Ray copies this module alone: it imports nothing of ours. Delays
and bounds are Serve's own (`AutoscalingConfig`); a request that finds no replica brings one at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class TokenScaling:
    """Serve's autoscaling policy; the largest of three wishes counts."""

    def __init__(
        self, target_queued_tokens: float, target_ongoing: float, target_cache: float
    ) -> None:
        """What one replica should have at most: prompt tokens to compute, requests, share of cache held."""
        self._queued_tokens = target_queued_tokens
        self._ongoing = target_ongoing
        self._cache = target_cache

    def __call__(self, context: Any) -> tuple[float, dict[str, Any]]:
        """Return the wanted number of replicas, and no state."""
        if not context.total_num_requests:
            return 0, {}
        metrics: Mapping[str, Mapping[Any, float]] = context.aggregated_metrics or {}
        wishes = {
            "requests": context.total_num_requests / self._ongoing,
            "tokens": sum(metrics.get("queued_tokens", {}).values()) / self._queued_tokens,
            "cache": sum(metrics.get("cache_use", {}).values()) / self._cache,
        }
        return max(wishes.values()), {}
