"""One regular file from the disk, or the reason why not."""

import os
from pathlib import Path

import pytest

from gristmill.corpus.sources.disk import read_file, read_text
from gristmill.corpus.sources.repository import MAX_FILE_BYTES, Bytes, Unread


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"caf\xe9\n")
    assert read_file(tmp_path, "a.py") == Bytes("a.py", b"caf\xe9\n")
    assert read_text(tmp_path, "a.py") == "caf\ufffd\n"


def test_links_are_followed_only_where_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"a = 1\n")
    (tmp_path / "b.py").symlink_to("a.py")
    assert read_file(tmp_path, "b.py") == Unread("b.py", "link", "a link to a.py")
    assert read_file(tmp_path, "b.py", follow=True) == Bytes("b.py", b"a = 1\n")
    assert read_text(tmp_path, "b.py") == ""


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("pipe", "device"),
        ("folder", "unreadable"),
        ("huge", "too_large"),
        ("gone", "unreadable"),
        ("a\0b", "unreadable"),
    ],
)
def test_what_is_no_readable_file_has_its_reason(tmp_path: Path, name: str, reason: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with (tmp_path / "huge").open("wb") as huge:
        huge.truncate(MAX_FILE_BYTES + 1)
    item = read_file(tmp_path, name)
    assert isinstance(item, Unread) and item.reason == reason
