"""Hostile trees: each bad input costs itself, with one clear reason, and nothing else is lost."""

import gzip
import io
import lzma
import os
import socket
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pygit2
import pytest

from gristmill.corpus.config import (
    ArchiveSource,
    CorpusSection,
    FolderSource,
    GitSource,
    Isolation,
    Source,
    TableSource,
)
from gristmill.corpus.isolation import Isolated
from gristmill.corpus.pieces import plan_pieces
from gristmill.corpus.reading import Reader
from gristmill.corpus.sources import open_sources

GOOD = b"def add(x, y):\n    return x + y\n"
Outcome = dict[str, str]


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    folder = FolderSource(kind="folder", path=".")
    limits = Isolation(max_file_seconds=20)
    with Reader(CorpusSection(sources=(folder,), decontaminate=(), isolation=limits)) as reader:
        yield reader


def outcome(reader: Reader, source: Source) -> Outcome:
    """Return the reason of every file of a source; empty for one that stays."""
    section = CorpusSection(sources=(source,), decontaminate=())
    found: Outcome = {}
    for piece in plan_pieces(open_sources(section), section):
        table = reader.read(piece).table
        for path, reason in zip(
            table["path"].to_pylist(), table["reason"].to_pylist(), strict=True
        ):
            assert path not in found, f"{path} has two outcomes"
            found[path] = reason
    return found


def archive(path: Path) -> ArchiveSource:
    return ArchiveSource(kind="archive", paths=(str(path),))


def test_a_folder_of_traps(reader: Reader, tmp_path: Path) -> None:
    root = tmp_path / "root" / "tree"
    (root / "src").mkdir(parents=True)
    (tmp_path / "outside.py").write_bytes(GOOD)
    (root / "good.py").write_bytes(GOOD)
    (root / "GOOD.py").write_bytes(GOOD)
    (root / "link.py").symlink_to(tmp_path / "outside.py")
    (root / "loop.py").symlink_to("loop.py")
    (root / "src" / "up.py").symlink_to("..")
    os.link(root / "good.py", root / "hard.py")
    os.mkfifo(root / "pipe.py")
    with socket.socket(socket.AF_UNIX) as server:
        at = os.getcwd()
        os.chdir(root)  # a socket's path must be short
        server.bind("socket.py")
        os.chdir(at)
    (root / "nul.py").write_bytes(b"a = 1\0\n")
    (root / "latin.py").write_bytes(b"# caf\xe9\n" + GOOD)
    (root / "utf16.py").write_bytes(GOOD.decode().encode("utf-16"))
    (root / "utf32.py").write_bytes(GOOD.decode().encode("utf-32-le"))
    (root / "lies.py").write_bytes(b"# -*- coding: no-such-codec -*-\n# \xff\n" + GOOD)
    (root / "pointer.py").write_bytes(
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n"
    )
    (root / "empty.py").write_bytes(b"")
    (root / os.fsdecode(b"\xff\xfe.py")).write_bytes(GOOD)
    (root / "new\nline.py").write_bytes(GOOD)
    with (root / "huge.py").open("wb") as huge:
        huge.truncate(2_000_000_000)  # sparse: 2 GB that take no room
    found = outcome(reader, FolderSource(kind="folder", path=str(root.parent)))
    bad = {path: reason for path, reason in found.items() if reason}
    kept = {path for path, reason in found.items() if not reason}
    assert kept >= {
        "good.py",
        "GOOD.py",
        "hard.py",
        "utf16.py",
        "\\udcff\\udcfe.py",
        "new\nline.py",
    }
    latin = bad.pop("latin.py", "")
    assert latin in ("", "encoding")  # as the recipe has it: guessed, or refused
    assert bad == {
        "link.py": "link",
        "loop.py": "link",
        "src/up.py": "link",
        "pipe.py": "device",
        "socket.py": "unreadable",
        "nul.py": "binary",
        "utf32.py": "binary",
        "lies.py": "encoding",
        "pointer.py": "lfs_pointer",
        "empty.py": "empty",
        "huge.py": "too_large",
    }


def member(
    name: str, data: bytes = GOOD, kind: bytes = tarfile.REGTYPE
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data)
    return info, data


