"""How fast a training step is, as ratios against named peers, interleaved in one run, best of several.

pytest tests/bench/test_training_speed.py -m truth -s

The peers of the step are transformers' Llama with its own loss and litgpt's decoder with torch's, of equal
shape, weights and optimizer (fused AdamW), on the same texts: whole rows, and documents of ragged lengths,
which a peer may have either padded, one a row, or packed under a block mask (the faster counts; litgpt
has no such mask).
"""

import itertools
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor
from torch.nn.functional import cross_entropy, scaled_dot_product_attention

from gristmill.model.attention import PackedAttention
from gristmill.model.config import SIZES, Shape
from gristmill.model.folder import save_model
from gristmill.model.llama import Llama, LlamaConfig, initialize
from gristmill.storage import Storage
from gristmill.training.batch import make_batch
from gristmill.training.config import Schedule, Training
from gristmill.training.cross_entropy import summed_cross_entropy
from gristmill.training.metrics import read_metrics
from gristmill.training.objective import Objective
from gristmill.training.request import ModelRequest, TrainRequest
from tests.bench.litgpt_peer import litgpt_model
from tests.made_documents import PackedRow, ragged_lengths
from tests.training_rank import logs, start, write_rows

pytestmark = [
    pytest.mark.truth,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore"),
]

SHAPE = Shape(
    hidden_size=256, intermediate_size=704, num_layers=6, num_heads=4, num_kv_heads=4,
    tie_embeddings=True,
)  # fmt: skip
ROWS, LENGTH, ROUNDS = 4096, 512, 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("model")
    model = Llama(LlamaConfig(SHAPE, ROWS, LENGTH, 10000.0))
    initialize(model, 0.02, 1)
    save_model(made, model, None)
    return made


def interleaved(*runs: Callable[[], None], rounds: int = ROUNDS) -> list[float]:
    """Return each run's best time; they take turns."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for run, found in zip(runs, times, strict=True):
            started = time.perf_counter()
            run()
            found.append(time.perf_counter() - started)
    return [min(found) for found in times]


def our_step(lengths: Sequence[Sequence[int]]) -> Callable[[], None]:
    """Return a step of ours on rows of documents of these lengths."""
    model = Llama(LlamaConfig(SHAPE, ROWS, LENGTH, 10000.0))
    length = max(map(sum, lengths))
    initialize(model, 0.02, 1)
    objective = Objective(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    rows = [PackedRow.of(row, length, ROWS, seed) for seed, row in enumerate(lengths)]

    def step() -> None:
        batch = make_batch(rows, mask_documents=True)
        objective(batch, 1 / batch.num_targets)[0].backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def their_step(folder: Path, ids: Tensor, labels: Tensor, **more: Tensor) -> Callable[[], None]:
    """Return a step of transformers' Llama on a batch."""
    model = transformers.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        model(ids, labels=labels, use_cache=False, **more).loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def litgpt_step(ids: Tensor, labels: Tensor) -> Callable[[], None]:
    """Return a step of litgpt's decoder on a batch; targets are the next token, as its trainer's."""
    ours = Llama(LlamaConfig(SHAPE, ROWS, ids.shape[1], 10000.0))
    initialize(ours, 0.02, 1)
    model = litgpt_model(ours.config, dict(ours.state_dict()))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        logits = model(ids[:, :-1]).flatten(0, 1)
        cross_entropy(logits, labels[:, 1:].flatten()).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def test_a_step_on_whole_rows(folder: Path) -> None:
    ids = torch.randint(0, ROWS, (2, LENGTH), generator=torch.Generator().manual_seed(1))
    ours, theirs, litgpt = interleaved(
        our_step([[LENGTH]] * 2), their_step(folder, ids, ids), litgpt_step(ids, ids)
    )
    print(f"whole rows: ours {ours * 1e3:.0f} ms, transformers {theirs * 1e3:.0f} ms, "
          f"{ours / theirs:.2f}x, litgpt {litgpt * 1e3:.0f} ms, {ours / litgpt:.2f}x")  # fmt: skip
    assert ours / theirs <= 1.0
    assert ours / litgpt <= 1.0


