from pathlib import Path

import pytest

from gristmill.errors import StoreError
from gristmill.serving.following import Follower
from gristmill.serving.rendering import Layout
from gristmill.tags import promote
from tests.served_store import served_store


def test_the_promoted_version_is_wanted_and_fetched(tmp_path: Path):
    store, _, first = served_store(tmp_path / "store", 8000, seed=1)
    _, _, second = served_store(tmp_path / "store", 8000, seed=2)
    old, new = (store.find(steps["pretrain"].fingerprint) for steps in (first, second))
    assert old is not None and new is not None
    follower = Follower(store.storage.url, old.label, tmp_path / "cache")
    assert follower.wanted() == old.label
    promote(store, new.label, "test")
    assert follower.wanted() == new.label
    folder, summary = follower.fetch(new.label)
    assert (folder / "model.safetensors").is_file()
    assert (summary["repositories"], summary["complete"]) == (1, True)
    assert follower.layout(new.label) == Layout()
    assert follower.lineage(new.label)["repositories"][0]["repository"] == "idna"
    promote(store, old.label, "test")
    assert follower.wanted() == old.label


def test_a_version_that_is_gone_is_an_error(tmp_path: Path):
    follower = Follower(str(tmp_path), "none@123", tmp_path / "cache")
    with pytest.raises(StoreError):
        follower.fetch("none@123")