def test_a_tar_of_traps(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "evil-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for info, data in (
            member("top/good.py"),
            member("top/Good.py"),
            member("../up.py"),
            member("/etc/root.py"),
            member("top/../../sly.py"),
            member("top\\..\\..\\windows.py"),
            member("C:/drive.py"),
            member("top/good.py", b"x = 'the second of its name'\n"),
            member("top/after.py"),
        ):
            tar.addfile(info, io.BytesIO(data))
        for name, kind in (
            ("top/soft.py", tarfile.SYMTYPE),
            ("top/hard.py", tarfile.LNKTYPE),
            ("top/fifo.py", tarfile.FIFOTYPE),
            ("top/char.py", tarfile.CHRTYPE),
            ("top/block.py", tarfile.BLKTYPE),
        ):
            info, _ = member(name, b"", kind)
            info.linkname = "/etc/passwd"
            tar.addfile(info)
    found = sorted(outcome_of_pairs(reader, archive(path)))
    assert found == sorted(
        [
            ("good.py", ""),
            ("Good.py", ""),
            ("after.py", ""),
            ("good.py", "repeated_path"),
            ("../up.py", "unsafe_path"),
            ("/etc/root.py", "unsafe_path"),
            ("C:/drive.py", "unsafe_path"),
            ("../../sly.py", "unsafe_path"),
            ("../../windows.py", "unsafe_path"),
            ("block.py", "device"),
            ("char.py", "device"),
            ("fifo.py", "device"),
            ("hard.py", "link"),
            ("soft.py", "link"),
        ]
    )


def outcome_of_pairs(reader: Reader, source: Source) -> list[tuple[str, str]]:
    section = CorpusSection(sources=(source,), decontaminate=())
    pairs: list[tuple[str, str]] = []
    for piece in plan_pieces(open_sources(section), section):
        table = reader.read(piece).table
        pairs += zip(table["path"].to_pylist(), table["reason"].to_pylist(), strict=True)
    return pairs


def test_a_tar_that_unpacks_to_far_more_is_left_in_time(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "bomb-1.0.tar.xz"
    with lzma.open(path, "wb", preset=0) as stream:
        first, _ = member("good.py")
        stream.write(first.tobuf() + GOOD + bytes(-len(GOOD) % 512))
        zeros, _ = member("zeros.py")
        zeros.size = 150_000_000
        stream.write(zeros.tobuf())
        for _ in range(150):
            stream.write(bytes(1_000_000))
        stream.write(bytes(-150_000_000 % 512))
        last, _ = member("last.py")
        stream.write(last.tobuf() + GOOD + bytes(-len(GOOD) % 512) + bytes(1024))
    found = outcome_of_pairs(reader, archive(path))
    assert found == [
        ("bomb-1.0.tar.xz", "archive_bomb"),
        ("good.py", ""),
        ("zeros.py", "too_large"),
    ]


def test_a_name_that_fills_the_memory_is_damage(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "name-1.0.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        first, _ = member("good.py")
        stream.write(first.tobuf() + GOOD + bytes(-len(GOOD) % 512))
        long, _ = member("././@LongLink", b"", tarfile.GNUTYPE_LONGNAME)
        long.size = 50_000_000
        stream.write(long.tobuf() + b"a" * 50_000_000 + bytes(-50_000_000 % 512))
    wanted = {"good.py": "", "name-1.0.tar.gz": "truncated"}
    assert outcome(reader, archive(path)) == wanted


def zipped(path: Path, *members: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def test_a_zip_of_traps(reader: Reader, tmp_path: Path) -> None:
    inner = zipped(tmp_path / "inner.zip", ("a.py", b"0" * 30_000_000))
    path = zipped(
        tmp_path / "evil-1.0.zip",
        ("good.py", GOOD),
        ("../up.py", GOOD),
        ("bomb.py", b"0" * 30_000_000),
        ("nested.zip", inner.read_bytes()),
        ("secret.py", GOOD),
        ("flipped.py", os.urandom(3000)),
    )
    data = bytearray(path.read_bytes())
    at = data.index(b"secret.py", data.index(b"PK\x01\x02"))  # in the directory
    flags = at - 46 + 8
    data[flags : flags + 2] = struct.pack("<H", struct.unpack("<H", data[flags : flags + 2])[0] | 1)
    at = data.index(b"flipped.py") + 500
    data[at] ^= 0xFF
    path.write_bytes(data)
    assert outcome(reader, archive(path)) == {
        "good.py": "",
        "../up.py": "unsafe_path",
        "bomb.py": "archive_bomb",
        "nested.zip": "language",
        "secret.py": "encrypted",
        "flipped.py": "truncated",
    }


@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w:bz2", "w"])
def test_a_tar_cut_midway_gives_what_came_before(reader: Reader, tmp_path: Path, mode: str) -> None:
    path = tmp_path / "cut-1.0.tar"
    texts = {f"{i}.py": f"key_{i} = {os.urandom(3000).hex()!r}\n".encode() for i in range(40)}
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, data in texts.items():
            info, _ = member(name, data)
            tar.addfile(info, io.BytesIO(data))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    found = outcome_of_pairs(reader, archive(path))
    assert [reason for _, reason in found].count("truncated") == 1
    # bzip2 unpacks by blocks of 900 kB, so that a cut may cost all
    assert len(found) > (0 if mode == "w:bz2" else 15)


@pytest.fixture
def git(tmp_path: Path) -> tuple[Path, pygit2.Repository]:
    path = tmp_path / "broken"
    store = pygit2.init_repository(str(path))
    blob = store.create_blob(GOOD)
    lost = store.create_blob(b"lost = 1\n")
    inner = store.TreeBuilder()
    inner.insert("deep.py", store.create_blob(b"deep = 1\n"), pygit2.enums.FileMode.BLOB)
    below = inner.write()
    tree = store.TreeBuilder()
    tree.insert("good.py", blob, pygit2.enums.FileMode.BLOB)
    tree.insert("lost.py", lost, pygit2.enums.FileMode.BLOB)
    tree.insert("link.py", store.create_blob(b"/etc/passwd"), pygit2.enums.FileMode.LINK)
    tree.insert("module.py", "1" * 40, pygit2.enums.FileMode.COMMIT)
    tree.insert("gone", below, pygit2.enums.FileMode.TREE)
    author = pygit2.Signature("A", "a@example.org", 1_600_000_000, 0)
    store.create_commit("refs/heads/main", author, author, "m", tree.write(), [])
    store.set_head("refs/heads/main")
    for object_id in (lost, below):
        name = str(object_id)
        (path / ".git" / "objects" / name[:2] / name[2:]).unlink()
    return path, store


def test_a_git_repository_that_lost_objects(
    reader: Reader, git: tuple[Path, pygit2.Repository]
) -> None:
    assert outcome(reader, GitSource(kind="git", path=str(git[0]))) == {
        "good.py": "",
        "lost.py": "unreadable",
        "link.py": "link",
        "module.py": "submodule",
        "gone/": "unreadable",
    }


def test_a_git_object_that_is_rubbish(reader: Reader, git: tuple[Path, pygit2.Repository]) -> None:
    path, store = git
    name = str(store.revparse_single("main").tree["good.py"].id)
    at = path / ".git" / "objects" / name[:2] / name[2:]
    at.chmod(0o600)
    at.write_bytes(os.urandom(100))
    found = outcome(reader, GitSource(kind="git", path=str(path)))
    assert found["good.py"] == "unreadable"


def test_tables_with_holes_and_strangers(reader: Reader, tmp_path: Path) -> None:
    texts = [GOOD, None, GOOD, b"\xff\xfe\x00", GOOD]
    names = ["good.py", "null.py", None, "binary.py", "../up.py"]
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"content": texts, "path": names}), path)
    found = outcome(reader, TableSource(kind="table", paths=(str(path),)))
    assert found["good.py"] == ""
    assert found["rows.parquet:1"] == found["rows.parquet:2"] == "unreadable"
    assert found["binary.py"] in ("binary", "encoding")
    assert found["../up.py"] == "unsafe_path"
    numbers = tmp_path / "numbers.parquet"
    pq.write_table(pa.table({"content": [1, 2], "path": ["a.py", "b.py"]}), numbers)
    assert set(outcome(reader, TableSource(kind="table", paths=(str(numbers),))).values()) == {
        "unreadable"
    }
    whole = path.read_bytes()
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(whole[:10] + os.urandom(40) + whole[50:])
    damaged = outcome(reader, TableSource(kind="table", paths=(str(cut),)))
    assert "unreadable" in damaged.values()


