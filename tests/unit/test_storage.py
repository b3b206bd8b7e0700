"""A folder at a URL; the remote side is in tests/integration/test_s3_store.py."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.errors import StoreError
from gristmill.storage import Storage


@given(data=st.binary(max_size=200))
def test_bytes_come_back(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    storage = Storage.open(str(tmp_path_factory.mktemp("s")))
    storage.write_bytes("a/b/c.bin", data)
    assert storage.read_bytes("a/b/c.bin") == data
    assert storage.sizes() == {"a/b/c.bin": len(data)}


def test_listing_is_sorted_and_relative(tmp_path: Path) -> None:
    storage = Storage.open(str(tmp_path))
    for path in ("b/2", "a", "b/1", "b/d/3"):
        storage.write_bytes(path, b"")
    assert storage.list() == ["a"]
    assert storage.list("b") == ["b/1", "b/2"]
    assert storage.list(recursive=True) == ["a", "b/1", "b/2", "b/d/3"]
    assert storage.folders() == ["b"]
    assert storage.list("not/there") == [] == storage.folders("not/there")


def test_two_writers_of_one_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    storage = Storage.open(str(tmp_path))
    texts = [bytes([number]) * 50_000 for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: storage.write_bytes("state.json", text), texts))
    assert storage.read_bytes("state.json") in texts
    assert storage.list() == ["state.json"]


def test_half_a_file_is_never_listed_and_swept_in_the_end(tmp_path: Path) -> None:
    storage = Storage.open(str(tmp_path))
    storage.write_bytes("a/whole.part", b"1")
    left = tmp_path / "a" / "0000000.arrow.0badcafe.part"
    left.write_bytes(b"half")
    assert storage.list("a") == ["a/whole.part"]
    with storage.writing("a/stream") as stream:
        stream.write(b"2")
        assert storage.sizes() == {"a/whole.part": 1}
    storage.sweep()
    assert not left.exists()
    assert storage.sizes() == {"a/whole.part": 1, "a/stream": 1}


def test_a_child_is_the_same_folder(tmp_path: Path) -> None:
    storage = Storage.open(str(tmp_path))
    storage.child("x/y").write_bytes("z", b"1")
    assert storage.read_bytes("x/y/z") == b"1"
    assert storage.child("x/y").url == f"{tmp_path}/x/y"


def test_a_query_stays_at_the_end_of_a_childs_url() -> None:
    storage = Storage.open("s3://bucket/store?endpoint_override=127.0.0.1:9&scheme=http&region=r")
    child = storage.child("n/v")
    assert child.url == ("s3://bucket/store/n/v?endpoint_override=127.0.0.1:9&scheme=http&region=r")
    assert Storage.open(child.url).root == child.root == "bucket/store/n/v"


def test_deleting_takes_all_below_and_nothing_else(tmp_path: Path) -> None:
    storage = Storage.open(str(tmp_path))
    storage.write_bytes("a/b", b"")
    storage.write_bytes("ab", b"")
    storage.delete("a")
    storage.delete("never/was")
    assert storage.list(recursive=True) == ["ab"]


def test_folders_copy_up_down_and_across(tmp_path: Path) -> None:
    storage = Storage.open(str(tmp_path / "one"))
    (tmp_path / "local/inner").mkdir(parents=True)
    (tmp_path / "local/inner/f").write_bytes(b"7")
    storage.write_bytes("keep", b"")
    storage.upload(tmp_path / "local", "up")
    other = Storage.open(str(tmp_path / "two"))
    other.copy_from(storage, "up/inner")
    assert storage.read_bytes("up/inner/f") == other.read_bytes("up/inner/f") == b"7"
    assert storage.download("up", tmp_path / "unused") == tmp_path / "one/up"


def test_errors_name_the_file_and_the_store(tmp_path: Path) -> None:
    storage = Storage.open(str(tmp_path))
    with pytest.raises(StoreError, match="nothing cannot be read"):
        storage.read_bytes("nothing")
    storage.write_bytes("file", b"")
    with pytest.raises(StoreError, match="cannot be written"):
        storage.write_bytes("file/below", b"")
    with pytest.raises(StoreError, match=r"store nofs://x cannot be opened"):
        Storage.open("nofs://x")


def test_credentials_in_a_url_are_refused_and_not_repeated() -> None:
    with pytest.raises(StoreError, match="holds credentials") as caught:
        Storage.open("s3://key:secret@bucket/store")
    assert "secret@" not in str(caught.value)
