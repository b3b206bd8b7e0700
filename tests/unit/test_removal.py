"""A repository can be taken out of a store, with all that was made from it; the records stay."""

from pathlib import Path

import pytest

from gristmill.artifacts import Store
from gristmill.errors import StoreError
from gristmill.removal import holders, remove_repository
from jobs.__main__ import main
from tests.small_store import SOURCES, put, put_chain


def test_holders_are_the_corpora_and_all_made_from_them(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    chain = put_chain(store)
    other = put(store, "tokenizer", config={"apart": 1})
    found = holders(store, SOURCES[0].repository)
    assert {item.label for item in found} == {artifact.label for artifact in chain.values()}
    assert found[0].record.stage == "corpus"
    assert other.label not in {item.label for item in found}
    assert holders(store, "nobody/nothing") == []


def test_what_holds_a_repository_goes_and_its_record_stays(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    chain = put_chain(store)
    name = SOURCES[0].repository
    labels = {artifact.label for artifact in chain.values()}
    assert {artifact.label for artifact in remove_repository(store, name).artifacts} == labels
    assert list(store.list()) == []
    kept = holders(store, name)
    assert {item.label for item in kept} == labels
    assert all(item.artifact is None and name in item.record.removed for item in kept)
    assert remove_repository(store, name).artifacts == ()
    with pytest.raises(StoreError, match="nobody/nothing"):
        remove_repository(store, "nobody/nothing")


def test_the_command_line_asks_and_removes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(str(tmp_path))
    chain = put_chain(store)
    name, where = SOURCES[0].repository, ["--store", str(tmp_path)]
    monkeypatch.setattr("typer.confirm", lambda *_args, **_options: exit(1))
    assert main(["store", "rm", "--repository", name, *where]) == 1
    assert len(list(store.list())) == len(chain)
    assert main(["store", "rm", "--repository", name, "--yes", *where]) == 0
    assert list(store.list()) == []
    capsys.readouterr()
    assert main(["lineage", "--repository", name, *where]) == 0
    said = capsys.readouterr().out
    assert chain["finetune"].label in said and "removed" in said
    assert main(["lineage", *where]) == 2
