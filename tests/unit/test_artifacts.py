"""Records, fingerprints and the store."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.artifacts import RECORD, Record, Store, fingerprint
from gristmill.errors import StoreError
from tests.small_store import SOURCES, put, put_chain


def test_a_draft_is_not_an_artifact_until_it_is_committed(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    mark = fingerprint("corpus", 1, {})
    draft = store.draft("demo-corpus", mark)
    draft.storage.write_bytes("part.bin", b"half")
    assert store.find(mark) is None
    assert list(store.list()) == []
    made = put(store, "corpus")
    assert store.find(made.record.fingerprint) == made


def test_the_record_tells_everything_and_reads_back(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    chain = put_chain(store)
    record = chain["pretrain"].record
    assert record == Record.model_validate_json(chain["pretrain"].storage.read_bytes(RECORD))
    assert record.version == record.fingerprint[:12]
    assert record.files == {"data.bin": 10}
    assert record.inputs["tokens"].fingerprint == chain["tokens"].record.fingerprint
    assert chain["corpus"].record.sources == SOURCES


def test_a_draft_is_continued_or_cleared(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    store.draft("n", "f" * 64).storage.write_bytes("checkpoint", b"1")
    assert store.draft("n", "f" * 64, keep=True).storage.exists("checkpoint")
    assert not store.draft("n", "f" * 64).storage.exists("checkpoint")


def test_lookup_is_by_fingerprint_across_names(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    made = put(store, "corpus")
    assert store.find(made.record.fingerprint, name="another-corpus") == made
    assert store.find(made.record.fingerprint[:12] + "0" * 52) is None


def test_labels_shorten_and_say_what_is_ambiguous(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    made = [put(store, "tokens", config={"n": n}) for n in range(20)]
    assert store.get(made[3].label) == made[3]
    assert store.get(made[3].label[:-3]) == made[3]
    assert store.get("demo-tokens").record.created == max(a.record.created for a in made)
    shared = next(
        a.record.version[0]
        for a in made
        if sum(b.record.version[0] == a.record.version[0] for b in made) > 1
    )
    with pytest.raises(StoreError, match="ambiguous"):
        store.get(f"demo-tokens@{shared}")
    with pytest.raises(StoreError, match="names there: demo-tokens"):
        store.get("demo-token")


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    made = put(store, "corpus")
    made.storage.write_bytes(RECORD, b'{"stage": "corpus"}')
    with pytest.raises(StoreError, match=r"demo-corpus/.*/artifact\.json is damaged"):
        list(store.list())


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=4))
def test_a_fingerprint_does_not_depend_on_key_order(config: dict[str, object]) -> None:
    turned = dict(reversed(list(config.items())))
    assert fingerprint("corpus", 1, config) == fingerprint("corpus", 1, turned)


def test_everything_that_counts_changes_the_fingerprint() -> None:
    base = fingerprint("tokens", 1, {"a": 1}, {"x": "1", "y": "2"}, SOURCES)
    others = {
        fingerprint("corpus", 1, {"a": 1}, {"x": "1", "y": "2"}, SOURCES),
        fingerprint("tokens", 2, {"a": 1}, {"x": "1", "y": "2"}, SOURCES),
        fingerprint("tokens", 1, {"a": 2}, {"x": "1", "y": "2"}, SOURCES),
        fingerprint("tokens", 1, {"a": 1}, {"x": "1", "y": "3"}, SOURCES),
        fingerprint("tokens", 1, {"a": 1}, {"x": "1", "y": "2"}, SOURCES[:2]),
    }
    assert len(others | {base}) == 6
    assert base == fingerprint("tokens", 1, {"a": 1}, {"p": "2", "q": "1"}, SOURCES[::-1])


def test_a_store_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match=r"cannot be written.*choose another store with --store"):
        Store.open(str(tmp_path / "file/store")).check_writable()
