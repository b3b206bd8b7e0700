"""Distributions of the running environment: each is a repository, its version is the revision.

What counts is what the wheel brought: rows of the distribution's RECORD that have a hash and lie in
the site folder. What the installer added (byte code, scripts, INSTALLER) differs between machines and
is left out of the files and of the digest.
"""

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from email.message import Message
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import cast

from gristmill.artifacts import SourceIdentity
from gristmill.corpus.config import InstalledSource, Source
from gristmill.corpus.licence_files import licences_of_tree
from gristmill.corpus.licence_metadata import licence_of_metadata
from gristmill.corpus.sources.disk import read_file, read_text
from gristmill.corpus.sources.repository import Bytes, Entry, Kind, Repository, Unread
from gristmill.errors import SourceError

_ADDED_BY_INSTALLER = {"INSTALLER", "REQUESTED", "RECORD", "direct_url.json", "RECORD.jws"}


def repositories(source: Source) -> list[Repository]:
    """Return one repository a named distribution. Raises SourceError for one that is not installed."""
    assert isinstance(source, InstalledSource)
    found = []
    for name in source.names:
        distribution = _distribution(name)
        record = _record(distribution)
        digest = hashlib.sha256(f"{name} {distribution.version}\n".encode())
        for path, file_hash, _ in record:
            digest.update(f"{path} {file_hash}\n".encode())
        identity = SourceIdentity(
            repository=distribution.metadata["Name"],
            revision=distribution.version,
            licence=licence_of_metadata(cast(Message, distribution.metadata)),
            digest=digest.hexdigest(),
        )
        root = Path(str(distribution.locate_file("")))
        paths = [path for path, _, _ in record if ".dist-info/" not in path]
        _, folders = licences_of_tree(paths, partial(read_text, root))
        found.append(Repository(identity, source, name, tuple(sorted(folders.items()))))
    return found


def entries(repository: Repository) -> list[Entry]:
    """Return the files that the wheel brought, with the sizes that its RECORD states."""
    rows = _record(_distribution(repository.locator))
    return [Entry(path, num_bytes) for path, _, num_bytes in rows]


def read(repository: Repository, paths: Sequence[str] | None) -> Iterator[Bytes | Unread]:
    """Yield the files' bytes."""
    root = Path(str(_distribution(repository.locator).locate_file("")))
    for path in _all(repository) if paths is None else paths:
        yield read_file(root, path, follow=True)  # installers may link into their cache


def _distribution(name: str) -> metadata.Distribution:
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError as error:
        raise SourceError(
            f"source 'installed': distribution '{name}' is not in this environment; "
            f"pip install {name}, or take it out of corpus.sources"
        ) from error


def _record(distribution: metadata.Distribution) -> list[tuple[str, str, int]]:
    """Return (path, hash, size) of the wheel's own files, by path. Raises SourceError."""
    record = distribution.read_text("RECORD")
    if record is None:
        name = distribution.metadata["Name"]
        raise SourceError(
            f"source 'installed': distribution '{name}' has no RECORD of its files (another "
            f"package manager than pip put it there); pip install {name}, or take it out of "
            "corpus.sources"
        )
    rows = []
    for row in csv.reader(io.StringIO(record)):
        if len(row) != 3:
            continue
        path, file_hash, size = row
        name = path.rsplit("/", 1)[-1]
        outside = path.startswith("/") or ".." in path.split("/") or "\\" in path
        if not file_hash or outside or "__pycache__/" in path:
            continue
        if ".dist-info/" in path and name in _ADDED_BY_INSTALLER:
            continue
        rows.append((path, file_hash, int(size or 0)))
    return sorted(rows)


def _all(repository: Repository) -> list[str]:
    return [entry.path for entry in entries(repository)]


KIND = Kind(repositories, entries, read, one_by_one=True)
