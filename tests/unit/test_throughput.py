"""FLOPs by the formula, against torch's own counter of what a step multiplies."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from gristmill.model.attention import PackedAttention, positions_of
from gristmill.model.config import SIZES
from gristmill.model.llama import Llama, LlamaConfig, initialize
from gristmill.training.throughput import Peak, memory_bytes, step_flops


@pytest.mark.parametrize("tied", [True, False])
def test_the_formula_is_what_torch_counts(tied: bool) -> None:
    shape = SIZES["tiny"].model_copy(update={"tie_embeddings": tied})
    model = Llama(LlamaConfig(shape, 512, 256, 10000.0))
    initialize(model, 0.1, 1)
    tokens, bounds = torch.arange(256), (0, 256)
    # the plain kernel is the one whose products torch counts
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        hidden = model(tokens, positions_of(bounds), PackedAttention(bounds))
        model.logits(hidden).sum().backward()
    norms = 6 * 256 * shape.hidden_size * (2 * shape.num_layers + 1)
    assert counter.get_total_flops() == step_flops(model.config, 256, 256**2) - norms


def test_a_cpu_is_measured_and_memory_is_this_process() -> None:
    peak = Peak.of(torch.device("cpu"))
    assert peak.flops_per_s is not None and 1e8 < peak.flops_per_s < 1e14
    assert "1024" in peak.source
    assert 1e7 < memory_bytes(torch.device("cpu")) < 1e12
