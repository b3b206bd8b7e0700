"""A git repository, read from its object store at a revision: no checkout, no hooks, no filters.

Works on a bare clone as on a checkout. Links and submodules are entries of the tree that are not
files; they are not followed. The digest is the commit, the date is the commit's.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pygit2

from gristmill.artifacts import SourceIdentity
from gristmill.corpus.config import GitSource, Source
from gristmill.corpus.licence_files import licence_of_tree
from gristmill.corpus.sources.repository import Bytes, Entry, Kind, Repository, Unread
from gristmill.errors import SourceError

_FILE_MODES = {0o100644, 0o100755, 0o100664}


def repositories(source: Source) -> list[Repository]:
    """Return the repository at its revision. Raises SourceError when either is not there."""
    assert isinstance(source, GitSource)
    path = Path(source.path).expanduser()
    try:
        store = pygit2.Repository(str(path))
    except pygit2.GitError as error:
        raise SourceError(
            f"source 'git': {path} is no git repository that can be read ({error}); "
            "give a checkout or a bare clone"
        ) from error
    try:
        commit = store.revparse_single(source.revision).peel(pygit2.Commit)
    except (KeyError, ValueError, pygit2.GitError) as error:
        raise SourceError(
            f"source 'git': {path} has no revision '{source.revision}'; "
            "fetch it, or name a commit, tag or branch that is there"
        ) from error
    top = {_name(entry): entry for entry in commit.tree if isinstance(entry, pygit2.Blob)}

    def text_of(name: str) -> str:
        return bytes(top[name].data).decode("utf-8", "replace")

    identity = SourceIdentity(
        repository=source.name or path.resolve().name.removesuffix(".git"),
        revision=str(commit.id),
        licence=licence_of_tree(top, text_of),
        digest=str(commit.id),
        date=datetime.fromtimestamp(commit.commit_time, UTC).isoformat(),
    )
    return [Repository(identity, source, str(path.resolve()))]


def entries(repository: Repository) -> list[Entry]:
    """Return the files of the revision's tree, by path."""
    return [Entry(path, int(blob.size)) for path, blob in sorted(_blobs(repository).items())]


def read(repository: Repository, paths: Sequence[str] | None) -> Iterator[Bytes | Unread]:
    """Yield the files' bytes."""
    blobs = _blobs(repository)
    for path in sorted(blobs) if paths is None else paths:
        try:
            yield Bytes(path, bytes(blobs[path].data))
        except (KeyError, pygit2.GitError) as error:
            yield Unread(path, "unreadable", f"object is missing or damaged: {error}")


def _blobs(repository: Repository) -> dict[str, Any]:
    return _tree(repository.locator, repository.identity.revision)


@lru_cache(maxsize=2)
def _tree(path: str, revision: str) -> dict[str, Any]:
    store = pygit2.Repository(path)
    found: dict[str, Any] = {}
    pending = [("", store[revision].peel(pygit2.Tree))]
    while pending:
        prefix, tree = pending.pop()
        for entry in tree:
            name = f"{prefix}{_name(entry)}"
            if isinstance(entry, pygit2.Tree):
                pending.append((f"{name}/", entry))
            elif isinstance(entry, pygit2.Blob) and entry.filemode in _FILE_MODES:
                found[name] = entry
    return found


def _name(entry: Any) -> str:
    raw: bytes = entry.raw_name
    return raw.decode("utf-8", "backslashreplace")


KIND = Kind(repositories, entries, read, one_by_one=True)
