"""Which replica a request is for: the one that most likely has its prompt in the cache.

A replica knows the beginnings of prompts that it has seen, so what one person asks in one file belongs to
one replica. `affinity` names what must stay together: the user and the file where the request says so,
otherwise the beginning of the prompt, which stays while somebody types (see `rendering.EDGE`). The same
name leads to the same replica everywhere without anybody being asked; `spread` gives that up when the
replica has much more to do than the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from gristmill.serving.exchange import Generation

LEAD_CHARS = 256
"""Of a prompt: about what its first cache blocks hold."""
SLACK = 4
"""So many requests more than the others' double are no reason to leave."""

Name = TypeVar("Name")


def affinity(generation: Generation) -> str | None:
    """Return what a request has in common with those that share its prompt; None where nothing is known."""
    user = generation.user or ""
    if generation.file_path:
        place = generation.repository or generation.git_url or ""
        return "\0".join(("file", user, place, generation.file_path))
    if generation.messages:
        lead = next(iter(generation.messages))
        return "\0".join(("chat", user, lead["content"][:LEAD_CHARS]))
    before = [text for _, text in generation.extra]
    before += [str(prompt) for prompt in generation.prompts]
    lead_text = "".join(before)[:LEAD_CHARS]
    if len(lead_text) == LEAD_CHARS:
        return "\0".join(("lead", lead_text))
    return "\0".join(("user", user)) if user else None


def spread(ranked: Sequence[Name], loads: Mapping[Name, int]) -> list[Name]:
    """Return replicas in the order they should be tried: the ranked one first unless it has too much to do.

    `loads` are open requests; a replica that is not named has none. A replica that is passed over comes
    again at the end.
    """
    if len(ranked) < 2:
        return list(ranked)
    total = sum(loads.get(name, 0) for name in ranked)
    fitting: list[Name] = []
    busy: list[Name] = []
    for name in ranked:
        load = loads.get(name, 0)
        others = (total - load) / (len(ranked) - 1)
        (fitting if load <= 2 * others + SLACK else busy).append(name)
    return fitting + busy
