from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gristmill.errors import ModelError
from gristmill.inference.engine import TorchEngine
from gristmill.inference.packing import (
    Int4Linear,
    Int8Linear,
    dequantize_int4,
    pack_nibbles,
    unpack_nibbles,
)
from gristmill.inference.sampling import SamplingParams
from tests.model_folder import tiny_model


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_packed_matrix_is_the_matrix_to_half_a_step_a_value(dtype):
    torch.manual_seed(0)
    weight = torch.randn(96, 64, dtype=dtype)
    x = torch.randn(5, 64, dtype=dtype)
    packed = Int8Linear(weight)
    assert packed.weight.dtype == torch.int8
    restored = packed.weight.float() * packed.scale.float()[:, None]
    step = weight.float().abs().amax(dim=1, keepdim=True) / 127
    close = 0.51 if dtype == torch.float32 else 1.1  # bfloat16 rounds the scale besides
    assert bool(((restored - weight.float()).abs() <= close * step).all())
    wanted = x.float() @ restored.T
    error = (packed(x).float() - wanted).abs().max() / wanted.abs().max()
    assert error < (1e-5 if dtype == torch.float32 else 0.02)


def test_a_packed_model_answers_nearly_as_the_plain_one(tmp_path: Path):
    folder = tiny_model(tmp_path)
    params = SamplingParams(max_tokens=20, logprobs=5)
    prompts = [[5, 6, 7, number] for number in range(20, 40)]
    plain = TorchEngine.from_folder(folder, cache_tokens=4096).complete(prompts, params)
    packed = TorchEngine.from_folder(folder, cache_tokens=4096, weights="int8")
    same = [
        a.tokens[0] == b.tokens[0]
        for a, b in zip(plain, packed.complete(prompts, params), strict=True)
    ]
    assert sum(same) >= 16
    assert packed.stats().num_held_blocks == 0


@given(
    arrays(np.uint8, st.tuples(st.integers(1, 5), st.integers(1, 40).map(lambda n: 2 * n)),
           elements=st.integers(0, 15))
)  # fmt: skip
def test_nibbles_come_back(values):
    packed = pack_nibbles(torch.from_numpy(values))
    assert packed.shape == (values.shape[0], values.shape[1] // 2)
    assert torch.equal(unpack_nibbles(packed), torch.from_numpy(values))


@pytest.mark.parametrize("scale", [1e-4, 1.0, 300.0])
def test_int4_is_the_matrix_to_half_a_step_a_value(scale):
    torch.manual_seed(1)
    weight = torch.randn(24, 96) * scale
    weight[3] = 0
    weight[5] = 7 * scale
    layer = Int4Linear(weight)
    assert layer.weight.nbytes == weight.numel() // 2
    groups = weight.view(24, -1, 32)
    least, most = groups.aminmax(dim=-1)
    # bfloat16 rounds a group's scale and middle by up to one part in 256
    slack = (most - least) / 30 * 1.1 + groups.abs().amax(-1) / 128
    error = (layer.wide() - weight).view(24, -1, 32).abs().amax(-1)
    assert bool((error <= slack).all())
    x = torch.randn(3, 96)
    torch.testing.assert_close(layer(x), x @ layer.wide().T)


def test_int4_values_survive_being_packed_again():
    torch.manual_seed(2)
    once = Int4Linear(torch.randn(16, 64))
    values = unpack_nibbles(once.weight)
    wide = dequantize_int4(values, once.scale, once.middle)
    assert torch.equal(wide, once.wide())
    assert int(values.min()) == 0 and int(values.max()) == 15


def test_int4_refuses_odd_widths():
    with pytest.raises(ModelError, match=r"groups of 32 and this matrix has 40 inputs.*int8"):
        Int4Linear(torch.randn(4, 40))
