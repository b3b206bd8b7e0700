"""The held-out split: by file, repository, date; decided by a boundary."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.corpus.config import HeldOut
from gristmill.corpus.split import Boundary, Eligible, chosen_repositories, cluster_keys
from gristmill.errors import RecipeError

LABELS = st.lists(st.integers(0, 30), min_size=1, max_size=80)
DATES = {f"r{i}": f"2024-01-0{i + 1}" for i in range(4)}


def keys_of(labels: list[int], seed: int = 1) -> np.ndarray:
    least = np.random.default_rng(5).integers(0, 2**63, 31, dtype=np.uint64)
    return cluster_keys(least[np.array(labels)], seed)


def boundary_of(
    held: HeldOut, repositories: list[str], keys: np.ndarray, parts: int = 1
) -> Boundary:
    counts = {name: repositories.count(name) for name in repositories}
    eligible = Eligible(held, chosen_repositories(held, 1, counts, DATES))
    ids = np.arange(len(keys), dtype=np.uint64)
    return eligible.boundary(
        eligible.first(repositories[at::parts], keys[at::parts], ids[at::parts])
        for at in range(parts)
    )


@settings(deadline=None)
@given(LABELS, st.floats(0.05, 0.9), st.integers(1, 20), st.integers(-5, 5), st.integers(1, 4))
def test_by_file_no_cluster_is_on_both_sides_and_the_limit_holds(
    labels: list[int], share: float, max_files: int, seed: int, parts: int
) -> None:
    keys, repositories = keys_of(labels, seed), ["r"] * len(labels)
    held = HeldOut(by="file", share=share, max_files=max_files)
    boundary = boundary_of(held, repositories, keys, parts)
    found, surplus = boundary.split(repositories, keys, np.arange(len(keys), dtype=np.uint64))
    assert not set(keys[found].tolist()) & set(keys[~found].tolist())
    assert found.sum() <= max_files
    assert not surplus.any()
    assert boundary == boundary_of(held, repositories, keys)


@settings(deadline=None)
@given(LABELS, st.sampled_from(["repository", "date"]), st.integers(1, 4))
def test_by_repository_the_limit_holds_and_what_is_beyond_it_is_in_neither(
    labels: list[int], by: str, parts: int
) -> None:
    keys = keys_of(labels)
    repositories = [f"r{i % 4}" for i in range(len(labels))]
    held = HeldOut(by=by, share=0.3, max_files=10)  # type: ignore[arg-type]
    boundary = boundary_of(held, repositories, keys, parts)
    found, surplus = boundary.split(repositories, keys, np.arange(len(keys), dtype=np.uint64))
    chosen = boundary.eligible.chosen
    assert chosen is not None
    inside = np.array([name in chosen for name in repositories])
    assert ((found | surplus) == inside).all() and not (found & surplus).any()
    assert found.sum() == min(10, inside.sum())
    if len(set(repositories)) > 1:
        assert 0 < inside.sum() < len(inside)
        assert by == "repository" or max(repositories) in chosen


def test_the_share_is_about_reached() -> None:
    least = np.random.default_rng(1).integers(0, 2**63, 20_000, dtype=np.uint64)
    held = HeldOut(by="file", share=0.1, max_files=10**6)
    keys, ids = cluster_keys(least, 3), np.arange(20_000, dtype=np.uint64)
    found, _ = Eligible(held, None).boundary([(keys[:9], ids[:9])]).split([], keys, ids)
    assert found.mean() == pytest.approx(0.1, abs=0.01)


def test_the_seed_changes_the_choice() -> None:
    assert (keys_of(list(range(30)), 1) != keys_of(list(range(30)), 2)).all()


def test_nothing_is_held_out_of_nothing_or_with_no_share() -> None:
    keys = keys_of([1, 2])
    for held in (HeldOut(share=0), HeldOut(share=0, by="date")):
        found, surplus = boundary_of(held, ["a", "b"], keys).split(["a", "b"], keys, keys)
        assert not found.any() and not surplus.any()


def test_by_date_without_dates_is_an_error() -> None:
    with pytest.raises(RecipeError, match="no source knows its revision's date"):
        chosen_repositories(HeldOut(by="date", share=0.1), 0, {"a": 1}, {})
