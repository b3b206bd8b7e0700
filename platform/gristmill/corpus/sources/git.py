"""A git repository, read from its object store at a revision: no checkout, no hooks, no filters.

Works on a bare clone as on a checkout. Links and submodules are entries of the tree that are not
files; they are rejects, as is what an object is missing or damaged for (a shallow or partial clone). The digest is the commit, the date is the commit's.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pygit2

from gristmill.artifacts import SourceIdentity
from gristmill.corpus.config import GitSource, Source
from gristmill.corpus.licence_files import licences_of_tree
from gristmill.corpus.sources.repository import (
    MAX_FILE_BYTES,
    Bytes,
    Entry,
    Kind,
    Repository,
    Unread,
)
from gristmill.errors import SourceError

_TREE = 0o040000
_FILE_MODES = {0o100644, 0o100755, 0o100664}
_OTHER_MODES = {
    0o120000: ("link", "a link"),
    0o160000: ("submodule", "a submodule: a repository of its own"),
}


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
    locator = str(path.resolve())
    blobs, _ = _tree(locator, str(commit.id))

    def text_of(name: str) -> str:
        item = _read(blobs, name)
        return item.data.decode("utf-8", "replace") if isinstance(item, Bytes) else ""

    licence, folders = licences_of_tree(blobs, text_of)
    identity = SourceIdentity(
        repository=source.name or path.resolve().name.removesuffix(".git"),
        revision=str(commit.id),
        licence=licence,
        digest=str(commit.id),
        date=datetime.fromtimestamp(commit.commit_time, UTC).isoformat(),
    )
    return [Repository(identity, source, locator, tuple(sorted(folders.items())))]


def entries(repository: Repository) -> list[Entry]:
    """Return what the revision's tree holds, by path; what is no file that is there has no size."""
    blobs, refused = _tree(repository.locator, repository.identity.revision)
    found = [Entry(path, _size(blob)) for path, blob in blobs.items()]
    found += [Entry(path, 0) for path in refused]
    return sorted(found, key=lambda entry: entry.path)


def read(repository: Repository, paths: Sequence[str] | None) -> Iterator[Bytes | Unread]:
    """Yield the files' bytes."""
    blobs, refused = _tree(repository.locator, repository.identity.revision)
    for path in sorted({*blobs, *refused}) if paths is None else paths:
        if path in refused:
            yield Unread(path, *refused[path])
        else:
            yield _read(blobs, path)


def _read(blobs: Mapping[str, Any], path: str) -> Bytes | Unread:
    try:
        size = int(blobs[path].size)
        if size > MAX_FILE_BYTES:
            return Unread(path, "too_large", f"{size} bytes, limit {MAX_FILE_BYTES}", size)
        return Bytes(path, bytes(blobs[path].data))
    except (KeyError, ValueError, OSError, pygit2.GitError) as error:
        return Unread(path, "unreadable", f"object is missing or damaged: {error}")


def _size(blob: Any) -> int:
    try:
        return int(blob.size)
    except (KeyError, ValueError, OSError, pygit2.GitError):
        return 0  # `read` says what is wrong with it


@lru_cache(maxsize=2)
def _tree(path: str, revision: str) -> tuple[dict[str, Any], dict[str, tuple[str, str]]]:
    """Return the files of a revision, and the reasons of what is none: link, submodule, lost tree."""
    store = pygit2.Repository(path)
    found: dict[str, Any] = {}
    refused: dict[str, tuple[str, str]] = {}
    pending = [("", store[revision].peel(pygit2.Commit).tree_id)]
    while pending:
        prefix, object_id = pending.pop()
        try:
            tree: Any = store[object_id]
            rows = [(_name(entry), int(entry.filemode), entry) for entry in tree]
        except (KeyError, ValueError, OSError, TypeError, pygit2.GitError) as error:
            refused[prefix or "."] = ("unreadable", f"tree is missing or damaged: {error}")
            continue
        for base, mode, entry in rows:
            name = f"{prefix}{base}"
            if mode == _TREE:
                pending.append((f"{name}/", entry.id))
            elif mode in _FILE_MODES:
                found[name] = entry
            else:
                refused[name] = _OTHER_MODES.get(mode, ("device", f"an entry of mode {mode:o}"))
    return found, refused


def _name(entry: Any) -> str:
    raw: bytes = entry.raw_name
    return raw.decode("utf-8", "backslashreplace")


KIND = Kind(repositories, entries, read, one_by_one=True)
