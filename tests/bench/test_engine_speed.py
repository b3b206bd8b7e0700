"""How fast the engine is, as ratios against named peers in one run.

pytest tests/bench/test_engine_speed.py -m truth -s
"""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers

from gristmill.inference.engine import TorchEngine
from gristmill.inference.sampling import SamplingParams
from gristmill.model.config import SIZES
from gristmill.model.folder import save_model
from gristmill.model.llama import Llama, LlamaConfig, initialize
from tests.model_folder import tiny_tokenizer

pytestmark = pytest.mark.truth

NUM_PROMPTS = 12
PROMPT = 200
NEW = 48


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("mini")
    tokenizer = tiny_tokenizer()
    model = Llama(LlamaConfig(SIZES["mini"], tokenizer.vocab_rows, 1024, 10000.0))
    initialize(model, 0.05, 1)
    tokenizer.save(made)
    save_model(made, model, None)
    return made


def _prompts() -> list[list[int]]:
    chance = random.Random(0)
    return [[chance.randrange(300) for _ in range(PROMPT)] for _ in range(NUM_PROMPTS)]


def _best(run: Callable[[], None], times: int = 3) -> float:
    found = []
    for _ in range(times):
        started = time.perf_counter()
        run()
        found.append(time.perf_counter() - started)
    return min(found)


def test_batched_answers_against_transformers_one_after_the_other(folder):
    prompts = _prompts()
    reference = transformers.LlamaForCausalLM.from_pretrained(folder)

    def alone() -> None:
        for prompt in prompts:
            reference.generate(
                torch.tensor([prompt]),
                attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                max_new_tokens=NEW,
                do_sample=False,
                eos_token_id=-1,
            )

    def batched() -> None:
        engine = TorchEngine.from_folder(folder, max_batch=NUM_PROMPTS, cache_tokens=8192)
        engine.complete(prompts, SamplingParams(max_tokens=NEW))

    ratio = _best(alone) / _best(batched)
    print(f"batched engine against transformers one by one: {ratio:.1f} times as fast")
    assert ratio > 3


def test_a_known_prefix_against_an_unknown_one(folder):
    prompts = [_prompts()[0] * 3 + [number] for number in range(8)]

    def timed(prefix_cache: bool) -> float:
        engine = TorchEngine.from_folder(folder, max_batch=1, cache_tokens=8192)
        engine._scheduler.prefix_cache = prefix_cache
        return _best(lambda: _complete(engine, prompts))

    ratio = timed(False) / timed(True)
    print(f"first tokens with the prefix cache: {ratio:.1f} times as fast")
    assert ratio > 3


def _complete(engine: TorchEngine, prompts: list[list[int]]) -> None:
    engine.complete(prompts, SamplingParams(max_tokens=1))
