"""Archives, each one a repository: tar.*, zip, wheel, sdist, npm tarball, Debian orig tarball.

Nothing is unpacked to disk: members are read one after the other, so that no name, link or device can
reach a file system. Names that climb out are refused, and so is what grows out of proportion. A
truncated or damaged tar gives what came before the damage and one reject for the rest; a truncated zip
has lost its directory and gives one reject.
"""

import hashlib
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from email.parser import HeaderParser
from functools import lru_cache
from lzma import LZMAError
from pathlib import Path, PurePosixPath

from gristmill.artifacts import SourceIdentity
from gristmill.corpus.config import ArchiveSource, Source
from gristmill.corpus.licence_files import licence_of_tree
from gristmill.corpus.licence_metadata import licence_of_metadata
from gristmill.corpus.licences import UNKNOWN
from gristmill.corpus.sources.repository import Bytes, Entry, Kind, Repository, Unread
from gristmill.errors import SourceError

MAX_MEMBERS = 500_000
MAX_TOTAL_BYTES = 20_000_000_000
"""Unpacked bytes that one archive may give."""
MAX_MEMBER_BYTES = 64_000_000
MAX_RATIO = 200
"""Unpacked size of a zip member over its packed size; source text stays under 30."""
_SUFFIX = re.compile(r"(\.orig)?(\.tar(\.\w+)?|\.tgz|\.tbz2?|\.txz|\.zip|\.whl)$")
_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    LZMAError,
    OSError,
    RuntimeError,
    NotImplementedError,
    UnicodeError,
)
_WHEEL = re.compile(r"^([^-]+)-([^-]+)-.*\.whl$")
_VERSIONED = re.compile(r"^(.+?)[-_]v?(\d[\w.+~]*)$")


def repositories(source: Source) -> list[Repository]:
    """Return one repository an archive. Raises SourceError for one that is missing or no archive."""
    assert isinstance(source, ArchiveSource)
    return [_repository(source, Path(path).expanduser()) for path in source.paths]


