"""Stage `finetune`: a model that follows instructions (paper section 3.7), on Ray Train with DeepSpeed.

    gristmill run laptop finetune
    ray job submit --working-dir . -- python -m jobs.finetune --recipe laptop --store S

Instructions in the Alpaca format become packed rows with a loss mask: answers and their `<|EOT|>` are
learned, prompts are not. The model folder's generation config ends at `<|EOT|>`.
"""

from collections.abc import Sequence

from gristmill.errors import RecipeError
from gristmill.tokens.instructions import write_instruction_shards
from gristmill.tokens.tokenizer import Tokenizer
from jobs.pretrain import model_from
from jobs.stage import Outcome, StageContext, run_stage
from jobs.training import train_stage

ROWS = "rows"


def work(context: StageContext) -> Outcome:
    """Pack the instructions and train the newest model of the recipe on them."""
    section = context.recipe.finetune
    if section is None:
        raise RecipeError(f"recipe {context.recipe.name} has no finetune section")
    base = next((key for key in ("extend", "pretrain") if key in context.inputs), None)
    if base is None:
        raise RecipeError(
            "finetune goes on from a model; give the recipe a pretrain section (pretrain.initial_model "
            "takes an existing one)"
        )
    model = model_from(context.inputs[base].storage.child("model").url)
    rows = context.draft.storage.child(ROWS)
    write_instruction_shards(
        rows,
        Tokenizer.load(context.inputs["tokenizer"].storage),
        section.instructions,
        sequence_length=section.sequence_length,
        epochs=section.epochs,
    )
    outcome = train_stage(context, section, model, rows, end="eot")
    context.draft.storage.delete(ROWS)
    return outcome


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stage; return the exit code."""
    return run_stage("finetune", work, argv)


if __name__ == "__main__":
    # By its own name: Ray's workers can import `jobs.finetune`, but nothing of `__main__`.
    from jobs.finetune import main as main_by_name

    raise SystemExit(main_by_name())
