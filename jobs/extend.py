"""Stage `extend`: a model for longer sequences (paper section 3.6), on Ray Train with DeepSpeed.

    gristmill run laptop extend
    ray job submit --working-dir . -- python -m jobs.extend --recipe laptop --store S

RoPE's base and linear scale change, then a few steps on longer sequences at the final learning rate.
With `extend.long_context` the model is asked before and after how far its context reaches
(`long_context.json`).
"""

from collections.abc import Sequence

from gristmill.errors import RecipeError
from gristmill.training.request import LongContextRequest
from jobs.pretrain import model_from
from jobs.stage import Outcome, StageContext, run_stage
from jobs.training import corpus_of, train_stage


def work(context: StageContext) -> Outcome:
    """Train the pretrained model on the tokens made for this stage."""
    section = context.recipe.extend
    if section is None:
        raise RecipeError(f"recipe {context.recipe.name} has no extend section")
    if "pretrain" not in context.inputs:
        raise RecipeError(
            "extend goes on from pretrain's model; give the recipe a pretrain section"
        )
    base = model_from(context.inputs["pretrain"].storage.child("model").url)
    model = base.model_copy(
        update={
            "rope_theta": section.rope_theta,
            "rope_scale": section.rope_scale,
            "max_position": section.tokens.sequence_length,
        }
    )
    rows = context.inputs["tokens:extend"].storage
    if not section.long_context:
        return train_stage(context, section, model, rows)
    far = LongContextRequest(
        corpus=corpus_of(context, "long_context").storage.url,
        num=section.long_context,
        seed=context.recipe.seed,
        base_rope_theta=base.rope_theta,
        base_rope_scale=base.rope_scale,
    )
    return train_stage(context, section, model, rows, long_context=far)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stage; return the exit code."""
    return run_stage("extend", work, argv)


if __name__ == "__main__":
    # By its own name: Ray's workers can import `jobs.extend`, but nothing of `__main__`.
    from jobs.extend import main as main_by_name

    raise SystemExit(main_by_name())
