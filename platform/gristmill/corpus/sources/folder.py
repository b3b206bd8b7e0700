"""A folder of checkouts: each child directory is a repository.

The revision is the commit its `.git` names; the digest is that of the tree as it lies there, so that
uncommitted changes count. Links are never followed: a link out of the folder would read what nobody
asked for; one among the children is left out with a warning, one below is a reject, as are pipes,
devices and folders that cannot be listed. Version control's own folders, virtual
environments and caches of tools are not listed.
"""

import hashlib
import logging
import os
import stat
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

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
    return [Entry(path, num_bytes) for path, num_bytes, _ in _walk(Path(repository.locator))]


def read(repository: Repository, paths: Sequence[str] | None) -> Iterator[Bytes | Unread]:
    """Yield the files' bytes."""
    root = Path(repository.locator)
    for path in _all(repository) if paths is None else paths:
        yield read_file(root, path)


def _repository(source: FolderSource, root: Path) -> Repository:
    digest = hashlib.sha256()
    names = []
    for path, num_bytes, regular in _walk(root):
        digest.update(f"{path}\0{num_bytes}\0".encode("utf-8", "surrogateescape"))
        if regular and num_bytes <= MAX_FILE_BYTES:  # a larger one is never read
            names.append(path)
            digest.update(_file_digest(root / path))
    tree = digest.hexdigest()
    licence, folders = licences_of_tree(names, partial(read_text, root))
    identity = SourceIdentity(
        repository=root.name.encode("utf-8", "backslashreplace").decode(),
        revision=_head(root) or f"tree-{tree[:12]}",
        licence=licence,
        digest=tree,
    )
    return Repository(identity, source, str(root.resolve()), tuple(sorted(folders.items())))


def _walk(root: Path) -> list[tuple[str, int, bool]]:
    """Return (path, size, whether it is a regular file) of all that is no folder one can enter."""
    found: list[tuple[str, int, bool]] = []

    def closed(error: OSError) -> None:
        found.append((Path(error.filename).relative_to(root).as_posix(), 0, False))

    for folder, folders, names in os.walk(root, onerror=closed, followlinks=False):
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS)
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in (*names, *links):
            full = Path(folder) / name
            try:
                status = full.lstat()
            except OSError:
                continue  # gone since it was listed
            regular = stat.S_ISREG(status.st_mode)
            path = full.relative_to(root).as_posix()
            found.append((path, status.st_size if regular else 0, regular))
    return sorted(found)


def _file_digest(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
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
