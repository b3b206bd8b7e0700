"""muP by its own measure: activations move alike at every width, at one learning rate."""

from typing import Any

import pytest
import torch

from gristmill.errors import RecipeError
from gristmill.model.attention import PackedAttention, positions_of
from gristmill.model.config import ModelSection, Shape
from gristmill.model.llama import Llama, LlamaConfig, fill
from gristmill.recipe import parse
from gristmill.training.mup import RATE, Mup

BASE, VOCAB, LENGTH = 64, 96, 32


def decoder(width: int, mup: Mup) -> Llama:
    shape = Shape(
        hidden_size=width, intermediate_size=2 * width, num_layers=2, num_heads=width // 16,
        num_kv_heads=width // 16,
    )  # fmt: skip
    model = Llama(LlamaConfig(shape, VOCAB, LENGTH, 10000.0))
    for name, weight in model.named_parameters():
        fill(name, weight.data, 0.08 * mup.spread(name), 1)
    return model


def moved(width: int, mup: Mup, rate: float = 0.005, steps: int = 3) -> float:
    """Return how far a few steps move the logits, in root mean square."""
    model = decoder(width, mup)
    groups = mup.groups(model.named_parameters(), [{"params": list(model.parameters())}])
    optimizer = torch.optim.AdamW([{**g, "lr": rate * g[RATE]} for g in groups], betas=(0.9, 0.95))
    tokens = torch.randint(0, VOCAB, (LENGTH,), generator=torch.Generator().manual_seed(3))
    bounds = [0, LENGTH]

    def logits() -> torch.Tensor:
        return model.logits(model(tokens, positions_of(bounds), PackedAttention(bounds)))

    with torch.no_grad():
        before = logits()
    for _ in range(steps):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(logits()[:-1], tokens[1:])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        return float((logits() - before).square().mean().sqrt())


def test_one_learning_rate_moves_every_width_alike() -> None:
    widths = (BASE, 2 * BASE, 6 * BASE)
    ours = [moved(width, Mup.of(width, BASE)) for width in widths]
    plain = [moved(width, Mup.of(width, None)) for width in widths]
    assert max(ours) < 2.0 * min(ours)
    assert plain[-1] > 2.5 * plain[0]


def test_without_a_base_nothing_changes() -> None:
    for mup in (Mup.of(BASE, None), Mup.of(BASE, BASE)):
        names = [name for name, _ in decoder(BASE, mup).named_parameters()]
        assert {mup.spread(name) for name in names} == {mup.rate(name) for name in names} == {1.0}


def test_every_weight_has_the_rate_of_its_kind() -> None:
    mup = Mup.of(4 * BASE, BASE)
    named = dict(decoder(4 * BASE, mup).named_parameters())
    matrices = [weight for weight in named.values() if weight.dim() == 2]
    flat = [weight for weight in named.values() if weight.dim() == 1]
    asked: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": 0.1}, {"params": flat, "weight_decay": 0.0},
    ]  # fmt: skip
    groups = mup.groups(named.items(), asked)
    assert [(g["weight_decay"], g[RATE], len(g["params"])) for g in groups] == [
        (0.1, 1.0, 1), (0.1, 0.25, 2 * 7 + 1), (0.0, 1.0, 2 * 2 + 1),
    ]  # fmt: skip
    assert groups[0]["params"][0] is named["embed_tokens.weight"]
    assert mup.spread("lm_head.weight") == 0.25
    assert mup.spread("layers.0.q_proj.weight") == 0.5


def test_a_tied_head_is_refused() -> None:
    text = "name: a\ncorpus: {sources: []}\nmodel: {size: tiny, mup_base_width: 32}\n"
    with pytest.raises(RecipeError, match="needs a head of its own"):
        parse(text)
    known = ModelSection(size="135m")
    assert known.identity() == ModelSection(size="135m", mup_base_width=None).identity()
    assert known.identity() != ModelSection(size="135m", mup_base_width=64).identity()
