"""Every kind of source gives repositories, their files, and a reason for what cannot be read."""

import gzip
import io
import json
import os
import tarfile
import time
import zipfile
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
    InstalledSource,
    Source,
    TableSource,
)
from gristmill.corpus.sources import folder, kind_of, open_sources, resolve_sources
from gristmill.corpus.sources.repository import Bytes, Repository, Unread
from gristmill.errors import SourceError

MIT = "Permission is hereby granted, free of charge, to any person obtaining a copy\n"


def section(*sources: Source) -> CorpusSection:
    return CorpusSection(sources=sources)


def archives(*paths: Path) -> ArchiveSource:
    return ArchiveSource(kind="archive", paths=tuple(map(str, paths)))


def contents(repository: Repository) -> dict[str, bytes]:
    items = list(kind_of(repository).read(repository, None))
    return {item.path: item.data for item in items if isinstance(item, Bytes)}


def refusals(repository: Repository) -> dict[str, str]:
    items = list(kind_of(repository).read(repository, None))
    return {item.path: item.reason for item in items if isinstance(item, Unread)}


def test_an_installed_distribution_is_what_its_wheel_brought() -> None:
    (repository,) = open_sources(section(InstalledSource(kind="installed", names=("click",))))
    entries = kind_of(repository).entries(repository)
    assert entries is not None
    paths = [entry.path for entry in entries]
    assert "click/core.py" in paths and paths == sorted(paths)
    assert not [path for path in paths if "__pycache__" in path or path.endswith("INSTALLER")]
    assert repository.identity.licence == "BSD-3-Clause"
    (item,) = kind_of(repository).read(repository, ["click/core.py"])
    assert isinstance(item, Bytes) and b"class Command" in item.data


def test_a_distribution_that_is_not_installed_says_what_to_do() -> None:
    with pytest.raises(SourceError, match="pip install no-such-thing"):
        resolve_sources(section(InstalledSource(kind="installed", names=("no-such-thing",))))


def test_a_folder_s_children_are_repositories(tmp_path: Path) -> None:
    (tmp_path / "one" / "src").mkdir(parents=True)
    (tmp_path / "one" / "src" / "a.py").write_text("a = 1\n")
    (tmp_path / "one" / "LICENSE").write_text(MIT)
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "secret.py").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "two" / "pipe.py")
    source = FolderSource(kind="folder", path=str(tmp_path))
    one, two = open_sources(section(source))
    assert (one.name, one.identity.licence) == ("one", "MIT")
    assert contents(one)["src/a.py"] == b"a = 1\n"
    assert contents(two) == {}
    assert isinstance(next(kind_of(two).read(two, ["secret.py"])), Unread)
    before = one.identity.digest
    (tmp_path / "one" / "src" / "a.py").write_text("a = 2\n")
    assert open_sources(section(source))[0].identity.digest != before


def test_a_link_among_the_children_is_no_repository(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "loop").symlink_to(".")
    (found,) = open_sources(section(FolderSource(kind="folder", path=str(tmp_path))))
    assert found.name == "a"
    assert "not followed: loop" in caplog.text


def test_a_missing_or_empty_folder_is_an_error(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "gone", "is not a folder"), (tmp_path, "no child directory")):
        with pytest.raises(SourceError, match=said):
            resolve_sources(section(FolderSource(kind="folder", path=str(path))))


@pytest.fixture
def git(tmp_path: Path) -> Path:
    path = tmp_path / "project"
    store = pygit2.init_repository(str(path))
    author = pygit2.Signature("A", "a@example.org", 1_600_000_000, 0)
    parents: list[pygit2.Oid] = []
    for text in ("a = 1\n", "a = 2\n"):
        (path / "a.py").write_text(text)
        (path / "LICENSE").write_text(MIT)
        store.index.add_all()
        tree = store.index.write_tree()
        parents = [store.create_commit("HEAD", author, author, "m", tree, parents)]
    (path / "a.py").write_text("not committed\n")
    return path


def test_git_is_read_at_a_revision_without_a_checkout(git: Path) -> None:
    (head,) = open_sources(section(GitSource(kind="git", path=str(git))))
    (first,) = open_sources(section(GitSource(kind="git", path=str(git), revision="HEAD~1")))
    assert contents(head)["a.py"] == b"a = 2\n"
    assert contents(first)["a.py"] == b"a = 1\n"
    assert head.identity.licence == "MIT"
    assert head.identity.date == "2020-09-13T12:26:40+00:00"
    assert head.identity.digest == head.identity.revision != first.identity.digest


