"""Stage `pretrain`: sequences -> a model (paper sections 3.3-3.5), on Ray Train with DeepSpeed.

    gristmill run laptop pretrain
    ray job submit --working-dir . -- python -m jobs.pretrain --recipe laptop --store S

From random weights, or from a Hugging Face Llama folder (`pretrain.initial_model`, the paper's v1.5).
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from gristmill.errors import RecipeError
from gristmill.model.folder import read_config
from gristmill.storage import Storage
from gristmill.tokens.tokenizer import Tokenizer
from gristmill.training.request import ModelRequest
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
    if model.vocab_rows < tokenizer.num_tokens:
        raise RecipeError(
            f"pretrain.initial_model has {model.vocab_rows} vocabulary rows, the tokenizer "
            f"{tokenizer.num_tokens} ids; give tokenizer.from_model the model's own folder"
        )
    return train_stage(context, section, model, context.inputs["tokens"].storage)


def model_from(folder: str) -> ModelRequest:
    """Return the request to go on from a model folder as it is. Raises ModelError."""
    storage = Storage.open(folder)
    with tempfile.TemporaryDirectory() as aside:
        path = Path(aside) / "config.json"
        if storage.local() is None and storage.exists("config.json"):
            path.write_bytes(storage.read_bytes("config.json"))
        config = read_config(storage.local() or path.parent)
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
