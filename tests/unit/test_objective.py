"""The objective: Hugging Face's loss, targets inside documents, any cut of the batch, pieces, z-loss."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gristmill.model.config import SIZES
from gristmill.model.folder import save_model, saved_name
from gristmill.model.llama import Llama, LlamaConfig, initialize
from gristmill.training.batch import make_batch
from gristmill.training.cross_entropy import CPU_ROWS
from gristmill.training.objective import Objective
from tests.model_folder import tiny_tokenizer


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
    loss, entropies = objective(make_batch([], mask_documents=True), 1.0)
    loss.backward()
    assert loss.item() == 0.0 and len(entropies) == 0
    assert all(not p.grad.any() for p in objective.parameters() if p.grad is not None)


def test_loss_equals_transformers(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    folder = tmp_path
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


@pytest.mark.parametrize("z_loss", [0.0, 1e-2])
def test_the_whole_table_of_logits_gives_the_same(z_loss: float) -> None:
    batch = make_batch(rows_of(8, masked=False), mask_documents=True)
    assert batch.num_targets > CPU_ROWS
    found = []
    for pieces in (True, False):
        model = model_of()
        loss, entropies = Objective(model, z_loss=z_loss, pieces=pieces)(batch, 1 / 7)
        loss.backward()
        found.append((loss.item(), entropies, [p.grad for p in model.parameters()]))
    (loss, entropies, gradients), (again, wanted, wanted_gradients) = found
    assert loss == pytest.approx(again, rel=1e-6)
    assert torch.allclose(entropies, wanted, atol=1e-5)
    for gradient, want in zip(gradients, wanted_gradients, strict=True):
        assert (gradient - want).abs().max() < 1e-5 * max(1.0, want.abs().max().item())
    if z_loss:  # counts, but not in the logged figure
        assert loss * 7 > entropies.sum()


def test_gradients_equal_transformers_whatever_the_accumulation(tmp_path: Path) -> None:
    """Ragged answers-only masks: eight micro-batches of one against Hugging Face's one of eight."""
    transformers = pytest.importorskip("transformers")
    model = model_of()
    save_model(tmp_path, model, None)
    theirs = transformers.LlamaForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    random = np.random.default_rng(4)
    rows, ids, labels = [], [], []
    for _ in range(8):
        end, start = int(random.integers(20, 33)), int(random.integers(1, 18))
        tokens, mask = random.integers(0, 128, 32), np.zeros(32, bool)
        mask[start:end] = True
        bounds = [0, end] + ([32] if end < 32 else [])
        rows.append(Packed(tokens, np.array(bounds, np.int32), end, mask))
        ids.append(tokens)
        labels.append(np.where(mask, tokens, -100))
    batches = [make_batch([row], mask_documents=True) for row in rows]
    targets = sum(batch.num_targets for batch in batches)
    losses = []
    for batch in batches:
        loss, _ = Objective(model)(batch, 1 / targets)
        loss.backward()
        losses.append(loss.item())
    wanted = theirs(torch.tensor(np.array(ids)), labels=torch.tensor(np.array(labels))).loss
    wanted.backward()
    assert sum(losses) == pytest.approx(wanted.item(), abs=1e-5)
    others = dict(theirs.named_parameters())
    for name, parameter in model.named_parameters():
        assert (parameter.grad - others[saved_name(name)].grad).abs().max() < 1e-6, name


def test_middles_run_from_fim_end_to_the_next_eos() -> None:
    special = tiny_tokenizer().special
    begin, hole, end, eos = special.fim_begin, special.fim_hole, special.fim_end, special.eos
    tokens = np.array([special.bos, 1, begin, 2, hole, 3, end, 4, 5, eos, 6, 7, eos, 8, end, 9])
    row = Packed(tokens, np.array([0, 13, 16], np.int32), 16)
    batch = make_batch([row], mask_documents=True, special=special)
    assert batch.targets_L[batch.middle_L].tolist() == [4, 5, eos, 9]
    assert not make_batch([row], mask_documents=True).middle_L.any()
    assert batch.pairs == 13 * 14 // 2 + 3 * 4 // 2


def test_a_middle_whose_beginning_is_unknown_is_none() -> None:
    """Joint suffix first is left out; plain suffix first and a middle after it are not."""
    special = tiny_tokenizer().special
    begin, hole, end, eos = special.fim_begin, special.fim_hole, special.fim_end, special.eos
    joint = [special.bos, begin, hole, 1, end, 2, 3, eos]
    plain = [hole, 4, begin, 5, end, 6, eos]
    paper = [begin, 7, hole, 8, end, 9, eos]
    tokens = np.array([*joint, *plain, *paper, *joint])
    bounds = np.array([0, len(tokens)], np.int32)
    batch = make_batch([Packed(tokens, bounds, len(tokens))], mask_documents=True, special=special)
    assert batch.targets_L[batch.middle_L].tolist() == [6, eos, 9, eos]
