"""What a store may lose: never what a kept model was made of."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.artifacts import Store
from gristmill.errors import StoreError
from gristmill.lineage import walk_back
from gristmill.retention import collect, remove
from gristmill.tags import promote
from tests.small_store import put, put_chain


def _two_generations(folder: Path) -> tuple[Store, dict[str, str], dict[str, str]]:
    """Return a store with two chains over one corpus, the second newer, and their labels."""
    store = Store.open(str(folder))
    labels = []
    for seed, year in ((0, "2020"), (1, "2021")):
        chain = put_chain(store, seed)
        for artifact in chain.values():
            record = artifact.record.model_copy(update={"created": f"{year}-01-01T00:00:00Z"})
            artifact.storage.write_bytes("artifact.json", record.model_dump_json().encode())
        labels.append({key: artifact.label for key, artifact in chain.items()})
    return store, labels[0], labels[1]


def test_the_newest_of_each_name_stays_with_its_lineage(tmp_path: Path) -> None:
    store, old, new = _two_generations(tmp_path)
    done = collect(store)
    assert {a.label for a in done.removed} == {old[k] for k in ("tokens", "pretrain", "finetune")}
    assert {a.label for a in store.list()} == set(new.values())
    assert done.num_bytes == 30
    assert collect(store).removed == ()


def test_a_promoted_model_keeps_all_it_was_made_of(tmp_path: Path) -> None:
    store, old, new = _two_generations(tmp_path)
    promote(store, old["pretrain"], "ann")
    done = collect(store)
    assert {a.label for a in done.removed} == {old["finetune"]}
    assert walk_back(store, store.get(old["pretrain"])).missing == ()
    assert new["finetune"] in {a.label for a in done.kept}


def test_named_and_used_artifacts_stay(tmp_path: Path) -> None:
    store, old, _ = _two_generations(tmp_path)
    used = store.get(old["tokens"]).record.fingerprint
    assert {a.label for a in collect(store, in_use={used}, dry_run=True).removed} == {
        old["pretrain"],
        old["finetune"],
    }
    assert collect(store, keep=[old["finetune"]]).removed == ()
    with pytest.raises(StoreError, match="no artifact demo-x"):
        collect(store, keep=["demo-x"])


def test_a_dry_run_removes_nothing(tmp_path: Path) -> None:
    store, old, new = _two_generations(tmp_path)
    assert len(collect(store, dry_run=True).removed) == 3
    assert {a.label for a in store.list()} == set(old.values()) | set(new.values())


def test_drafts_go_only_when_asked_and_not_in_use(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    for mark in ("a" * 64, "b" * 64):
        store.draft("demo-corpus", mark).storage.write_bytes("part", b"1")
    assert collect(store).drafts == ()
    done = collect(store, drafts=True, in_use={"a" * 64})
    assert done.drafts == (f"demo-corpus/{'b' * 12}",)
    assert store.storage.folders("demo-corpus") == ["a" * 12]


@settings(max_examples=15, deadline=None)
@given(
    edges=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=14),
    kept=st.integers(0, 8),
)
def test_no_kept_artifact_ever_loses_an_ancestor(
    tmp_path_factory: pytest.TempPathFactory, edges: list[tuple[int, int]], kept: int
) -> None:
    store = Store.open(str(tmp_path_factory.mktemp("store")))
    made = []
    for number in range(9):
        inputs = {f"i{a}": made[a] for a, b in edges if b == number and a < b}
        made.append(put(store, f"s{number % 2}", inputs, config={"n": number}))
    collect(store, keep=[made[kept].label])
    left = {artifact.label for artifact in store.list()}
    assert made[kept].label in left
    assert all(not walk_back(store, artifact).missing for artifact in store.list())


def test_removing_one_is_refused_while_it_is_needed(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    chain = put_chain(store)
    with pytest.raises(StoreError, match=f"{chain['pretrain'].label} was made from it"):
        remove(store, chain["tokens"].label)
    promote(store, chain["finetune"].label, "ann")
    with pytest.raises(StoreError, match="it is the promoted version of demo-finetune"):
        remove(store, chain["finetune"].label)
    remove(store, chain["tokens"].label, force=True)
    assert store.find(chain["tokens"].record.fingerprint) is None
    assert not store.storage.exists(f"demo-tokens/{chain['tokens'].record.version}")
