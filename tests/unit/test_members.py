"""Members of archives: names, limits, and what is refused."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from gristmill.corpus.sources import members as module
from gristmill.corpus.sources.members import inner, is_zip, members, names, refused_name
from gristmill.corpus.sources.repository import Bytes, Unread


def tar_of(path: Path, num_members: int, num_bytes: int = 1) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for number in range(num_members):
            info = tarfile.TarInfo(f"t/{number}.py")
            info.size = num_bytes
            archive.addfile(info, io.BytesIO(b"0" * num_bytes))
    return path


def zip_of(path: Path, num_members: int, num_bytes: int = 1) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(num_members):
            archive.writestr(f"t/{number}.py", b"0" * num_bytes)
    return path


@pytest.mark.parametrize("make", [tar_of, zip_of])
def test_wanted_members_are_read(tmp_path: Path, make: object) -> None:
    path = make(tmp_path / ("a.zip" if make is zip_of else "a.tgz"), 3)  # type: ignore[operator]
    assert is_zip(path) is (make is zip_of)
    assert names(path) == ["t/0.py", "t/1.py", "t/2.py"]
    assert list(members(path, {"t/1.py"})) == [Bytes("t/1.py", b"0")]


@pytest.mark.parametrize("make", [tar_of, zip_of])
def test_too_many_members_end_the_reading(
    tmp_path: Path, make: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_MEMBERS", 4)
    path = make(tmp_path / ("a.zip" if make is zip_of else "a.tgz"), 9)  # type: ignore[operator]
    *kept, last = members(path, None)
    assert len(kept) == len(names(path)) == 4
    assert isinstance(last, Unread)
    assert (last.path, last.reason) == (path.name, "archive_bomb")


@pytest.mark.parametrize("make", [tar_of, zip_of])
def test_too_many_bytes_end_the_reading(
    tmp_path: Path, make: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_TOTAL_BYTES", 40_000)
    path = make(tmp_path / ("a.zip" if make is zip_of else "a.tgz"), 9, 10_000)  # type: ignore[operator]
    *kept, last = members(path, None)
    assert 3 <= len(kept) <= 5
    assert isinstance(last, Unread) and last.reason == "archive_bomb"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("./a.py", "a.py"), ("././a.py", "a.py"), ("a\\b.py", "a/b.py"), ("/a.py", "/a.py")],
)
def test_names_inside(name: str, wanted: str) -> None:
    assert inner(name) == wanted


@pytest.mark.parametrize("name", ["/a", "..", "a/../b", "../a", "C:/a", "a\0b"])
def test_names_that_lead_out(name: str) -> None:
    assert refused_name(name) == ("unsafe_path", "the name leads out of the tree")


@pytest.mark.parametrize("name", ["a", "a/b.py", "..a", "a..b/c", "caf\udce9.py", "a\nb"])
def test_names_that_stay(name: str) -> None:
    assert refused_name(name) is None
