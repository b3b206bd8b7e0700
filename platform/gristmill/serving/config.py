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
    target_queued_tokens: int = Field(4096, ge=1)
    """Prompt tokens that may wait in a replica to be computed; more of them start another one."""
    target_cache_use: float = Field(0.8, gt=0, le=1)
    """Share of a replica's cache that requests may hold; more of it starts another one."""
    metrics_window_s: float = Field(30.0, gt=10)
    """Over how long these three are averaged."""
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
    weights: Literal["plain", "int8", "int4"] = "plain"
    """`int8` and `int4` pack the matrices on a CPU: faster single answers, rounded weights."""
    compiled: bool = True
    """Compute with the CPU kernel, built once by the C++ compiler, where there is one; answers are the same to fp32's tolerance."""
    overcommit: bool = False
    """Let requests in by their prompts' size; one may be thrown back to wait when the cache is full."""
    draft_tokens: int = Field(4, ge=0, le=16)
    """Most tokens guessed from the prompt in a step; answers stay the same, 0 guesses none."""
    surge_percent: int = Field(100, ge=0, le=100)
    """Replicas that may come up beside the old ones while another version is served, of a hundred.

    0 ends the old ones first: for pools whose machines have no room for both.
    """
    health_s: float = Field(3.0, gt=0)
    """Seconds between looks at a replica; one that is gone is replaced."""
    threads: int = Field(1, ge=1)
    """CPU threads of a replica's engine; leave a core to Ray."""
    replica_cpus: float = Field(0.5, ge=0)
    """CPUs a replica asks Ray for."""
    replica_gpus: float = Field(0.0, ge=0)
    follow_s: float = Field(10.0, gt=0)
    """Seconds between looks at the promoted tag; a new one is swapped in between two steps."""

    keys: str | None = None
    """A keys file (`gristmill.serving.access`); without one everybody may ask."""
    max_body_bytes: int = Field(4 * 2**20, ge=1024)
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may ask: `*`, `localhost`, or whole origins."""
    audit: Literal["none", "requests", "texts"] = "none"
    """`requests` logs who asked what, without code; `texts` logs prompts and answers too."""
    traces: str | None = Field(None, pattern=r"^https?://")
    """An OpenTelemetry collector's address for traces over HTTP, `http://host:4318/v1/traces`; none without."""
    aliases: dict[str, str] = Field(default_factory=dict)
    """Other names that clients may use, each for a model's id or for `completion` or `chat`."""
    lenient: bool = False
    """Ignore fields that are not carried out, and name them in `X-Gristmill-Ignored`."""
    repeats: Literal["report", "block", "ignore"] = "report"
    """What is done about an answer that repeats the corpus word for word; needs the `index` stage."""
    repeat_words: int = Field(64, ge=24)
    """From how many words and signs in a row on."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError(
                f"min_replicas {self.min_replicas} is above max_replicas {self.max_replicas}"
            )
        return self
