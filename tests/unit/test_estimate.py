"""Estimates agree with what is known of published models."""

from pathlib import Path

import pytest

from gristmill import estimate
from gristmill.corpus.config import CorpusSection, FolderSource, InstalledSource
from gristmill.model.config import SIZES
from gristmill.training.config import PretrainSection


def test_training_flops_are_six_for_each_weight_and_token_and_attention() -> None:
    shape = SIZES["6.7b"]
    weights = shape.num_parameters(32256)
    assert weights == pytest.approx(6.74e9, rel=0.002)
    flops = estimate.training_flops(shape, 32256, 4096, 1e9)
    assert flops == pytest.approx(6 * weights * 1e9 * 1.06, rel=0.01)


@pytest.mark.parametrize(
    ("stage", "per_weight"), [(0, 18), (1, 6 + 12 / 8), (2, 2 + 16 / 8), (3, 18 / 8)]
)
def test_zero_shards_states_as_its_paper_says(stage: int, per_weight: float) -> None:
    shape = SIZES["1.3b"]
    section = PretrainSection.model_validate(
        {"precision": "bf16", "zero_stage": stage, "workers": 8, "micro_batch": 1}
    )
    memory = estimate.training_memory(shape, 32256, 4096, section)
    states = memory.weights + memory.gradients + memory.optimizer
    assert states / shape.num_parameters(32256) == pytest.approx(per_weight, rel=1e-6)
    assert memory.total == states + memory.activations + memory.buffers


def test_checkpointing_trades_activations() -> None:
    sections = [
        PretrainSection.model_validate({"precision": "bf16", "activation_checkpointing": flag})
        for flag in (False, True)
    ]
    plain, saved = (
        estimate.training_memory(SIZES["6.7b"], 32256, 4096, section).activations
        for section in sections
    )
    assert saved < plain / 4


def test_offload_and_adapters_leave_the_weights() -> None:
    shape = SIZES["1.3b"]
    settings = {"precision": "bf16", "zero_stage": 2, "workers": 1}
    plain, offloaded, adapted = (
        estimate.training_memory(
            shape, 32256, 4096, PretrainSection.model_validate(settings | more)
        )
        for more in ({}, {"offload": "optimizer"}, {"lora": {"rank": 16}})
    )
    assert offloaded.weights == adapted.weights == plain.weights
    assert (offloaded.gradients, offloaded.optimizer) == (0, 0)
    assert adapted.optimizer < 0.02 * plain.optimizer


def test_vocabulary() -> None:
    assert estimate.vocab_rows(32000) == 32064
    assert estimate.bytes_per_token(1000) < estimate.bytes_per_token(32000) < 4


def test_sources_are_weighed_by_their_source_files(tmp_path: Path) -> None:
    (tmp_path / "one/.git").mkdir(parents=True)
    (tmp_path / "one/.git/config.py").write_bytes(b"x" * 1000)
    (tmp_path / "one/a.py").write_bytes(b"x" * 100)
    (tmp_path / "one/picture.png").write_bytes(b"x" * 1000)
    folder = FolderSource(kind="folder", path=str(tmp_path))
    assert estimate.source_bytes(CorpusSection(sources=(folder,))) == 100
    installed = InstalledSource(kind="installed", names=("networkx",))
    assert estimate.source_bytes(CorpusSection(sources=(installed,))) > 1_000_000
