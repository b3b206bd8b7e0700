"""A folder of checkouts: each child directory is a repository.

The revision is the commit its `.git` names; the digest is that of the tree as it lies there, so that
uncommitted changes count. Links are never followed: a link out of the folder would read what nobody
asked for; one among the children is left out with a warning, one below is a reject, as are pipes,
devices and folders that cannot be listed. Version control's own folders, virtual
environments and caches of tools are not listed.

A plan and the job after it ask for the same trees: what a tree's bytes gave is kept in memory for as long
as no file's name, size, node or times change. A tree that was changed a moment ago is not kept, since
a clock's tick may hide the next change.
"""

import hashlib
import logging
import os
import stat
import time
from collections.abc import Iterator, Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from gristmill.artifacts import SourceIdentity
from gristmill.corpus.config import FolderSource, Source
from gristmill.corpus.licence_files import licences_of_tree
from gristmill.corpus.sources.disk import read_file, read_text
from gristmill.corpus.sources.repository import (
    MAX_FILE_BYTES,
    Bytes,
    Entry,
    Kind,
    Repository,
    Unread,
)
from gristmill.errors import SourceError

log = logging.getLogger(__name__)

SKIPPED_FOLDERS = {".git", ".hg", ".svn", "__pycache__", ".venv", ".tox", ".mypy_cache", ".idea"}
_SETTLED_NS = 2_000_000_000
"""A tree whose newest file is younger than this may still be written to."""
_SMALL_BYTES = 1 << 20


class _Found(NamedTuple):
    """What a walk finds that is no folder one can enter."""

    path: str
    num_bytes: int
    regular: bool
    """Whether it is a regular file; else it has no size."""
    mark: tuple[int, int, int]
    """Node and times: with path and size, what a change of the file changes."""


class _Content(NamedTuple):
    """What the bytes of a tree say."""

    digest: str
    licence: str
    folder_licences: tuple[tuple[str, str], ...]


_contents: dict[str, tuple[bytes, _Content]] = {}
"""By folder: the marks of all its files, and what they said."""


def repositories(source: Source) -> list[Repository]:
    """Return one repository a child directory. Raises SourceError when there is none."""
    assert isinstance(source, FolderSource)
    root = Path(source.path).expanduser()
    if not root.is_dir():
        raise SourceError(
            f"source 'folder': {root} is not a folder; "
            "give the folder whose children are checkouts in corpus.sources"
        )
    children = sorted(
        child for child in root.iterdir() if child.is_dir() and not child.name.startswith(".")
    )
    links = [child.name for child in children if child.is_symlink()]
    if links:
        log.warning("source 'folder': links in %s are not followed: %s", root, ", ".join(links))
        children = [child for child in children if not child.is_symlink()]
    if not children:
        raise SourceError(f"source 'folder': {root} has no child directory; each is a repository")
    return [_repository(source, child) for child in children]


def entries(repository: Repository) -> list[Entry]:
    """Return what is below the directory, by path; what is no regular file has no size."""
    return [Entry(found.path, found.num_bytes) for found in _walk(repository.locator)]


def read(repository: Repository, paths: Sequence[str] | None) -> Iterator[Bytes | Unread]:
    """Yield the files' bytes."""
    root = Path(repository.locator)
    for path in _all(repository) if paths is None else paths:
        yield read_file(root, path)


def _repository(source: FolderSource, root: Path) -> Repository:
    content = _content(root)
    identity = SourceIdentity(
        repository=root.name.encode("utf-8", "backslashreplace").decode(),
        revision=_head(root) or f"tree-{content.digest[:12]}",
        licence=content.licence,
        digest=content.digest,
    )
    return Repository(identity, source, str(root.resolve()), content.folder_licences)


def _content(root: Path) -> _Content:
    """Return what the tree's bytes say, as they are now."""
    place, files = str(root.absolute()), _walk(str(root))
    marks = hashlib.blake2b(repr(files).encode("utf-8", "surrogateescape"), digest_size=16).digest()
    known = _contents.pop(place, None)
    if known is None or known[0] != marks:
        known = marks, _read_content(root, files)
    newest = max((time_ns for file in files for time_ns in file.mark[1:]), default=0)
    if newest < time.time_ns() - _SETTLED_NS:
        _contents[place] = known
    return known[1]


def _read_content(root: Path, files: Sequence[_Found]) -> _Content:
    digest = hashlib.sha256()
    names = []
    for path, num_bytes, regular, _ in files:
        digest.update(f"{path}\0{num_bytes}\0".encode("utf-8", "surrogateescape"))
        if regular and num_bytes <= MAX_FILE_BYTES:  # a larger one is never read
            names.append(path)
            digest.update(_file_digest(f"{root}/{path}"))
    licence, folders = licences_of_tree(names, partial(read_text, root))
    return _Content(digest.hexdigest(), licence, tuple(sorted(folders.items())))


def _walk(root: str) -> list[_Found]:
    """Return all that is no folder one can enter, by path."""
    found: list[_Found] = []
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        try:
            with os.scandir(f"{root}/{prefix}") as listing:
                children = list(listing)
        except OSError:
            found.append(_Found(prefix.rstrip("/") or ".", 0, False, (0, 0, 0)))
            continue
        for child in children:
            if _is_folder(child):
                if child.name in SKIPPED_FOLDERS:
                    continue
                if not child.is_symlink():
                    waiting.append(f"{prefix}{child.name}/")
                    continue
            try:
                status = child.stat(follow_symlinks=False)
            except OSError:
                continue  # gone since it was listed
            regular = stat.S_ISREG(status.st_mode)
            size = status.st_size if regular else 0
            mark = status.st_ino, status.st_mtime_ns, status.st_ctime_ns
            found.append(_Found(prefix + child.name, size, regular, mark))
    return sorted(found, key=attrgetter("path"))


def _is_folder(child: os.DirEntry[str]) -> bool:
    try:
        return child.is_dir()
    except OSError:
        return False


def _file_digest(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as stream:
            if os.fstat(stream.fileno()).st_size > _SMALL_BYTES:
                return hashlib.file_digest(stream, "sha256").digest()
            return hashlib.sha256(stream.read()).digest()
    except OSError:
        return b"unreadable"


def _head(root: Path) -> str:
    """Return the commit that a checkout's HEAD names, read from its files; empty when it is none."""
    git = root / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="ascii").strip()
        if not head.startswith("ref: "):
            return head
        reference = head.removeprefix("ref: ")
        loose = git / reference
        if loose.is_file():
            return loose.read_text(encoding="ascii").strip()
        for line in (git / "packed-refs").read_text(encoding="utf-8").splitlines():
            commit, _, name = line.partition(" ")
            if name == reference:
                return commit
    except (OSError, UnicodeDecodeError):
        return ""
    return ""


def _all(repository: Repository) -> list[str]:
    return [entry.path for entry in entries(repository)]


KIND = Kind(repositories, entries, read, one_by_one=True)
