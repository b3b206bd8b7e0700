import hashlib
import os
from pathlib import Path

import pyarrow.fs as pafs
import pytest

from gristmill.errors import StoreError
from gristmill.storage import Storage
from gristmill.tokens.shard_cache import ShardCache, default_folder


@pytest.fixture
def remote(tmp_path: Path) -> Storage:
    """A store that is not local, as far as its type says."""
    root = tmp_path / "remote"
    root.mkdir()
    filesystem = pafs.SubTreeFileSystem(str(root), pafs.LocalFileSystem())
    return Storage("mem://remote/shards", filesystem, "shards")


def put(remote: Storage, name: str, data: bytes) -> tuple[str, str, int]:
    remote.write_bytes(name, data)
    return name, hashlib.sha256(data).hexdigest(), len(data)


def test_files_are_copied_once_and_checked(remote: Storage, tmp_path: Path) -> None:
    cache = ShardCache(tmp_path / "cache")
    name, digest, size = put(remote, "a.bin", b"x" * 1000)
    first = cache.fetch(remote, name, digest, size)
    assert first.read_bytes() == b"x" * 1000
    remote.delete(name)
    assert cache.fetch(remote, name, digest, size) == first


def test_a_damaged_file_is_no_copy(remote: Storage, tmp_path: Path) -> None:
    cache = ShardCache(tmp_path / "cache")
    put(remote, "a.bin", b"y" * 1000)
    with pytest.raises(StoreError, match=r"a\.bin is damaged"):
        cache.fetch(remote, "a.bin", "0" * 64, 1000)
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_oldest_go_when_it_is_full(remote: Storage, tmp_path: Path) -> None:
    cache = ShardCache(tmp_path / "cache", limit_bytes=250)
    paths = []
    for number in range(3):
        path = cache.fetch(remote, *put(remote, f"{number}.bin", bytes([number]) * 100))
        os.utime(path, (number, number))
        paths.append(path)
    assert [path.exists() for path in paths] == [False, True, True]


def test_a_local_store_is_used_in_place(tmp_path: Path) -> None:
    storage = Storage.open(str(tmp_path))
    fetched = ShardCache(tmp_path / "cache").fetch(storage, *put(storage, "a.bin", b"abc"))
    assert fetched == tmp_path / "a.bin"
    assert not (tmp_path / "cache").exists()


def test_the_folder_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GRISTMILL_CACHE", str(tmp_path))
    assert default_folder() == tmp_path
    monkeypatch.delenv("GRISTMILL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "gristmill"
