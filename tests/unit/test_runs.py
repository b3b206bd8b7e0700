"""Run state in the store: names, lookups, lost runs, kept logs."""

import time
from pathlib import Path

import pytest

from gristmill.errors import StoreError
from gristmill.recipe import parse
from jobs.runs import LOST_AFTER_S, Runs, RunState, new_state

RECIPE = parse("name: small\ncorpus: {sources: [{kind: installed, names: [rich]}]}")


def _make(folder: Path, **changes: object) -> tuple[Runs, RunState]:
    runs = Runs.open(str(folder))
    state = new_state(RECIPE, str(folder), (), "http://127.0.0.1:1").model_copy(update=changes)
    runs.create(state, RECIPE)
    return runs, runs.read(state.run)


def test_recipe_and_state_come_back(tmp_path: Path) -> None:
    runs, state = _make(tmp_path)
    assert runs.recipe(state.run) == RECIPE
    assert runs.recipe_url(state.run) == f"{tmp_path}/.runs/{state.run}/recipe.yaml"
    assert state.status == "queued" and state.run.startswith("small-")


def test_runs_are_found_by_name_beginning_and_last(tmp_path: Path) -> None:
    runs, one = _make(tmp_path, run="small-a1")
    _, two = _make(tmp_path, run="small-b1", created_s=time.time() + 1)
    assert runs.find("small-a") == one
    assert runs.find("last") == two
    with pytest.raises(StoreError, match="run 'small' is ambiguous"):
        runs.find("small")
    with pytest.raises(StoreError, match=r"run 'large' is not there .* runs: small-a1, small-b1"):
        runs.find("large")


def test_a_live_state_that_is_old_is_lost(tmp_path: Path) -> None:
    runs, state = _make(tmp_path, status="running")
    assert [item.run for item in runs.live()] == [state.run]
    assert state.seen(state.updated_s + LOST_AFTER_S + 1) == "lost"
    ended = state.model_copy(update={"status": "failed"})
    assert ended.seen(state.updated_s + LOST_AFTER_S + 1) == "failed"


def test_logs_are_kept_with_the_run(tmp_path: Path) -> None:
    runs, state = _make(tmp_path)
    assert runs.read_log(state.run, "corpus-1-1") is None
    runs.write_log(state.run, "corpus-1-1", "text \u2713")
    assert runs.read_log(state.run, "corpus-1-1") == "text \u2713"


def test_runs_are_no_artifacts_and_damage_is_named(tmp_path: Path) -> None:
    runs, state = _make(tmp_path)
    runs.storage.write_bytes(f"{state.run}/state.json", b"{}")
    with pytest.raises(StoreError, match="is damaged"):
        runs.states()
