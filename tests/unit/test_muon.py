"""Muon against torch's own, and AdamW beside it against torch's AdamW, step by step."""

import copy

import pytest
import torch

from gristmill.model.attention import PackedAttention, positions_of
from gristmill.model.config import SIZES
from gristmill.model.llama import Llama, LlamaConfig, initialize
from gristmill.training.muon import MOMENTUM, Muon, muon_groups, orthogonal


def model_of() -> Llama:
    model = Llama(LlamaConfig(SIZES["tiny"], 128, 64, 10000.0))
    initialize(model, 0.1, 1)
    return model


def gradients_of(model: Llama, seed: int) -> None:
    tokens = torch.randint(0, 128, (32,), generator=torch.Generator().manual_seed(seed))
    bounds = (0, 32)
    hidden = model(tokens, positions_of(bounds), PackedAttention(bounds))
    model.logits(hidden).logsumexp(-1).sum().backward()


def test_each_step_is_torchs() -> None:
    ours = model_of()
    theirs = copy.deepcopy(ours)
    theirs.tie()
    mixed = Muon(muon_groups(ours, 0.1), lr=1e-2, betas=(0.9, 0.95), eps=1e-8)
    hidden, other, flat = muon_groups(theirs, 0.1)
    muon = torch.optim.Muon(
        hidden["params"], lr=1e-2, weight_decay=0.1, momentum=MOMENTUM,
        adjust_lr_fn="match_rms_adamw",
    )  # fmt: skip
    adamw = torch.optim.AdamW(
        [{key: group[key] for key in ("params", "weight_decay")} for group in (other, flat)],
        lr=1e-2, betas=(0.9, 0.95), eps=1e-8,
    )  # fmt: skip
    for step in range(4):
        ours.zero_grad()
        gradients_of(ours, step)
        for one, same in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert one.grad is not None
            same.grad = one.grad.clone()
        for optimizer in (mixed, muon, adamw):
            for group in optimizer.param_groups:
                group["lr"] = 1e-2 / (step + 1)
            optimizer.step()
    for (name, one), other_weight in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert (one - other_weight).abs().max() < 2e-4, name


@pytest.mark.parametrize("shape", [(16, 64), (64, 16), (32, 32)])
def test_singular_values_come_close_to_one(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    values = torch.linalg.svdvals(orthogonal(matrix))
    assert values.min() > 0.3 and values.max() < 1.4


def test_a_weight_without_a_gradient_stays() -> None:
    model = model_of()
    before = [p.detach().clone() for p in model.parameters()]
    Muon(muon_groups(model, 0.1), lr=1.0, betas=(0.9, 0.95), eps=1e-8).step()
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