PARSER_BREAKER = """
import ctypes
import gristmill.corpus.judging as judging
from gristmill.corpus.reading import make_reader as make
parse = judging.parse

def hostile(language, text, *arguments, **options):
    if "segmentation" in text:
        ctypes.string_at(0)
    while "for ever" in text:
        pass
    if "all memory" in text:
        held = []
        while True:
            held.append(bytes(10**8))
    return parse(language, text, *arguments, **options)

def make_reader(section):
    judging.parse = hostile
    return make(section)
"""


def test_a_parser_that_crashes_hangs_or_swells_costs_that_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "parser_breaker.py").write_text(PARSER_BREAKER)
    monkeypatch.syspath_prepend(str(tmp_path))
    make_reader: Callable[..., object] = import_module("parser_breaker").make_reader
    root = tmp_path / "root" / "tree"
    root.mkdir(parents=True)
    words = {"a": "one", "b": "segmentation", "c": "two", "d": "for ever", "e": "all memory"}
    for name, word in words.items():
        (root / f"{name}.py").write_text(f"said = '{word} {name}'\nother_words = [said]\n")
    source = FolderSource(kind="folder", path=str(root.parent))
    limits = Isolation(max_file_seconds=1, max_memory_bytes=1_000_000_000)
    section = CorpusSection(sources=(source,), decontaminate=(), isolation=limits)
    (piece,) = plan_pieces(open_sources(section), section)
    with Isolated(make_reader, (section,), limits) as isolated:
        table = isolated(piece).table
    found = dict(zip(table["path"].to_pylist(), table["reason"].to_pylist(), strict=True))
    assert found == {
        "a.py": "",
        "b.py": "parser_crashed",
        "c.py": "",
        "d.py": "parser_timeout",
        "e.py": "parser_crashed",
    }
