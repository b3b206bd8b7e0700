"""A folder of checkouts: each child directory is a repository.

The revision is the commit its `.git` names; the digest is that of the tree as it lies there, so that
uncommitted changes count. Links are never followed: a link out of the folder would read what nobody
asked for; one among the children is left out with a warning. Version control's own folders, virtual
environments and caches of tools are not listed.
"""

import hashlib
import logging
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from gristmill.artifacts import SourceIdentity
from gristmill.corpus.config import FolderSource, Source
from gristmill.corpus.licence_files import licence_of_tree
from gristmill.corpus.sources.repository import Bytes, Entry, Kind, Repository, Unread
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
    """Return the regular files below the directory, by path; links and devices are not files."""
    return [Entry(path, num_bytes) for path, num_bytes in _walk(Path(repository.locator))]


def read(repository: Repository, paths: Sequence[str] | None) -> Iterator[Bytes | Unread]:
    """Yield the files' bytes."""
    root = Path(repository.locator)
    for path in _all(repository) if paths is None else paths:
        try:
            descriptor = os.open(root / path, os.O_RDONLY | os.O_NOFOLLOW)
            with os.fdopen(descriptor, "rb") as stream:
                yield Bytes(path, stream.read())
        except OSError as error:
            yield Unread(path, "unreadable", str(error.strerror))


def _repository(source: FolderSource, root: Path) -> Repository:
    digest = hashlib.sha256()
    names = []
    for path, num_bytes in _walk(root):
        names.append(path)
        digest.update(f"{path}\0{num_bytes}\0".encode("utf-8", "surrogateescape"))
        digest.update(_file_digest(root / path))
    tree = digest.hexdigest()

    def text_of(path: str) -> str:
        return (root / path).read_text(encoding="utf-8", errors="replace")

    identity = SourceIdentity(
        repository=root.name.encode("utf-8", "backslashreplace").decode(),
        revision=_head(root) or f"tree-{tree[:12]}",
        licence=licence_of_tree(names, text_of),
        digest=tree,
    )
    return Repository(identity, source, str(root.resolve()))


def _walk(root: Path) -> list[tuple[str, int]]:
    found = []
    for folder, folders, names in os.walk(root, followlinks=False):
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS)
        for name in names:
            full = Path(folder) / name
            status = full.lstat()
            if stat.S_ISREG(status.st_mode):
                found.append((full.relative_to(root).as_posix(), status.st_size))
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
