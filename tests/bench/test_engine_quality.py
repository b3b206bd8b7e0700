"""What packed weights cost: the loss of real text under SmolLM2-135M, in nats a token.

    pytest tests/bench/test_engine_quality.py -m truth -s

The text is Python of the standard library, in windows of 256 tokens, the same for every kind of weights.
"""

import asyncio
import inspect
import textwrap

import pytest
import torch

from gristmill.inference.engine import TorchEngine
from gristmill.inference.packing import Weights
from gristmill.inference.sampling import SamplingParams
from gristmill.tokens.tokenizer import Tokenizer
from tests.bench.test_engine_races import folder_of

pytestmark = [pytest.mark.truth, pytest.mark.timeout(1800)]
WINDOW, NUM_WINDOWS = 256, 8
MODULES = (textwrap, asyncio.base_events)


def test_packed_weights_lose_little() -> None:
    folder = folder_of("135m")
    tokenizer = Tokenizer.load(folder)
    text = "\n".join(inspect.getsource(module) for module in MODULES)
    tokens = tokenizer.encode(text)[: WINDOW * NUM_WINDOWS]
    windows = [tokens[at : at + WINDOW] for at in range(0, len(tokens), WINDOW)]
    kinds: tuple[Weights, ...] = ("plain", "int8", "int4")
    losses = {kind: _loss(folder, kind, windows) for kind in kinds}
    for kind, loss in losses.items():
        print(f"{kind}: {loss:.4f} nats a token, {loss - losses['plain']:+.4f}")
    assert abs(losses["int8"] - losses["plain"]) < 0.02
    assert losses["int4"] - losses["plain"] < 0.2


def _loss(folder, kind: Weights, windows: list[list[int]]) -> float:
    engine = TorchEngine.from_folder(
        folder, dtype=torch.bfloat16, weights=kind, compiled=True, cache_tokens=4096
    )
    params = SamplingParams(max_tokens=1, logprobs=0, prompt_logprobs=True)
    total = 0.0
    for number, window in enumerate(windows):
        engine.add(str(number), window, params)
        found = []
        while engine.has_work:
            found += engine.step()
        total += sum(one.logprob for one in found[0].prompt_logprobs)
    return -total / sum(len(window) - 1 for window in windows)
