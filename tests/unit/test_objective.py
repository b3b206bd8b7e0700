"""The objective: Hugging Face's loss, targets inside documents, any cut of the batch, pieces, z-loss."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gristmill.model.config import SIZES
from gristmill.model.folder import save_model
from gristmill.model.llama import Llama, LlamaConfig, initialize
from gristmill.training import objective as objectives
from gristmill.training.batch import make_batch
from gristmill.training.objective import Objective


@dataclass(frozen=True)
class Packed:
    tokens: npt.NDArray[np.int64]
    bounds: npt.NDArray[np.int32]
    num_tokens: int
    loss_mask: npt.NDArray[np.bool_] | None = None


def model_of() -> Llama:
    model = Llama(LlamaConfig(SIZES["tiny"], 128, 64, 10000.0))
    initialize(model, 0.1, 1)
    return model


def rows_of(num: int, *, masked: bool) -> list[Packed]:
    random = np.random.default_rng(3)
    rows = []
    for _ in range(num):
        cut, end = int(random.integers(3, 20)), int(random.integers(25, 33))
        bounds = [0, cut, end] + ([32] if end < 32 else [])
        mask = random.random(32) < random.random() if masked else None
        tokens = random.integers(0, 128, 32)
        rows.append(Packed(tokens, np.array(bounds, np.int32), end, mask))
    return rows


def test_targets_lie_inside_documents_and_on_marked_tokens() -> None:
    mask = np.array([1, 1, 0, 1, 1, 1, 1, 1], bool)
    row = Packed(np.arange(8), np.array([0, 4, 7, 8], np.int32), 7, mask)
    batch = make_batch([row, row], mask_documents=True)
    assert batch.num_tokens == 14
    assert batch.bounds == (0, 4, 7, 11, 14)
    assert batch.positions_N.tolist() == [0, 1, 2, 3, 0, 1, 2] * 2
    assert batch.targets_L.tolist() == [1, 3, 5, 6] * 2
    assert batch.target_positions_L.tolist() == [0, 2, 4, 5, 7, 9, 11, 12]
    whole = make_batch([row, row], mask_documents=False)
    assert whole.bounds == (0, 7, 14)
    assert whole.positions_N.tolist() == [0, 1, 2, 3, 4, 5, 6] * 2
    assert whole.targets_L.tolist() == batch.targets_L.tolist()


def test_no_rows_are_a_batch_without_a_loss() -> None:
    objective = Objective(model_of())
    loss, entropy = objective(make_batch([], mask_documents=True), 1.0)
    loss.backward()
    assert entropy.item() == 0.0
    assert all(not p.grad.any() for p in objective.parameters() if p.grad is not None)


def test_loss_equals_transformers(tmp_path: object) -> None:
    transformers = pytest.importorskip("transformers")
    from pathlib import Path

    folder = Path(str(tmp_path))
    model = model_of()
    save_model(folder, model, None)
    tokens = np.random.default_rng(1).integers(0, 128, 32)
    batch = make_batch([Packed(tokens, np.array([0, 32], np.int32), 32)], mask_documents=True)
    ours = Objective(model)(batch, 1 / batch.num_targets)[0]
    theirs = transformers.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = torch.from_numpy(tokens)[None]
    assert ours.item() == pytest.approx(theirs(ids, labels=ids).loss.item(), abs=1e-5)


@pytest.mark.parametrize("masked", [False, True])
def test_eight_small_batches_are_one_large(masked: bool) -> None:
    rows = rows_of(8, masked=masked)
    gradients = []
    for cut in (1, 3, 8):
        model = model_of()
        batches = [
            make_batch(rows[i : i + cut], mask_documents=True) for i in range(0, len(rows), cut)
        ]
        targets = sum(batch.num_targets for batch in batches)
        for batch in batches:
            Objective(model)(batch, 1 / targets)[0].backward()
        gradients.append([p.grad for p in model.parameters()])
    for one, three, eight in zip(*gradients, strict=True):
        assert (one - eight).abs().max() < 1e-6
        assert (three - eight).abs().max() < 1e-6


def test_logits_in_pieces_give_the_same_loss_and_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = make_batch(rows_of(4, masked=False), mask_documents=True)
    found = []
    for limit in (1 << 30, 128 * 7):
        monkeypatch.setattr(objectives, "MAX_LOGITS", limit)
        model = model_of()
        loss, entropy = Objective(model, z_loss=1e-2)(batch, 1 / batch.num_targets)
        loss.backward()
        found.append((loss.item(), entropy.item(), model.embed_tokens.weight.grad))
    (loss, entropy, gradient), (again, entropy_again, gradient_again) = found
    assert loss == pytest.approx(again, rel=1e-6)
    assert entropy == pytest.approx(entropy_again, rel=1e-6)
    assert (gradient - gradient_again).abs().max() < 1e-6
    assert loss > entropy / batch.num_targets  # z-loss counts, but not in the logged figure