def test_a_folder_s_checkout_has_its_commit_as_revision(git: Path) -> None:
    commit = open_sources(section(GitSource(kind="git", path=str(git))))[0].identity.revision
    (found,) = open_sources(section(FolderSource(kind="folder", path=str(git.parent))))
    assert found.identity.revision == commit


def test_git_s_errors_name_what_is_missing(git: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="has no revision 'v9'"):
        resolve_sources(section(GitSource(kind="git", path=str(git), revision="v9")))
    (tmp_path / "plain").mkdir()
    with pytest.raises(SourceError, match="is no git repository"):
        resolve_sources(section(GitSource(kind="git", path=str(tmp_path / "plain"))))


def tar_of(path: Path, members: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize(
    ("name", "mode", "repository", "revision"),
    [
        ("thing-1.2.tar.gz", "w:gz", "thing", "1.2"),
        ("thing_1.2.orig.tar.xz", "w:xz", "thing", "1.2"),
        ("thing-1.2.tgz", "w:gz", "thing", "1.2"),
        ("thing-v2.0.tar.bz2", "w:bz2", "thing", "2.0"),
    ],
)
def test_tars_lose_their_top_folder_and_keep_name_and_version(
    tmp_path: Path, name: str, mode: str, repository: str, revision: str
) -> None:
    path = tar_of(tmp_path / name, {"top/a.py": b"a = 1\n", "top/LICENSE": MIT.encode()}, mode)
    (found,) = open_sources(section(archives(path)))
    assert (found.name, found.identity.revision) == (repository, revision)
    assert found.identity.licence == "MIT"
    assert contents(found)["a.py"] == b"a = 1\n"


def test_a_wheel_s_licence_is_its_metadata_s(tmp_path: Path) -> None:
    path = tmp_path / "thing-3.1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("thing/a.py", "a = 1\n")
        archive.writestr(
            "thing-3.1.dist-info/METADATA", "Metadata-Version: 2.4\nLicense-Expression: Zlib\n"
        )
    (found,) = open_sources(section(archives(path)))
    assert (found.name, found.identity.revision, found.identity.licence) == ("thing", "3.1", "Zlib")
    entries = kind_of(found).entries(found)
    assert entries is not None and "thing/a.py" in [entry.path for entry in entries]
    assert contents(found)["thing/a.py"] == b"a = 1\n"


def test_a_hostile_tar_gives_its_files_and_a_reason_for_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "evil.tar"
    with tarfile.open(path, "w") as archive:
        for name, kind in (
            ("../../up.py", tarfile.REGTYPE),
            ("/root.py", tarfile.REGTYPE),
            ("link.py", tarfile.SYMTYPE),
            ("hard.py", tarfile.LNKTYPE),
            ("dev.py", tarfile.CHRTYPE),
            ("good.py", tarfile.REGTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            info.size = 6 if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(b"a = 1\n") if info.size else None)
    (found,) = open_sources(section(archives(path)))
    assert contents(found) == {"good.py": b"a = 1\n"}
    assert refusals(found) == {
        "../../up.py": "unsafe_path",
        "/root.py": "unsafe_path",
        "link.py": "link",
        "hard.py": "link",
        "dev.py": "device",
    }


def test_a_zip_that_grows_out_of_proportion_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.py", b"0" * 20_000_000)
        archive.writestr("../up.py", b"a = 1\n")
        archive.writestr("good.py", b"a = 1\n")
    (found,) = open_sources(section(archives(path)))
    assert contents(found) == {"good.py": b"a = 1\n"}
    assert refusals(found) == {"bomb.py": "archive_bomb", "../up.py": "unsafe_path"}


def test_a_truncated_archive_costs_its_rest(tmp_path: Path) -> None:
    members = {f"top/{i}.py": os.urandom(5000) for i in range(40)}
    whole = tar_of(tmp_path / "whole-1.0.tar.gz", members)
    cut = tmp_path / "cut-1.0.tar.gz"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    (found,) = open_sources(section(archives(cut)))
    kept = contents(found)
    assert 5 < len(kept) < 35
    assert all(data == members[f"top/{path}"] for path, data in kept.items())
    assert list(refusals(found).values()) == ["truncated"]


def test_a_truncated_zip_is_said_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "z-1.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("z/a.py", "x = 1\n" * 100)
    path.write_bytes(path.read_bytes()[:200])
    (repository,) = open_sources(section(archives(path)))
    (item,) = kind_of(repository).read(repository, None)
    assert isinstance(item, Unread) and item.reason == "truncated"
    assert "not a zip file" in item.detail


def test_a_damaged_table_costs_its_rest(tmp_path: Path) -> None:
    line = json.dumps({"content": "x = 1\n", "path": "a.py"}) + "\n"
    data = bytearray(gzip.compress((line + "[" * 100_000 + "\n" + line).encode()))
    (tmp_path / "deep.jsonl.gz").write_bytes(data)
    data[len(data) // 2 :] = b"\xff" * 20
    (tmp_path / "flip.jsonl.gz").write_bytes(data)
    deep, flip = (
        open_sources(section(TableSource(kind="table", paths=(str(tmp_path / name),))))[0]
        for name in ("deep.jsonl.gz", "flip.jsonl.gz")
    )
    assert set(contents(deep)) == {"a.py"} and refusals(deep) == {"deep.jsonl.gz:2": "unreadable"}
    assert list(refusals(flip).values())[-1] == "unreadable"


def test_an_archive_that_is_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"words")
    with pytest.raises(SourceError, match="neither a tar nor a zip"):
        resolve_sources(section(archives(tmp_path / "a.bin")))
    with pytest.raises(SourceError, match="No such file"):
        resolve_sources(section(archives(tmp_path / "gone.zip")))


def test_tables_in_the_stack_s_columns(tmp_path: Path) -> None:
    parquet, lines = tmp_path / "a.parquet", tmp_path / "b.jsonl.gz"
    pq.write_table(
        pa.table(
            {
                "content": ["a = 1\n", None],
                "max_stars_repo_path": ["src/a.py", "b.py"],
                "max_stars_repo_name": ["x/y", "x/y"],
                "max_stars_repo_licenses": [["MIT"], ["MIT"]],
            }
        ),
        parquet,
    )
    good = json.dumps({"content": "b = 1\n", "path": "b.py", "repo_name": "z", "license": "ISC"})
    lines.write_bytes(gzip.compress(f"{good}\nnot json\n".encode()))
    source = TableSource(kind="table", paths=(str(parquet), str(lines)))
    first, second = open_sources(section(source))
    items = [*kind_of(first).read(first, None), *kind_of(second).read(second, None)]
    assert items[0] == Bytes("src/a.py", b"a = 1\n", "x/y", "MIT")
    assert items[2] == Bytes("b.py", b"b = 1\n", "z", "ISC")
    assert [item.reason for item in items if isinstance(item, Unread)] == ["unreadable"] * 2


def test_a_table_without_the_columns_is_an_error(tmp_path: Path) -> None:
    pq.write_table(pa.table({"words": ["a"]}), tmp_path / "a.parquet")
    with pytest.raises(SourceError, match="no column content or text or code"):
        resolve_sources(section(TableSource(kind="table", paths=(str(tmp_path / "a.parquet"),))))


def test_two_sources_of_one_name_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "click").mkdir()
    (tmp_path / "click" / "a.py").write_text("a = 1\n")
    both = section(
        FolderSource(kind="folder", path=str(tmp_path)),
        InstalledSource(kind="installed", names=("click",)),
    )
    with pytest.raises(SourceError, match="two sources are called 'click'"):
        resolve_sources(both)


def test_a_tree_that_is_known_is_read_again_when_a_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "_SETTLED_NS", -(10**18))  # else only trees of some age are kept
    (tmp_path / "repo" / "pkg").mkdir(parents=True)
    file = tmp_path / "repo" / "pkg" / "a.py"
    file.write_text("a = 1\n")
    source = FolderSource(kind="folder", path=str(tmp_path))
    (first,) = folder.repositories(source)
    assert folder.repositories(source) == [first]
    time.sleep(0.02)  # a tick of the file system's clock
    file.write_text("a = 2\n")
    (second,) = folder.repositories(source)
    assert second.identity.digest != first.identity.digest
    file.rename(tmp_path / "repo" / "b.py")
    (third,) = folder.repositories(source)
    assert third.identity.digest not in {first.identity.digest, second.identity.digest}
