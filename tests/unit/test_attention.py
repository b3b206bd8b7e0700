"""Packed attention: each document as if it were alone, whatever computes it, forward and backward."""

import itertools

import pytest
import torch
from torch import Tensor

from gristmill.model import attention
from gristmill.model.attention import PackedAttention, positions_of

BOUNDS = (0, 5, 6, 37, 64)
KERNELS = {"torch": attention._torch_kernel, "flash-attn": attention._flash_kernel}


def heads_of(num: int, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(num)
    values = torch.randn(BOUNDS[-1], num, 16, generator=generator)
    return values.to(device, dtype).requires_grad_()


def plain(q_NHD: Tensor, k_NKD: Tensor, v_NKD: Tensor) -> Tensor:
    """Attention written down: scores, mask, softmax, one document after the other, in fp64."""
    found = []
    for start, end in itertools.pairwise(BOUNDS):
        q, k, v = (x[start:end].double().transpose(0, 1) for x in (q_NHD, k_NKD, v_NKD))
        k, v = (x.repeat_interleave(len(q) // len(x), dim=0) for x in (k, v))
        scores = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5
        seen = torch.ones(end - start, end - start, device=q.device).tril().bool()
        found.append((scores.masked_fill(~seen, -torch.inf).softmax(-1) @ v).transpose(0, 1))
    return torch.cat(found)


@pytest.mark.parametrize("kv", [4, 2, 1])
def test_every_document_attends_to_itself_alone(kv: int) -> None:
    q, k, v = heads_of(4), heads_of(kv), heads_of(kv)
    weight = torch.randn(BOUNDS[-1], 4, 16)
    found = PackedAttention(BOUNDS)(0, q, k, v)
    wanted = plain(q, k, v)
    assert (found - wanted).abs().max() < 1e-5
    ours = torch.autograd.grad((found * weight).sum(), (q, k, v))
    theirs = torch.autograd.grad((wanted * weight).sum(), (q, k, v))
    for one, other in zip(ours, theirs, strict=True):
        assert (one - other).abs().max() < 1e-5


@pytest.mark.gpu
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("kv", [4, 1])
def test_every_gpu_kernel_gives_the_same(
    name: str, kv: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = KERNELS[name]()
    if kernel is None:
        pytest.skip(f"{name} is not installed")
    monkeypatch.setattr(attention, "varlen_kernel", lambda: kernel)
    q, k, v = (heads_of(num, "cuda", torch.bfloat16) for num in (4, kv, kv))
    found = PackedAttention(BOUNDS, "cuda")(0, q, k, v)
    assert (found.double() - plain(q, k, v)).abs().max() < 2e-2
    exact = [x.detach().float() for x in (q, k, v)]
    assert (PackedAttention(BOUNDS, "cuda")(0, *exact) - plain(*exact)).abs().max() < 1e-5


def test_positions_begin_anew_in_every_document() -> None:
    assert positions_of((0, 3, 5)).tolist() == [0, 1, 2, 0, 1]
