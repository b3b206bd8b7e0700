"""Fewer key and value heads at equal size: what the cache saves, what decoding gains, what the loss costs.

pytest tests/bench/test_heads_truth.py -m truth -s

Multi-head, grouped-query and multi-query decoders of the same number of weights (what the key and value
matrices lose, the inner layer gets). Cache bytes are the engine's own tensors; decoding is many answers at
once after long prompts, taking turns; the loss is on real files that no row was made from, after the same
rows in the same order, three seeds.
"""

import math
import random
import time
from functools import lru_cache
from itertools import islice

import numpy as np
import pytest
import torch

from gristmill.inference.blocks import BLOCK
from gristmill.inference.engine import TorchEngine
from gristmill.inference.sampling import SamplingParams
from gristmill.model.config import Shape
from gristmill.model.llama import Llama, LlamaConfig, initialize
from gristmill.tokens.bpe import train
from gristmill.tokens.config import Fim
from gristmill.tokens.file_blocks import Layout
from gristmill.tokens.packing import pack
from gristmill.tokens.pieces import make_pieces
from gristmill.tokens.tokenizer import Tokenizer
from gristmill.training.batch import Row, make_batch
from gristmill.training.objective import Objective
from tests.bench.real_documents import documents
from tests.made_documents import PackedRow

pytestmark = [pytest.mark.truth, pytest.mark.timeout(3600)]

VOCAB, LENGTH, BATCH = 4096, 512, 4
STEPS, SEEDS = 300, 3
PEAK = 3e-3
NUM_ANSWERS, PROMPT, NEW = 8, 960, 32


def shape_of(hidden: int, inner: int, layers: int, heads: int, kv_heads: int) -> Shape:
    """Return a shape whose inner layer takes what fewer key and value heads leave."""
    saved = 2 * hidden * (hidden - hidden // heads * kv_heads)
    return Shape(
        hidden_size=hidden, intermediate_size=inner + round(saved / (3 * hidden)), num_layers=layers,
        num_heads=heads, num_kv_heads=kv_heads, tie_embeddings=True,
    )  # fmt: skip


KINDS = {"multi-head": 8, "grouped, 2": 2, "multi-query": 1}
"""Key and value heads of eight."""


def test_cache_and_decoding(capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(0)
    prompts = [[chance.randrange(VOCAB) for _ in range(PROMPT)] for _ in range(NUM_ANSWERS)]
    best, held, sizes = dict.fromkeys(KINDS, 0.0), {}, {}
    for _ in range(3):
        for name, kv_heads in KINDS.items():
            model = Llama(LlamaConfig(shape_of(512, 1376, 8, 8, kv_heads), VOCAB, 1024, 10000.0))
            initialize(model, 0.02, 1)
            engine = TorchEngine(
                model, lambda token: b"x", max_batch=NUM_ANSWERS, cache_tokens=NUM_ANSWERS * 1024
            )
            cache = engine._cache
            held[name] = (cache.keys.nbytes + cache.values.nbytes) // (NUM_ANSWERS * 1024)
            sizes[name] = model.config.num_parameters
            engine.complete(prompts, SamplingParams(max_tokens=1))  # fills the prefix cache
            first = _seconds(engine, prompts, 1)
            rate = NUM_ANSWERS * NEW / (_seconds(engine, prompts, 1 + NEW) - first)
            best[name] = max(best[name], rate)
    with capsys.disabled():
        print(f"\n{NUM_ANSWERS} answers after {PROMPT} tokens")
        print("heads          weights   cache bytes a token   decode tokens/s")
        for name in KINDS:
            print(f"{name:12} {sizes[name]:9} {held[name]:21} {best[name]:17.0f}")
    assert held["multi-head"] == 4 * held["grouped, 2"] == 8 * held["multi-query"]
    assert max(sizes.values()) <= 1.01 * min(sizes.values())
    assert best["grouped, 2"] > best["multi-head"]
    assert BLOCK <= PROMPT


def _seconds(engine: TorchEngine, prompts: list[list[int]], new: int) -> float:
    started = time.perf_counter()
    engine.complete(prompts, SamplingParams(max_tokens=new))
    return time.perf_counter() - started


@lru_cache(maxsize=1)
def material() -> tuple[Tokenizer, list[Row], list[Row], int]:
    """Return the tokenizer, rows to learn, rows of held-out files and the bytes of their texts."""
    found = list(islice(documents(9000), 0, None, 3))
    learned = [item for number, item in enumerate(found) if number % 10]
    apart = [item for number, item in enumerate(found) if number % 10 == 0][:100]
    tokenizer = train((item.files[0].text for item in learned[::4]), VOCAB)
    rows = [_rows(items, tokenizer, fim) for items, fim in ((learned, 0.5), (apart, 0.0))]
    num_bytes = sum(len((f.header + f.text).encode()) for item in apart for f in item.files)
    return tokenizer, rows[0], rows[1], num_bytes


def _rows(items: list, tokenizer: Tokenizer, rate: float) -> list[Row]:
    made = make_pieces(items, tokenizer, Layout(LENGTH, Fim(rate=rate), 1, 0))
    parts = np.split(made.ids, np.cumsum(made.lengths)[:-1])
    plan, rows = pack(made.lengths, LENGTH), []
    for number in range(plan.num_rows):
        held = [parts[piece].astype(np.int64) for piece in plan.row(number)]
        ends = [0, *np.cumsum([len(part) for part in held]).tolist()]
        rows.append(PackedRow(np.concatenate(held), np.array(ends, np.int32), ends[-1]))
    return rows


def trained(kv_heads: int, seed: int) -> float:
    """Train from the seed; return bits per byte on the held-out rows."""
    tokenizer, rows, apart, num_bytes = material()
    shape = shape_of(128, 352, 4, 8, kv_heads)
    model = Llama(LlamaConfig(shape, tokenizer.vocab_rows, LENGTH, 10000.0))
    initialize(model, 0.02, seed)
    objective = Objective(model)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=PEAK, betas=(0.9, 0.95), weight_decay=0.1, fused=True
    )
    order = np.random.default_rng(seed).permutation(len(rows))
    for step in range(STEPS):
        share = (step + 1) / 20 if step < 20 else 0.5 + 0.5 * math.cos(math.pi * step / STEPS)
        optimizer.param_groups[0]["lr"] = PEAK * share
        chosen = [rows[order[(step * BATCH + i) % len(rows)]] for i in range(BATCH)]
        batch = make_batch(chosen, mask_documents=True)
        objective(batch, 1 / batch.num_targets)[0].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():
        batches = [make_batch([row], mask_documents=True) for row in apart]
        return sum(float(objective(b, 1.0)[0]) for b in batches) / math.log(2) / num_bytes


def test_the_loss_after_equal_training(capsys: pytest.CaptureFixture[str]) -> None:
    found = {name: [trained(kv, seed) for seed in range(SEEDS)] for name, kv in KINDS.items()}
    with capsys.disabled():
        print(f"\n{STEPS} steps of {BATCH} x {LENGTH}, {SEEDS} seeds")
        print("heads          bits per byte   over multi-head, by seed")
        for name, values in found.items():
            over = [a - b for a, b in zip(values, found["multi-head"], strict=True)]
            print(f"{name:12} {np.mean(values):15.4f}   {' '.join(f'{x:+.4f}' for x in over)}")
    assert np.mean(found["grouped, 2"]) <= 1.02 * np.mean(found["multi-head"])
