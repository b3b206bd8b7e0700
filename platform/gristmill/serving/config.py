"""The `serve` section of a recipe; an endpoint leaves no artifact."""

from typing import Literal, Self

from pydantic import Field, model_validator

from gristmill.section import Section

ServedStage = Literal["pretrain", "extend", "finetune"]


class ServeSection(Section):
    """The endpoint: which models, how they scale, how much one request may ask."""

    models: tuple[ServedStage, ...] = ("extend", "finetune")
    """Stages whose models answer, the promoted version or this run's; the first is the completion default. A stage not in the recipe is skipped."""
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    proxies: Literal["head", "every"] = "head"
    """Where HTTP comes in: on the head node, or on every node that has a replica."""
    min_replicas: int = Field(1, ge=0)
    max_replicas: int = Field(2, ge=1)
    target_ongoing: float = Field(8.0, gt=0)
    """Requests a replica should have at once; more of them start another replica."""
    upscale_delay_s: float = Field(15.0, ge=0)
    downscale_delay_s: float = Field(120.0, ge=0)
    max_batch: int = Field(16, ge=1)
    """Requests decoded together in one step of a replica's engine."""
    step_tokens: int = Field(512, ge=1)
    """Token budget of one engine step, decode first, prefill chunks after."""
    cache_tokens: int = Field(65536, ge=16)
    """Tokens of KV cache a replica holds."""
    max_queued: int = Field(64, ge=0)
    """Requests waiting in one replica before 429."""
    max_new_tokens: int = Field(1024, ge=1)
    request_timeout_s: float = Field(120.0, gt=0)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    threads: int = Field(1, ge=1)
    """CPU threads of a replica's engine; leave a core to Ray."""
    replica_cpus: float = Field(0.5, ge=0)
    """CPUs a replica asks Ray for."""
    replica_gpus: float = Field(0.0, ge=0)
    follow_s: float = Field(10.0, gt=0)
    """Seconds between looks at the promoted tag; a new one is swapped in between two steps."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError(
                f"min_replicas {self.min_replicas} is above max_replicas {self.max_replicas}"
            )
        return self
