"""The `pretrain`, `extend` and `finetune` sections: one step loop, different data and initial weights."""

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from gristmill.section import Section, context
from gristmill.tokens.config import TokensSection


class Schedule(Section):
    """Learning rate over a run, in tokens. `three_stage` is the paper's: 80 %, 90 %, sqrt(1/10) each."""

    kind: Literal["three_stage", "cosine", "linear", "wsd", "constant"] = "three_stage"
    warmup_steps: int = Field(2000, ge=0)
    boundaries: tuple[float, float] = (0.8, 0.9)
    """Shares of the run's tokens where `three_stage` drops, or where `wsd` starts to decay (first)."""
    final_ratio: float = 0.1
    """Final over peak learning rate of `cosine`, `linear` and `wsd`."""


class Optimizer(Section):
    """AdamW as the paper and DeepSeek-LLM state it; or Muon for the hidden matrices."""

    kind: Literal["adamw", "muon"] = "adamw"
    """`muon` needs whole matrices: zero_stage 0 and fp32."""
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-8
    weight_decay: float = 0.1
    clip_norm: float = 1.0


Matrix = Literal["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


class Lora(Section):
    """Train low-rank adapters beside a model's matrices instead of the matrices."""

    rank: int = Field(16, ge=1)
    alpha: float = Field(32.0, gt=0)
    """An adapter's product counts alpha / rank."""
    targets: tuple[Matrix, ...] = get_args(Matrix)
    """Which matrices of each layer have one."""

    @property
    def scale(self) -> float:
        """What an adapter's product is multiplied by."""
        return self.alpha / self.rank


class Guard(Section):
    """What makes an update be left out, and when that ends the run."""

    sigmas: float = Field(6.0, ge=0)
    """A loss this many standard deviations above the mean of the window; 0 looks for NaN and inf only."""
    window: int = Field(128, ge=8)
    """Steps that are looked back on."""
    max_skips: int = Field(3, ge=1)
    """Updates left out in a row that end the run."""


class Training(Section):
    """What every training stage shares. The global batch is in sequences; workers never change it."""

    batch_sequences: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    steps: int | None = Field(None, ge=1)
    """Optimizer steps; None takes one pass over the sequences (all epochs of the tokens artifact)."""
    schedule: Schedule = Schedule()
    optimizer: Optimizer = Optimizer()
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """`auto` is bf16 where the train pool has GPUs, else fp32; resolved before the fingerprint."""
    mask_documents: bool = True
    """Attention never crosses a document; False concatenates as the paper does."""
    z_loss: float = 0.0
    guard: Guard = Guard()
    lora: Lora | None = None
    """Adapters; the model they stand beside is one that exists (`finetune`, or `pretrain.initial_model`)."""
    resume_from: str | None = None
    """Fingerprint of a finished, shorter training to go on from; set by `run --resume`, never by hand."""
    zero_stage: Literal[0, 1, 2, 3] = context(2)
    offload: Literal["none", "optimizer"] = context("none")
    """`optimizer`: fp32 weights, moments and summed gradients lie in the host's memory; zero_stage 1 to 3."""
    micro_batch: int = context(1, ge=1)
    workers: int = context(2, ge=1)
    threads: int = context(1, ge=1)
    """CPU cores of one worker."""
    activation_checkpointing: bool = context(False)
    sequence_parallel: int = context(1, ge=1)
    """Workers that share the tokens of a micro-batch (Ulysses): for sequences too long for one."""
    compile: bool = context(False)
    checkpoint_every: int = context(500, ge=1)
    """Steps between checkpoints; one is always written at the end."""
    keep_checkpoints: int = context(2, ge=1)
    max_failures: int = context(3, ge=0)
    evals: int = context(0, ge=0)
    """Times to measure on the corpus's held-out files during the run, evenly spread; not in ZeRO 3."""
    eval_files: int = context(100, ge=1)
    """Held-out files that are asked then."""


class PretrainSection(Training):
    """Pretraining (sections 3.3-3.5)."""

    batch_sequences: int = Field(1024, ge=1)
    learning_rate: float = Field(5.3e-4, gt=0)
    initial_model: str | None = context(None)
    """A Hugging Face Llama folder or a GGUF file to continue from (v1.5); None starts at random."""


class ExtendSection(Training):
    """Long context (section 3.6): RoPE rescaled, a few steps at the final learning rate."""

    batch_sequences: int = Field(512, ge=1)
    learning_rate: float = Field(5.3e-5, gt=0)
    steps: int | None = Field(1000, ge=1)
    schedule: Schedule = Schedule(kind="constant", warmup_steps=0)
    rope_scale: float = Field(4.0, gt=0)
    rope_theta: float = Field(100000.0, gt=0)
    long_context: int = context(0, ge=0)
    """Held-out rows, and questions a distance, that the model is asked before and after; not in ZeRO 3."""
    tokens: TokensSection = TokensSection(sequence_length=16384)


class FinetuneSection(Training):
    """Instruction tuning (section 3.7): Alpaca format, loss on answers only, `<|EOT|>`."""

    batch_sequences: int = Field(256, ge=1)
    learning_rate: float = Field(1e-5, gt=0)
    schedule: Schedule = Schedule(kind="cosine", warmup_steps=100, final_ratio=0.0)
    instructions: tuple[str, ...] = ("octopack-oasst", "alpaca-seed", "mbpp-train")
    """Bundled instruction sets by name, or paths of JSON / JSON-lines files (instruction, input, output)."""
    sequence_length: int = Field(4096, ge=16)
    epochs: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.instructions:
            raise ValueError("finetune.instructions is empty; name a bundled set or a file")
        return self


Measure = Literal[
    "fim_bits_per_byte",
    "infilling_exact_match",
    "l2r_bits_per_byte",
    "cross_file_bits_per_byte",
    "cross_file_gain_bits",
]


class SweepSection(Section):
    """A sweep on Ray Tune: a grid over dotted recipe keys, ASHA on tokens seen."""

    alone: bool = context(False)
    """The recipe is for its sweep: `pretrain` says what trials have in common and is no stage itself."""
    space: dict[str, tuple[float | int | str, ...]] = Field(default_factory=dict)
    """Dotted keys of `corpus`, `tokens`, `model` or `pretrain` and their values: a grid."""
    points: tuple[dict[str, float | int | str], ...] = ()
    """Trials spelled out, beside the grid's: for settings that no grid describes. `label` is what the
    point is called; the first is what the others are compared with."""
    seeds: int = Field(1, ge=1)
    """Each point is trained so often, from other first weights and in another order of samples."""
    max_trials: int | None = None
    """At most so many points, spread evenly; None takes all."""
    rounds: int | None = context(None, ge=1)
    """The budget: at most as many trials as the train pool, all of it there, takes in so many rounds.
    It becomes `max_trials` when the run is prepared, before the fingerprint."""
    steps: int = Field(200, ge=1)
    """Steps of a trial that runs to its end."""
    scheduler: Literal["asha", "none"] = "asha"
    grace_share: float = 0.34
    """Share of the steps that every trial gets before ASHA may stop it."""
    reduction_factor: int = 2
    measures: tuple[Measure, ...] = (
        "fim_bits_per_byte",
        "infilling_exact_match",
        "l2r_bits_per_byte",
    )
    """What is drawn, in this order; trials are judged by the mean of those that are bits."""
    eval_files: int = Field(200, ge=1)
    """Held-out files that the curves are measured on."""
    evals: int = Field(4, ge=1)
    """Points on each trial's curve."""
    concurrent: int | None = context(None, ge=1)
    """Trials at a time; None takes what the train pool holds."""
    workers_per_trial: int = context(1, ge=1)
    direct: bool = context(False)
    """A trial trains in its driver's own process, without a group of workers: for small models."""

    @model_validator(mode="after")
    def _judged(self) -> Self:
        if not any(name.endswith("bits_per_byte") for name in self.measures):
            raise ValueError("sweep.measures has no bits per byte to judge trials by; add one")
        if self.direct and self.workers_per_trial > 1:
            raise ValueError("sweep.direct is for one worker a trial; set workers_per_trial to 1")
        return self
