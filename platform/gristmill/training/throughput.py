"""What a step cost: FLOPs by a stated formula, and the device's peak they are compared with.

Forward and backward, a multiply and an add counted as two: 6 for each weight that is multiplied (the
embedding is looked up) and token, and for attention 12 * layers * hidden for each pair of tokens. Causal
counts the pairs there are, inside documents; full counts T * T of each row, as most published figures
do. Recomputed activations are not counted: MFU, not HFU (Chowdhery et al. 2022, appendix B).

The peak is the data sheet's dense bf16 figure for a GPU that is known here, and for a CPU what it
reaches in fp32 matrix products of 1024 on the run's own threads: best of five.
"""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass

import torch

from gristmill.model.llama import LlamaConfig

PEAKS = {
    "H200": 989e12,
    "H100": 989e12,
    "H800": 989e12,
    "B200": 2250e12,
    "A100": 312e12,
    "A800": 312e12,
    "L40S": 362e12,
}
"""FLOP/s of a GPU whose name holds the key: dense bf16, the data sheet's."""


@dataclass(frozen=True)
class Peak:
    """The most a worker could compute."""

    flops_per_s: float | None
    source: str

    @staticmethod
    def of(device: torch.device) -> Peak:
        """Look a GPU up by name; measure a CPU."""
        if device.type == "cpu":
            return Peak(_measured(), "best of five fp32 products of 1024 x 1024 matrices")
        name = torch.cuda.get_device_name(device)
        for key, peak in PEAKS.items():
            if key in name:
                return Peak(peak, f"{name}: dense bf16 of the data sheet")
        return Peak(None, f"{name}: not in the table")


def _measured(size: int = 1024) -> float:
    one = torch.ones(size, size)
    times = []
    for _ in range(5):
        started = time.perf_counter()
        torch.mm(one, one)
        times.append(time.perf_counter() - started)
    return 2.0 * size**3 / min(times)


def step_flops(config: LlamaConfig, tokens: float, pairs: float) -> float:
    """Return the FLOPs of training on `tokens` of which `pairs` attend."""
    shape = config.shape
    looked_up = 0 if shape.tie_embeddings else config.vocab_rows * shape.hidden_size
    weights = config.num_parameters - looked_up
    return 6.0 * weights * tokens + 12.0 * shape.num_layers * shape.hidden_size * pairs


def memory_bytes(device: torch.device) -> int:
    """Return the most memory this worker has held: the process's on a CPU, the allocator's on a GPU."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
