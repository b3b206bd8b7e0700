from pathlib import Path

import pytest
import torch

from gristmill.inference.engine import TorchEngine
from gristmill.inference.packing import Int8Linear
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