@pytest.mark.parametrize(("rows", "length"), [(4, 512), (1, 2048), (1, 4096)])
def test_a_step_on_ragged_documents(folder: Path, rows: int, length: int) -> None:
    lengths = ragged_lengths(rows, length, mean=max(80, length // 8))
    flat = list(itertools.chain(*lengths))
    random = np.random.default_rng(1)
    longest = max(flat)
    padded = torch.zeros(len(flat), longest, dtype=torch.int64)
    labels = torch.full_like(padded, -100)
    mask = torch.zeros_like(padded)
    for number, size in enumerate(flat):
        padded[number, :size] = torch.from_numpy(random.integers(0, ROWS, size))
        labels[number, :size] = padded[number, :size]
        mask[number, :size] = 1
    packed = torch.from_numpy(random.integers(0, ROWS, (len(lengths), length)))
    blocks = torch.stack([block_mask(row, length) for row in lengths])[:, None]
    places = torch.stack([torch.cat([torch.arange(n) for n in row]) for row in lengths])
    ours, alone, together, litgpt = interleaved(
        our_step(lengths),
        their_step(folder, padded, labels, attention_mask=mask),
        their_step(folder, packed, packed, attention_mask=blocks, position_ids=places),
        litgpt_step(padded, labels),
    )
    ratio = ours / min(alone, together, litgpt)
    print(f"{len(flat)} ragged documents in rows of {length}: ours {ours * 1e3:.0f} ms, transformers padded "
          f"{alone * 1e3:.0f} ms, packed under a mask {together * 1e3:.0f} ms, "
          f"litgpt padded {litgpt * 1e3:.0f} ms, {ratio:.2f}x of the fastest")  # fmt: skip
    assert ratio <= 0.67


def block_mask(lengths: Sequence[int], length: int) -> Tensor:
    """Return the additive mask of causal attention inside documents."""
    number = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    seen = (number[:, None] == number[None]) & torch.ones(length, length).tril().bool()
    return torch.zeros(length, length).masked_fill_(~seen, torch.finfo(torch.float32).min)


@pytest.mark.parametrize("length", [512, 1024, 2048, 4096, 8192])
def test_attention_per_document_against_a_dense_block_mask(length: int) -> None:
    """By length; and against causal attention over the whole row, which crosses the documents."""
    heads, size = 8, 64
    (lengths,) = ragged_lengths(1, length, mean=length // 13)
    attend = PackedAttention((0, *itertools.accumulate(lengths)))
    whole = PackedAttention((0, length))
    mask = block_mask(lengths, length)
    flat = [torch.randn(length, heads, size, requires_grad=True) for _ in range(3)]

    def ours() -> None:
        attend(0, *flat).sum().backward()

    def causal() -> None:
        whole(0, *flat).sum().backward()

    def dense() -> None:
        q, k, v = (x.transpose(0, 1)[None] for x in flat)
        scaled_dot_product_attention(q, k, v, attn_mask=mask).sum().backward()

    mine, row, theirs = interleaved(ours, causal, dense, rounds=4)
    print(f"attention over {len(lengths)} documents in {length}: {mine * 1e3:.0f} ms, causal row "
          f"{row * 1e3:.0f} ms ({row / mine:.1f}x), dense mask {theirs * 1e3:.0f} ms "
          f"({theirs / mine:.1f}x)")  # fmt: skip
    if length >= 4096:
        assert theirs / mine >= 2.5


@pytest.mark.parametrize(("targets", "hidden", "rows"), [(1024, 256, 4096), (1024, 512, 32256)])
def test_the_head_in_pieces(targets: int, hidden: int, rows: int) -> None:
    """Its time against the plain way; what it holds at once is measured apart, in a process."""
    hidden_LC = torch.randn(targets, hidden, requires_grad=True)
    head_VC = (torch.randn(rows, hidden) * 0.05).requires_grad_()
    targets_L = torch.randint(0, rows, (targets,))

    def plain() -> None:
        cross_entropy(hidden_LC @ head_VC.T, targets_L, reduction="sum").backward()

    def ours() -> None:
        summed_cross_entropy(hidden_LC, head_VC, targets_L, 0.0)[0].backward()

    mine, theirs = interleaved(ours, plain, rounds=4)
    print(f"head, {targets} x {hidden} -> {rows}: {mine / theirs:.2f}x of the plain way's time")
    assert mine / theirs < 1.15


def test_what_the_loop_costs_beside_the_step(tmp_path: Path) -> None:
    write_rows(tmp_path, 64, LENGTH)
    request = TrainRequest(
        stage="pretrain",
        seed=1,
        steps=40,
        training=Training(
            batch_sequences=4, learning_rate=1e-3, precision="fp32", zero_stage=0, micro_batch=2,
            schedule=Schedule(warmup_steps=2), checkpoint_every=100,
        ),
        model=ModelRequest(
            shape=SIZES["mini"], vocab_rows=4096, max_position=LENGTH, rope_theta=1e4
        ),
        rows=str(tmp_path / "tokens"),
        tokenizer=str(tmp_path / "tokenizer"),
        output=str(tmp_path / "out"),
    )  # fmt: skip
    assert start(tmp_path, [{"request": request.model_dump(mode="json")}]) == [0], logs(tmp_path)
    lines = read_metrics(Storage.open(request.output))[5:]
    total = sum(line["step_s"] for line in lines)
    loop = sum(line["loop_s"] for line in lines) / total
    waited = sum(line["data_wait_s"] for line in lines) / total
    print(f"loop outside forward, backward, optimizer {loop:.2%}; waiting for data {waited:.2%}")
    assert loop < 0.03
    assert waited < 0.01
