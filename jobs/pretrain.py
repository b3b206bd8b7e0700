"""Stage `pretrain`: sequences -> a model (paper sections 3.3-3.5), on Ray Train with DeepSpeed.

    gristmill run laptop pretrain
    ray job submit --working-dir . -- python -m jobs.pretrain --recipe laptop --store S

From random weights, or from a Hugging Face Llama folder or a GGUF file (`pretrain.initial_model`, the
paper's v1.5; `tokenizer.from_model` names the same, and the vocabulary grows by the reserved tokens).
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from gristmill.errors import RecipeError
from gristmill.model.importing import Source
from gristmill.storage import Storage
from gristmill.tokens.tokenizer import Tokenizer
from gristmill.training.request import ModelRequest
from gristmill.training.weights import source_at
from jobs.stage import Outcome, StageContext, run_stage
from jobs.training import fresh_model, train_stage


def work(context: StageContext) -> Outcome:
    """Train on the tokens artifact."""
    section = context.recipe.pretrain
    if section is None:
        raise RecipeError(f"recipe {context.recipe.name} has no pretrain section")
    tokenizer = Tokenizer.load(context.inputs["tokenizer"].storage)
    if section.initial_model is None:
        model = fresh_model(context.recipe, tokenizer)
    else:
        model = model_from(section.initial_model)
        if context.recipe.tokenizer.from_model is None:
            raise RecipeError(
                "pretrain.initial_model knows its own tokenizer's ids, and the recipe trains another; "
                f"set tokenizer.from_model to {section.initial_model}"
            )
    if model.vocab_rows < tokenizer.num_tokens:
        model = model.model_copy(update={"vocab_rows": tokenizer.vocab_rows})
    return train_stage(context, section, model, context.inputs["tokens"].storage)


def model_from(folder: str) -> ModelRequest:
    """Return the request to go on from a model folder or GGUF file as it is. Raises ModelError."""
    storage = Storage.open(folder)
    with tempfile.TemporaryDirectory() as aside:
        if storage.local() is None and storage.exists("config.json"):
            (Path(aside) / "config.json").write_bytes(storage.read_bytes("config.json"))
            config = Source(Path(aside)).config
        else:
            config = source_at(storage.url, Path(aside)).config
    return ModelRequest(
        shape=config.shape,
        vocab_rows=config.vocab_rows,
        max_position=config.max_position,
        rope_theta=config.rope_theta,
        rope_scale=config.rope_scale,
        folder=storage.url,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stage; return the exit code."""
    return run_stage("pretrain", work, argv)


if __name__ == "__main__":
    # By its own name: Ray's workers can import `jobs.pretrain`, but nothing of `__main__`.
    from jobs.pretrain import main as main_by_name

    raise SystemExit(main_by_name())
