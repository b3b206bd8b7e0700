"""The `evaluate` section of a recipe."""

from typing import Literal

from pydantic import Field

from gristmill.section import Section, context


class EvaluateSection(Section):
    """Which benchmarks, on which stages' models, how much of each."""

    models: tuple[Literal["initial", "pretrain", "extend", "finetune"], ...] = (
        "initial",
        "extend",
        "finetune",
    )
    """Stages whose models are scored; `initial` is the untrained model. A stage not in the recipe is skipped."""
    benchmarks: tuple[str, ...] = ("infilling", "fim_bits", "loss", "humaneval")
    """`infilling`, `fim_bits` and `loss` on the corpus's held-out split; any benchmark, as `name` or `name@rules`."""
    infilling_tasks: int = Field(400, ge=1)
    """Held-out lines completed from prefix and suffix, spread over files by hash."""
    benchmark_tasks: int | None = Field(None, ge=1)
    """The first so many tasks of each benchmark; None is all."""
    benchmark_new_tokens: int = Field(500, ge=1)
    """Longest answer to a benchmark's task; a benchmark may ask for less."""
    loss_files: int = Field(400, ge=1)
    max_new_tokens: int = 64
    context_tokens: int | None = None
    """Window of a prompt; None takes the model's own."""
    workers: int | None = context(None)
