"""Promotion and rollback."""

from pathlib import Path

import pytest

from gristmill.artifacts import Store
from gristmill.errors import StoreError
from gristmill.tags import promote, promoted, served, tags
from tests.small_store import put, put_chain


def test_the_newest_is_served_until_one_is_promoted(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    old = put(store, "pretrain", config={"n": 1})
    assert served(store, "demo-pretrain") == old
    assert promoted(store, "demo-pretrain") is None
    promote(store, old.label, "ann")
    put(store, "pretrain", config={"n": 2})
    assert served(store, "demo-pretrain") == old


def test_promoting_the_former_version_is_the_rollback(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    one, two = (put(store, "pretrain", config={"n": n}) for n in (1, 2))
    promote(store, one.label, "ann")
    promote(store, two.label, "bob")
    promote(store, two.label, "bob")
    tag = promote(store, one.label, "ann")
    assert [item.version for item in (tag.current, *tag.history)] == [
        one.record.version, two.record.version, one.record.version,
    ]  # fmt: skip
    assert tags(store) == [tag]
    assert served(store, "demo-pretrain") == one


def test_only_models_are_promoted(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    corpus = put_chain(store)["corpus"]
    with pytest.raises(StoreError, match=r"stage corpus, which holds no model; promote"):
        promote(store, corpus.label, "ann")


def test_a_damaged_tag_says_so(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    store.storage.write_bytes(".tags/demo-pretrain.json", b"{}")
    with pytest.raises(StoreError, match="is damaged; promote a version again"):
        promoted(store, "demo-pretrain")
