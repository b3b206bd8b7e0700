"""Models in this very process behind the front: for tests, notebooks and single requests without Ray."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from gristmill.inference.stats import EngineStats
from gristmill.serving.exchange import Generation, ModelCard, Piece, Refusal
from gristmill.serving.host import ModelHost


class LocalBackend:
    """A `Backend` over hosts in this process."""

    def __init__(self, hosts: Sequence[ModelHost]) -> None:
        self._hosts = {host.name: host for host in hosts}

    async def cards(self) -> Sequence[ModelCard]:
        """Return the models, in the order they were given."""
        return [host.card() for host in self._hosts.values()]

    def generate(self, model: str, generation: Generation) -> AsyncGenerator[Piece | Refusal, None]:
        """Answer from the model's host."""
        return self._hosts[model].answer(generation)

    async def loads(self) -> Mapping[str, Sequence[EngineStats]]:
        """Return what the hosts' engines say."""
        return {name: [host.stats()] for name, host in self._hosts.items()}

    async def lineage(self, model: str) -> Mapping[str, Any]:
        """Return what the host was told when it loaded the model."""
        return self._hosts[model].card().lineage

    async def repositories(self, model: str) -> Sequence[str]:
        """Return what the model's index knows."""
        return self._hosts[model].repositories()

    async def context(
        self, model: str, generation: Generation
    ) -> Sequence[tuple[str, str]] | Refusal:
        """Look into the model's index."""
        return self._hosts[model].context(generation)

    async def encode(self, model: str, text: str, *, add_bos: bool, special: bool) -> Sequence[int]:
        """Encode with the tokenizer of the model's current weights."""
        return self._hosts[model].encode(text, add_bos=add_bos, special=special)

    async def decode(self, model: str, tokens: Sequence[int]) -> str | Refusal:
        """Decode with the tokenizer of the model's current weights."""
        return self._hosts[model].decode(tokens)