def entries(repository: Repository) -> list[Entry] | None:
    """Return a zip's or wheel's directory; a tar must be read from end to end."""
    path = Path(repository.locator)
    if not _is_zip(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            if len(archive.infolist()) > MAX_MEMBERS:
                return None
            found = {_inner(info.filename): info for info in archive.infolist()}
    except _DAMAGE:
        return None
    names = [name for name, info in found.items() if _refusal(name, info) is None]
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
    members = _zip_members if _is_zip(path) else _tar_members
    num_members, total = 0, 0
    for item in members(path, None if wanted is None else {root + name for name in wanted}):
        inner = item.path.removeprefix(root)
        num_members += 1
        if isinstance(item, Unread):
            yield Unread(inner, item.reason, item.detail, item.num_bytes)
            continue
        total += len(item.data)
        if num_members > MAX_MEMBERS or total > MAX_TOTAL_BYTES:
            limit = f"{MAX_MEMBERS} members or {MAX_TOTAL_BYTES} bytes"
            yield Unread(inner, "archive_bomb", f"more than {limit}; the rest is left out")
            return
        if wanted is None or inner in wanted:
            yield Bytes(inner, item.data)


def _is_zip(path: Path) -> bool:
    """Say whether to read a zip; by name too, since a truncated one lost its directory at the end."""
    return path.suffix in (".zip", ".whl") or zipfile.is_zipfile(path)


def _tar_members(path: Path, wanted: set[str] | None) -> Iterator[Bytes | Unread]:
    last = ""
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                last = name = _inner(member.name)
                if member.isdir():
                    continue
                refusal = _refused_name(name) or _tar_refusal(member)
                if refusal is not None:
                    yield Unread(name, *refusal, member.size)
                elif wanted is None or name in wanted:
                    stream = archive.extractfile(member)
                    data = b"" if stream is None else stream.read()
                    if len(data) < member.size:
                        raise EOFError(f"{len(data)} of {member.size} bytes")
                    yield Bytes(name, data)
    except _DAMAGE as error:
        yield Unread(
            last or path.name, "truncated", f"the archive ends or is damaged here: {error}"
        )


def _zip_members(path: Path, wanted: set[str] | None) -> Iterator[Bytes | Unread]:
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                name = _inner(info.filename)
                if info.is_dir() or (wanted is not None and name not in wanted):
                    continue
                refusal = _refusal(name, info)
                if refusal is not None:
                    yield Unread(name, *refusal, info.file_size)
                    continue
                try:
                    with archive.open(info) as stream:
                        yield Bytes(name, stream.read(MAX_MEMBER_BYTES))
                except _DAMAGE as error:
                    yield Unread(name, "truncated", f"the member is damaged: {error}")
    except _DAMAGE as error:
        yield Unread(path.name, "truncated", f"the archive is damaged: {error}")


def _refused_name(name: str) -> tuple[str, str] | None:
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or "\0" in name or re.match(r"^[A-Za-z]:", name):
        return "unsafe_path", "the name leads out of the archive"
    return None


def _tar_refusal(member: tarfile.TarInfo) -> tuple[str, str] | None:
    if member.issym() or member.islnk():
        return "link", f"a link to {member.linkname}"
    if not member.isreg():
        return "device", "neither file nor folder"
    if member.size > MAX_MEMBER_BYTES:
        return "too_large", f"{member.size} bytes, limit {MAX_MEMBER_BYTES}"
    return None


def _refusal(name: str, info: zipfile.ZipInfo) -> tuple[str, str] | None:
    mode = info.external_attr >> 16
    if info.is_dir():
        return "folder", "a folder"
    if refused := _refused_name(name):
        return refused
    if mode and stat.S_ISLNK(mode):
        return "link", "a link"
    if info.flag_bits & 1:
        return "encrypted", "the member is encrypted"
    if info.file_size > MAX_MEMBER_BYTES:
        return "too_large", f"{info.file_size} bytes, limit {MAX_MEMBER_BYTES}"
    if info.file_size > 1_000_000 and info.file_size > MAX_RATIO * max(info.compress_size, 1):
        return "archive_bomb", f"{info.compress_size} bytes grow to {info.file_size}"
    return None


def _inner(name: str) -> str:
    """Return a member's name as it is, without a leading `./`."""
    while name.startswith("./"):
        name = name[2:]
    return name.replace("\\", "/")


def _common_root(names: Sequence[str]) -> str:
    """Return the one top folder that all names share, with its slash, or an empty string."""
    tops = {name.split("/", 1)[0] for name in names if not name.startswith(("/", ".."))}
    nested = all("/" in name for name in names)
    return f"{tops.pop()}/" if len(tops) == 1 and nested else ""


@lru_cache(maxsize=64)
def _root_of(path: str, digest: str) -> str:
    """Return the top folder of an archive's members."""
    return _common_root(_names(Path(path)))


def _names(path: Path) -> list[str]:
    names = []
    try:
        if _is_zip(path):
            with zipfile.ZipFile(path) as archive:
                names = [_inner(info.filename) for info in archive.infolist() if not info.is_dir()]
        else:
            with tarfile.open(path, "r:*") as tar:
                for member in tar:
                    if not member.isdir():
                        names.append(_inner(member.name))
    except _DAMAGE:
        pass  # what came before the damage is named; `read` reports the damage
    return [name for name in names if _refused_name(name) is None]


def _repository(source: ArchiveSource, path: Path) -> Repository:
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(
            f"source 'archive': {path} cannot be read: {error.strerror}; "
            "give existing files in corpus.sources paths"
        ) from error
    if not (_is_zip(path) or _SUFFIX.search(path.name) or tarfile.is_tarfile(path)):
        raise SourceError(
            f"source 'archive': {path} is neither a tar nor a zip; tar.*, tgz, zip and whl are read"
        )
    name, revision = _name_and_version(path.name)
    identity = SourceIdentity(
        repository=name,
        revision=revision or f"archive-{digest[:12]}",
        licence=_licence(path, digest),
        digest=digest,
    )
    return Repository(identity, source, str(path.resolve()))


def _name_and_version(file_name: str) -> tuple[str, str]:
    wheel = _WHEEL.match(file_name)
    if wheel is not None:
        return wheel[1], wheel[2]
    stem = _SUFFIX.sub("", file_name)
    versioned = _VERSIONED.match(stem)
    return (versioned[1], versioned[2]) if versioned is not None else (stem, "")


def _licence(path: Path, digest: str) -> str:
    """Return the licence by the archive's metadata (wheel, sdist), else by its licence files."""
    root = _root_of(str(path), digest)
    members = _zip_members if _is_zip(path) else _tar_members
    texts: dict[str, str] = {}
    metadata = ""
    for item in members(path, set(_top_files(_names(path), root))):
        if isinstance(item, Bytes):
            text = item.data.decode("utf-8", "replace")
            if item.path.endswith(("/METADATA", "PKG-INFO")):
                metadata = metadata or text
            texts[item.path.removeprefix(root)] = text
    if metadata:
        stated = licence_of_metadata(HeaderParser().parsestr(metadata))
        if stated != UNKNOWN:
            return stated
    return licence_of_tree(texts, texts.__getitem__)


def _top_files(names: Sequence[str], root: str) -> Iterator[str]:
    for name in names:
        inner = name.removeprefix(root)
        is_metadata = inner.endswith(".dist-info/METADATA") or inner == "PKG-INFO"
        if is_metadata or re.match(r"(?i)(licen[cs]e|copying|unlicense)[^/]*$", inner):
            yield name


KIND = Kind(repositories, entries, read)
