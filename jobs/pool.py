"""What a pool offers now: how many actors of one CPU (or GPU) it takes, and what they ask Ray for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ray


@dataclass(frozen=True)
class Pool:
    """A pool as a job sees it."""

    selector: Mapping[str, str]
    slots: int
    """Actors at once."""
    gpu: bool

    @staticmethod
    def of(selector: Mapping[str, str], wanted: int | None = None) -> Pool:
        """Look at the nodes that carry the selector's labels; at least one slot, for Ray to scale to.

        A Ray that was started without pools (a bare `ray.init()`) is one pool: nothing would ever
        carry the label there.
        """
        cpus = gpus = 0.0
        nodes = ray.nodes()  # type: ignore[no-untyped-call]
        if not any("pool" in node.get("Labels", {}) for node in nodes):
            selector = {}
        for node in nodes:
            labels = node.get("Labels", {})
            if node["Alive"] and all(labels.get(key) == value for key, value in selector.items()):
                cpus += node["Resources"].get("CPU", 0)
                gpus += node["Resources"].get("GPU", 0)
        here = int(gpus) if gpus else int(cpus)
        slots = max(1, here if wanted is None else min(wanted, max(here, 1)))
        return Pool(dict(selector), slots, gpus > 0)

    def options(self) -> dict[str, Any]:
        """Return the options of an actor that takes one slot."""
        place: dict[str, Any] = {"label_selector": dict(self.selector), "num_cpus": 1}
        return {**place, "num_gpus": 1} if self.gpu else place
