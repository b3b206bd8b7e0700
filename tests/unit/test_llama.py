"""The decoder: packed documents, initial weights, recomputation."""

import itertools

import pytest
import torch

from gristmill.model.attention import PackedAttention, positions_of
from gristmill.model.config import SIZES, Shape
from gristmill.model.llama import Llama, LlamaConfig, initialize

SHAPE = Shape(
    hidden_size=48, intermediate_size=64, num_layers=2, num_heads=4, num_kv_heads=2,
    tie_embeddings=True,
)  # fmt: skip


def make(seed: int = 1) -> Llama:
    model = Llama(LlamaConfig(SHAPE, 128, 64, 10000.0))
    initialize(model, 0.2, seed)
    return model


@pytest.mark.parametrize("bounds", [(0, 5, 6, 37, 64), (0, 16, 32, 48, 64), (0, 64)])
def test_packed_documents_equal_each_document_alone(bounds: tuple[int, ...]) -> None:
    model = make()
    tokens_N = torch.randint(0, 128, (64,), generator=torch.Generator().manual_seed(2))
    packed = model(tokens_N, positions_of(bounds), PackedAttention(bounds))
    for start, end in itertools.pairwise(bounds):
        alone = model(
            tokens_N[start:end], torch.arange(end - start), PackedAttention((0, end - start))
        )
        assert (packed[start:end] - alone).abs().max() < 1e-5


def test_unmasked_rows_do_see_the_document_before() -> None:
    model = make()
    tokens_N = torch.randint(0, 128, (64,), generator=torch.Generator().manual_seed(2))
    row = model(tokens_N, torch.arange(64), PackedAttention((0, 64)))
    alone = model(tokens_N[32:], torch.arange(32), PackedAttention((0, 32)))
    assert (row[32:] - alone).abs().max() > 1e-2


def test_initial_weights_come_from_seed_and_name_alone() -> None:
    one, same, other = make(1), make(1), make(2)
    deeper = Llama(LlamaConfig(SHAPE.model_copy(update={"num_layers": 3}), 128, 64, 10000.0))
    initialize(deeper, 0.2, 1)
    weights = dict(deeper.named_parameters())
    for name, weight in one.named_parameters():
        assert torch.equal(weight, dict(same.named_parameters())[name])
        assert torch.equal(weight, weights[name])
        if weight.dim() == 2:
            assert not torch.equal(weight, dict(other.named_parameters())[name])
            assert weight.std().item() == pytest.approx(0.2, rel=0.1)
        else:
            assert torch.equal(weight, torch.ones_like(weight))


def test_recomputed_blocks_give_the_same_gradients() -> None:
    tokens_N = torch.arange(40)
    gradients = []
    for recompute in (False, True):
        model = make()
        model.checkpoint_blocks = recompute
        bounds = (0, 13, 40)
        model(tokens_N, positions_of(bounds), PackedAttention(bounds)).sum().backward()
        gradients.append([p.grad for p in model.parameters()])
    for plain, recomputed in zip(*gradients, strict=True):
        assert torch.equal(plain, recomputed)


@pytest.mark.parametrize("size", ["tiny", "mini"])
def test_the_shape_counts_its_parameters(size: str) -> None:
    config = LlamaConfig(SIZES[size], 512, 64, 10000.0)
    with torch.device("meta"):
        model = Llama(config)
    assert sum(p.numel() for p in model.parameters()) == config.num_parameters
