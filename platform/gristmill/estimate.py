"""What a run will take, before it is started: bytes, tokens, FLOPs, memory.

Every figure is an estimate from closed formulas and the sources' sizes; where the store has the real
number, the plan takes that instead. FLOPs count a multiply and an add as two, forward and backward:
6 for each weight and token, and attention's 6 * layers * hidden * length (half of 12, it is causal;
Chowdhery et al. 2022, appendix B). Memory follows ZeRO (Rajbhandari et al. 2020, figure 1) for states
and Korthikanti et al. 2022, eq. 2 for activations, with attention scores never materialised.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from gristmill.corpus.config import (
    ArchiveSource,
    CorpusSection,
    FolderSource,
    GitSource,
    InstalledSource,
    TableSource,
)
from gristmill.corpus.languages import language_of_name
from gristmill.model.config import Shape
from gristmill.training.config import Training
from gristmill.training.cross_entropy import CPU_ROWS, GPU_LOGITS
from gristmill.training.lora import adapter_parameters

ARCHIVE_RATIO = 4.0
"""Source text over its compressed size."""
KEPT_SHARE = 0.6
"""Bytes of documents over bytes of source files: the rest is rejected or a duplicate."""
NUM_SPECIAL = 22
"""Reserved tokens beside the learned ones (DeepSeek-Coder's tokenizer has 22)."""


BUCKET = 500_000_000
"""Weights whose gradients DeepSpeed gathers before it shards them."""
CPU_PROCESS_BYTES = 550_000_000
"""A worker's process before its model: measured, with torch's CPU build."""


@dataclass(frozen=True)
class Memory:
    """Bytes that one training worker holds."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    buffers: int
    """What DeepSpeed gathers gradients in, and the second gradient of a table that is tied."""
    process: int
    """Python, torch and DeepSpeed themselves, where the host's memory is what counts."""

    @property
    def total(self) -> int:
        """All of it."""
        states = self.weights + self.gradients + self.optimizer
        return states + self.activations + self.buffers + self.process


def vocab_rows(vocab_size: int) -> int:
    """Return the embedding rows of a tokenizer: learned and reserved tokens, in multiples of 64."""
    return math.ceil((vocab_size + NUM_SPECIAL) / 64) * 64


def bytes_per_token(vocab_size: int) -> float:
    """Return the bytes of code that one token stands for, by vocabulary size.

    A line through what byte-level BPE with single digits and newlines reaches on code: 2.0 at 1,000
    tokens, 3.0 at 32,000.
    """
    return max(1.0, 2.0 + 0.2 * math.log2(max(vocab_size, 300) / 1000))


def training_flops(shape: Shape, rows: int, sequence_length: int, tokens: float) -> float:
    """Return the FLOPs of training on `tokens`; the embedding look-up costs none."""
    looked_up = 0 if shape.tie_embeddings else rows * shape.hidden_size
    weights = shape.num_parameters(rows) - looked_up
    attention = 6 * shape.num_layers * shape.hidden_size * sequence_length
    return tokens * (6.0 * weights + attention)


def training_memory(
    shape: Shape, rows: int, sequence_length: int, section: Training, *, gpu: bool = True
) -> Memory:
    """Return what one worker of a training stage holds, by ZeRO stage and precision.

    bf16: 2-byte weights, gradients summed in fp32, and 12 bytes of fp32 master weight and moments;
    fp32: 4, 4 and 8, and from ZeRO 1 on 4 more, since DeepSpeed keeps a master there too. ZeRO 1 shards
    the last, 2 the gradients too, 3 all; before they are sharded, gradients wait in a bucket. Adapters
    have gradients and an optimizer for themselves alone. Offloaded, a GPU holds neither.
    """
    weights = shape.num_parameters(rows)
    trained = weights if section.lora is None else adapter_parameters(shape, section.lora)
    wide = section.precision != "bf16"
    stage = section.zero_stage if wide else max(section.zero_stage, 2)
    sizes = (4, 4, 8 if stage == 0 else 12) if wide else (2, 4, 12)
    shares = [section.workers if section.zero_stage >= least else 1 for least in (3, 2, 1)]
    held = [
        math.ceil(count * size / share)
        for count, size, share in zip((weights, trained, trained), sizes, shares, strict=True)
    ]
    if gpu and section.offload == "optimizer":
        held[1:] = [0, 0]
    value = 4 if wide else 2
    table = rows * shape.hidden_size
    buffers = min(trained, BUCKET) * value if stage else 0
    buffers += 4 * table if shape.tie_embeddings and section.lora is None else 0
    return Memory(
        weights=held[0],
        gradients=held[1],
        optimizer=held[2],
        activations=_activations(shape, rows, section, sequence_length, gpu),
        buffers=buffers,
        process=0 if gpu else CPU_PROCESS_BYTES,
    )


def _activations(shape: Shape, rows: int, section: Training, length: int, gpu: bool) -> int:
    """Return the bytes that the backward pass needs of the forward pass, and the head's pieces.

    A layer keeps for each token its input, two norms' results, query, attention's result (twice on a
    CPU, where documents are joined) and the stream between: 7 hidden; keys and values; and 4 of the inner
    size. In bf16 the norms keep their fp32 input as well.
    """
    value = 4 if section.precision != "bf16" else 2
    tokens = section.micro_batch * length // section.sequence_parallel
    hidden, keys = shape.hidden_size, shape.num_kv_heads * shape.head_size
    layer = tokens * (value * (7 * hidden + 2 * keys + 4 * shape.intermediate_size))
    if value == 2:
        layer += tokens * 12 * hidden
    kept = tokens * hidden * value
    recomputed = section.activation_checkpointing
    layers = shape.num_layers * kept + layer if recomputed else shape.num_layers * layer
    piece = (GPU_LOGITS if gpu else CPU_ROWS * rows) * (4 + value)
    return layers + piece + tokens * hidden * (value + 4)


def source_bytes(section: CorpusSection) -> int:
    """Return about how many bytes of source files the sources hold, from sizes alone."""
    most = section.max_repository_bytes or sys.maxsize
    total = 0
    for source in section.sources:
        if isinstance(source, InstalledSource):
            total += sum(min(_installed_bytes(name), most) for name in source.names)
        elif isinstance(source, FolderSource):
            children = [path for path in Path(source.path).iterdir() if path.is_dir()]
            total += sum(min(_tree_bytes(path), most) for path in children)
        elif isinstance(source, GitSource):
            total += min(_tree_bytes(Path(source.path)), most)
        elif isinstance(source, ArchiveSource):
            total += round(ARCHIVE_RATIO * _file_bytes(source.paths))
        elif isinstance(source, TableSource):
            total += _file_bytes(source.paths)
    return total


def _installed_bytes(name: str) -> int:
    files = metadata.distribution(name).files or []
    return sum(
        file.size or 0 for file in files if file.size and language_of_name(str(file)) is not None
    )


def _tree_bytes(root: Path) -> int:
    total = 0
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name != ".git"]
        for name in files:
            if language_of_name(name) is not None:
                total += _size(Path(folder) / name)
    return total


def _file_bytes(paths: Iterable[str]) -> int:
    return sum(_size(Path(path)) for path in paths)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # a dangling link counts nothing here; reading it will say so
        return 0
