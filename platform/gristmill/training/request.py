"""What a training run is asked to do: plain values, so that it crosses to workers as JSON.

Everything a worker needs is in the request or behind a URL in it. `Training` holds what a recipe says;
the rest is what the job resolved. Runs with equal requests (but for `training`'s context fields, the
URLs and `threads`) see the same samples at every step.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gristmill.model.config import Shape
from gristmill.model.llama import LlamaConfig
from gristmill.section import Section
from gristmill.training.config import Training


class ModelRequest(Section):
    """The decoder to train: its function, and where its first weights come from."""

    shape: Shape
    vocab_rows: int
    max_position: int
    rope_theta: float
    rope_scale: float = 1.0
    initializer_std: float = 0.006
    mup_base_width: int | None = None
    """Width that `initializer_std` and the learning rate were tuned at; None: this one."""
    folder: str | None = None
    """URL of a model folder or a GGUF file with the first weights; None fills them from the seed."""

    def config(self) -> LlamaConfig:
        """Return the decoder's config."""
        return LlamaConfig(
            self.shape, self.vocab_rows, self.max_position, self.rope_theta, self.rope_scale
        )


class HeldOutRequest(Section):
    """Measure the model on held-out files `times` times, evenly spaced, the last at the end."""

    corpus: str
    """URL of the corpus artifact."""
    times: int = Field(ge=1)
    files: int = Field(ge=1)
    seed: int
    mode: Literal["psm", "spm", "spm_plain"] = "psm"
    """The layout that holes are asked in: the one that the model was trained on."""
    cross_file: bool = False
    """Ask for the names of imported files too (`evaluation.cross_file`)."""


class LongContextRequest(Section):
    """Measure bits per byte by position and retrieval by distance, before and after."""

    corpus: str
    """URL of the corpus artifact."""
    num: int = Field(ge=1)
    """Rows, and questions at each distance."""
    seed: int
    base_rope_theta: float
    """RoPE's base before the extension."""
    base_rope_scale: float


class TrainRequest(Section):
    """One run of the step loop."""

    stage: str
    """The step's key, as progress and metrics call it."""
    seed: int
    steps: int = Field(ge=1)
    training: Training
    model: ModelRequest
    rows: str
    """URL of the folder with the packed sequences (a tokens artifact, or instruction rows)."""
    tokenizer: str
    """URL of the tokenizer folder; copied into the model folder."""
    output: str
    """URL of the artifact's draft: model/, checkpoints/, metrics.jsonl, tensorboard/ go there."""
    cache: str | None = None
    """Local folder for copies of remote shards."""
    end: Literal["eos", "eot"] = "eos"
    """The token that ends a generation."""
    threads: int = 1
    """CPU threads of one worker."""
    held_out: HeldOutRequest | None = None
    long_context: LongContextRequest | None = None

    def measure_steps(self) -> frozenset[int]:
        """Return the steps after which the model is measured on held-out files."""
        if self.held_out is None:
            return frozenset()
        times = self.held_out.times
        return frozenset(max(1, round(self.steps * (i + 1) / times)) for i in range(times))
