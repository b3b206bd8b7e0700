"""Reading past a file, or a place in a source, that is known to kill the reader."""

import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gristmill.corpus.config import ArchiveSource, CorpusSection, FolderSource, Source
from gristmill.corpus.sources import open_sources, read_files
from gristmill.corpus.sources.repository import Bytes, Repository
from gristmill.corpus.watch import Note, Phase, Place, Poison, SharedWatch, Watch

BAD = Poison("parser_crashed", "killed by SIGSEGV")


@pytest.fixture
def note() -> Iterator[Note]:
    with tempfile.TemporaryFile() as file:
        file.truncate(Note.NUM_BYTES)
        note = Note(file.fileno())
        yield note
        note.close()


@pytest.fixture
def folder(tmp_path: Path) -> Repository:
    (tmp_path / "one").mkdir()
    for name in "abcd":
        (tmp_path / "one" / f"{name}.py").write_text(f"{name} = 1\n")
    return opened(FolderSource(kind="folder", path=str(tmp_path)))


def opened(source: Source) -> Repository:
    (repository,) = open_sources(CorpusSection(sources=(source,)))
    return repository


def read(repository: Repository, paths: tuple[str, ...] | None, watch: Watch) -> list[str]:
    return [
        item.path if isinstance(item, Bytes) else f"{item.path} {item.reason}: {item.detail}"
        for item in read_files(repository, paths, watch)
    ]


def test_without_poison_everything_is_read(folder: Repository) -> None:
    assert read(folder, None, Watch()) == ["a.py", "b.py", "c.py", "d.py"]


def test_a_poisoned_file_is_a_reject(folder: Repository, note: Note) -> None:
    watch = SharedWatch(note, {Place(Phase.READING, 1): BAD}, 100.0)
    wanted = ["a.py", "b.py parser_crashed: killed by SIGSEGV", "c.py", "d.py"]
    assert read(folder, ("a.py", "b.py", "c.py", "d.py"), watch) == wanted


def test_a_file_that_cannot_be_fetched_is_skipped(folder: Repository, note: Note) -> None:
    poisons = {Place(Phase.FETCHING, 0): BAD, Place(Phase.FETCHING, 2): BAD}
    watch = SharedWatch(note, poisons, 100.0)
    assert read(folder, ("a.py", "b.py", "c.py", "d.py"), watch) == [
        "a.py parser_crashed: killed by SIGSEGV",
        "b.py",
        "c.py parser_crashed: killed by SIGSEGV",
        "d.py",
    ]


def test_an_archive_that_breaks_the_reader_gives_what_came_before(
    tmp_path: Path, note: Note
) -> None:
    with tarfile.open(tmp_path / "x-1.tar", "w") as archive:
        for name in "abc":
            (tmp_path / name).write_text("x = 1\n")
            archive.add(tmp_path / name, f"x/{name}.py")
    repository = opened(ArchiveSource(kind="archive", paths=(str(tmp_path / "x-1.tar"),)))
    watch = SharedWatch(note, {Place(Phase.FETCHING, 2): BAD}, 100.0)
    assert read(repository, None, watch) == [
        "a.py",
        "b.py",
        "x parser_crashed: killed by SIGSEGV; the rest is left out",
    ]
