"""The held-out split: by file, repository, date; no near copy crosses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.corpus.config import HeldOut
from gristmill.corpus.split import split
from gristmill.errors import RecipeError

LABELS = st.lists(st.integers(0, 30), min_size=1, max_size=80)


def contents_of(size: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 2**63, size, dtype=np.uint64)


def dense(labels: list[int]) -> np.ndarray:
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


@settings(deadline=None)
@given(LABELS, st.floats(0.05, 0.9), st.integers(1, 20), st.integers(-5, 5))
def test_by_file_no_cluster_is_on_both_sides_and_the_limit_holds(
    labels: list[int], share: float, max_files: int, seed: int
) -> None:
    label = dense(labels)
    held = HeldOut(by="file", share=share, max_files=max_files)
    found = split(held, seed, ["r"] * len(label), contents_of(len(label)), label, {})
    outside = set(label[~found.held_out].tolist())
    assert not outside & set(label[found.held_out].tolist())
    assert found.held_out.sum() <= max_files
    assert not found.copies.any() and not found.surplus.any()


@settings(deadline=None)
@given(LABELS, st.sampled_from(["repository", "date"]))
def test_by_repository_no_near_copy_stays_in_training(labels: list[int], by: str) -> None:
    label = dense(labels)
    repositories = [f"r{i % 4}" for i in range(len(label))]
    dates = {f"r{i}": f"2024-01-0{i + 1}" for i in range(4)}
    held = HeldOut(by=by, share=0.3, max_files=10)  # type: ignore[arg-type]
    found = split(held, 1, repositories, contents_of(len(label)), label, dates)
    training = ~found.held_out & ~found.copies & ~found.surplus
    assert not set(label[training].tolist()) & set(label[found.held_out].tolist())
    assert found.held_out.sum() <= 10
    if by == "date" and len(set(repositories)) > 1:
        held_repositories = {repositories[i] for i in np.flatnonzero(found.held_out)}
        assert max(repositories) in held_repositories


def test_the_share_is_about_reached() -> None:
    label = np.arange(20_000)
    held = HeldOut(by="file", share=0.1, max_files=10**6)
    found = split(held, 3, ["r"] * len(label), contents_of(len(label)), label, {})
    assert found.held_out.mean() == pytest.approx(0.1, abs=0.01)


def test_the_seed_changes_the_choice_and_the_order_does_not() -> None:
    contents, label = contents_of(500), np.arange(500)
    held = HeldOut(by="file", share=0.2, max_files=10**6)
    first = split(held, 1, ["r"] * 500, contents, label, {}).held_out
    assert (first != split(held, 2, ["r"] * 500, contents, label, {}).held_out).any()
    turned = split(held, 1, ["r"] * 500, contents[::-1].copy(), label, {}).held_out
    assert turned[::-1].tolist() == first.tolist()


def test_by_date_without_dates_is_an_error() -> None:
    with pytest.raises(RecipeError, match="no source knows its revision's date"):
        split(HeldOut(by="date", share=0.1), 0, ["a"], contents_of(1), np.zeros(1, np.int64), {})
