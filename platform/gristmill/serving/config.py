"""The `serve` section of a recipe: nothing in it is identity, an endpoint leaves no artifact."""

from typing import Literal

from pydantic import Field

from gristmill.section import Section


class ServeSection(Section):
    """The endpoint: which models, how they scale, how much one request may ask."""

    models: tuple[Literal["pretrain", "extend", "finetune"], ...] = ("extend", "finetune")
    """Stages whose newest or promoted models answer; the first is the completion default. A stage not in the recipe is skipped."""
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    min_replicas: int = Field(1, ge=0)
    max_replicas: int = Field(2, ge=1)
    max_batch: int = 16
    """Requests decoded together in one step of a replica's engine."""
    step_tokens: int = 512
    """Token budget of one engine step, decode first, prefill chunks after."""
    cache_tokens: int = 65536
    """Tokens of KV cache a replica holds."""
    max_queued: int = 64
    """Requests waiting in one replica before 429."""
    max_new_tokens: int = 1024
    request_timeout_s: float = 120.0
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    threads: int = 1
    follow_s: float = 10.0
    """Seconds between looks at the promoted tag; a new one is swapped in between two steps."""
