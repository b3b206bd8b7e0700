"""What the front asks of an engine, whichever it is: `TorchEngine`, or vLLM behind `VllmEngine`.

Token ids and params in, deltas out, one step at a time; `inference/loop.py` runs any of them in a thread.
`open_engine` picks one: vLLM where it is installed and there is a GPU, our own everywhere else.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch

from gristmill.inference.engine import Delta, TorchEngine
from gristmill.inference.packing import Weights
from gristmill.inference.sampling import SamplingParams
from gristmill.inference.stats import EngineStats
from gristmill.inference.vllm_engine import VllmEngine


class Engine(Protocol):
    """Answers many requests at once, a step at a time; not safe for threads."""

    max_position: int

    @property
    def has_work(self) -> bool:
        """Say whether a step would do anything."""

    def check(self, num_prompt: int, params: SamplingParams) -> None:
        """Raise RequestError when a prompt of this length can never be answered."""

    def add(self, request_id: str, tokens: Sequence[int], params: SamplingParams) -> None:
        """Queue a prompt. Raises RequestError when it can never be answered."""

    def abort(self, request_id: str) -> None:
        """Drop a request; nothing happens when it is not there any more."""

    def step(self) -> list[Delta]:
        """Compute one step and return what it added."""

    def stats(self) -> EngineStats:
        """Return what the engine is doing now."""


def open_engine(
    folder: Path,
    *,
    max_batch: int,
    step_tokens: int,
    cache_tokens: int,
    dtype: torch.dtype,
    weights: Weights,
    compiled: bool,
    overcommit: bool,
    draft_tokens: int,
) -> Engine:
    """Load a model folder into the engine that suits this machine. Raises ModelError.

    vLLM sizes its own cache and knows no packing of ours: `weights` other than plain stay with our engine.
    """
    if weights == "plain" and torch.cuda.is_available() and importlib.util.find_spec("vllm"):
        return VllmEngine.from_folder(
            folder,
            max_batch=max_batch,
            step_tokens=step_tokens,
            dtype=dtype,
            draft_tokens=draft_tokens,
        )
    return TorchEngine.from_folder(
        folder,
        max_batch=max_batch,
        step_tokens=step_tokens,
        cache_tokens=cache_tokens,
        dtype=dtype,
        weights=weights,
        compiled=compiled,
        overcommit=overcommit,
        draft_tokens=draft_tokens,
    )
