"""Archives, each one a repository: tar.*, zip, wheel, sdist, npm tarball, Debian orig tarball.

How members are read, and which are refused, is in `members`; here they become a repository: named after
the file, without the top folder that all members share, under the licence that its metadata states.
A name that comes twice is read once: the first is kept, the others are rejects.
"""

import hashlib
import re
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from gristmill.artifacts import SourceIdentity
from gristmill.corpus.config import ArchiveSource, Source
from gristmill.corpus.licence_files import licences_of_tree, wanted_paths
from gristmill.corpus.sources.members import (
    DAMAGE,
    MAX_MEMBERS,
    inner,
    is_zip,
    members,
    names,
    refused_zip_member,
)
from gristmill.corpus.sources.repository import Bytes, Entry, Kind, Repository, Unread
from gristmill.errors import SourceError

_SUFFIX = re.compile(r"(\.orig)?(\.tar(\.\w+)?|\.tgz|\.tbz2?|\.txz|\.zip|\.whl)$")
_WHEEL = re.compile(r"^([^-]+)-([^-]+)-.*\.whl$")
_VERSIONED = re.compile(r"^(.+?)[-_]v?(\d[\w.+~]*)$")


def repositories(source: Source) -> list[Repository]:
    """Return one repository an archive. Raises SourceError for one that is missing or no archive."""
    assert isinstance(source, ArchiveSource)
    return [_repository(source, Path(path).expanduser()) for path in source.paths]


def entries(repository: Repository) -> list[Entry] | None:
    """Return a zip's or wheel's directory; a tar must be read from end to end."""
    path = Path(repository.locator)
    if not is_zip(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            if len(archive.infolist()) > MAX_MEMBERS:
                return None
            found = {inner(info.filename): info for info in archive.infolist()}
    except DAMAGE:
        return None
    names = [name for name, info in found.items() if refused_zip_member(name, info) is None]
    if len(names) < sum(not info.is_dir() for info in found.values()):
        return None  # something is refused: read it whole, so that each refusal is reported
    root = _common_root(tuple(names))
    return sorted(
        (Entry(name.removeprefix(root), found[name].file_size) for name in names),
        key=lambda entry: entry.path,
    )


def read(repository: Repository, paths: Sequence[str] | None) -> Iterator[Bytes | Unread]:
    """Yield the members' bytes; `paths` are without the archive's own top folder."""
    path = Path(repository.locator)
    wanted = None if paths is None else set(paths)
    root = _root_of(str(path), repository.identity.digest)
    seen: set[str] = set()
    for item in members(path, None if wanted is None else {root + name for name in wanted}):
        name = item.path.removeprefix(root)
        if isinstance(item, Unread):
            yield Unread(name, item.reason, item.detail, item.num_bytes)
        elif name in seen:
            detail = "a member of this name came before"
            yield Unread(name, "repeated_path", detail, len(item.data))
        else:
            seen.add(name)
            yield Bytes(name, item.data)


def _common_root(names: Sequence[str]) -> str:
    """Return the one top folder that all names share, with its slash, or an empty string."""
    tops = {name.split("/", 1)[0] for name in names if not name.startswith(("/", ".."))}
    nested = all("/" in name for name in names)
    return f"{tops.pop()}/" if len(tops) == 1 and nested else ""


@lru_cache(maxsize=64)
def _root_of(path: str, digest: str) -> str:
    """Return the top folder of an archive's members."""
    return _common_root(_names_of(path, digest))


@lru_cache(maxsize=4)
def _names_of(path: str, digest: str) -> list[str]:
    return names(Path(path))


def _repository(source: ArchiveSource, path: Path) -> Repository:
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(
            f"source 'archive': {path} cannot be read: {error.strerror}; "
            "give existing files in corpus.sources paths"
        ) from error
    if not (is_zip(path) or _SUFFIX.search(path.name) or tarfile.is_tarfile(path)):
        raise SourceError(
            f"source 'archive': {path} is neither a tar nor a zip; tar.*, tgz, zip and whl are read"
        )
    name, revision = _name_and_version(path.name)
    licence, folders = _licences(path, digest)
    identity = SourceIdentity(
        repository=name,
        revision=revision or f"archive-{digest[:12]}",
        licence=licence,
        digest=digest,
    )
    return Repository(identity, source, str(path.resolve()), tuple(sorted(folders.items())))


def _name_and_version(file_name: str) -> tuple[str, str]:
    wheel = _WHEEL.match(file_name)
    if wheel is not None:
        return wheel[1], wheel[2]
    stem = _SUFFIX.sub("", file_name)
    versioned = _VERSIONED.match(stem)
    return (versioned[1], versioned[2]) if versioned is not None else (stem, "")


def _licences(path: Path, digest: str) -> tuple[str, dict[str, str]]:
    """Return the licence of the archive and those of its folders, by its metadata and licence files."""
    root = _root_of(str(path), digest)
    wanted = wanted_paths(name.removeprefix(root) for name in _names_of(str(path), digest))
    texts: dict[str, str] = {}
    if wanted:
        for item in members(path, {root + name for name in wanted}):
            if isinstance(item, Bytes):
                texts.setdefault(item.path.removeprefix(root), item.data.decode("utf-8", "replace"))
    return licences_of_tree(texts, texts.__getitem__)


KIND = Kind(repositories, entries, read)
