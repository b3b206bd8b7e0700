"""The members of a tar or a zip, one after the other, and why some are refused.

Nothing is unpacked to disk, so that no name, link or device can reach a file system. What grows out of
proportion ends the reading: the unpacked size is looked at before the next member is asked for, since
asking means unpacking all before it. A truncated or damaged tar gives what came before the damage and
one reject for the rest; a truncated zip has lost its directory and gives one reject.
"""

import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import Any

from gristmill.corpus.sources.repository import MAX_FILE_BYTES, Bytes, Unread

MAX_MEMBERS = 500_000
MAX_TOTAL_BYTES = 20_000_000_000
"""Unpacked bytes that one archive may give."""
MAX_RATIO = 200
"""Unpacked size over packed size, of a zip member and of a whole archive; source text stays under 30."""
_RATIO_FROM_BYTES = 1_000_000
_MAX_HEADER_BYTES = 1_000_000
"""Of a tar's extended header, which is held in memory; a name has at most some thousand bytes."""
DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    LZMAError,
    OSError,
    RuntimeError,
    NotImplementedError,
    UnicodeError,
    ValueError,
    MemoryError,
)
_EXTENDED = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


class _TarInfo(tarfile.TarInfo):
    """A member whose extended header is small enough to be read."""

    def _proc_member(self, archive: Any) -> Any:
        if self.type in _EXTENDED and self.size > _MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"an extended header of {self.size} bytes")
        return super()._proc_member(archive)  # type: ignore[misc]


def is_zip(path: Path) -> bool:
    """Say whether to read a zip; by name too, since a truncated one lost its directory at the end."""
    return path.suffix in (".zip", ".whl") or zipfile.is_zipfile(path)


def members(path: Path, wanted: set[str] | None) -> Iterator[Bytes | Unread]:
    """Yield the wanted members' bytes, or all; a refused one comes as it is met, wanted or not."""
    yield from (_zip_members if is_zip(path) else _tar_members)(path, wanted)


def names(path: Path) -> list[str]:
    """Return the members' names as far as they can be read; `members` reports what is wrong."""
    found: list[str] = []
    try:
        if is_zip(path):
            with zipfile.ZipFile(path) as archive:
                found = [inner(info.filename) for info in archive.infolist() if not info.is_dir()]
        else:
            with tarfile.open(path, "r:*", tarinfo=_TarInfo) as tar:
                for member in tar:
                    if not member.isdir():
                        found.append(inner(member.name))
                    if len(found) > MAX_MEMBERS or _outgrown(tar.offset, path):
                        break
    except DAMAGE:
        pass  # what came before the damage is named; `members` reports the damage
    return [name for name in found[:MAX_MEMBERS] if refused_name(name) is None]


def inner(name: str) -> str:
    """Return a member's name with `/`, without a leading `./`."""
    name = name.replace("\\", "/")
    while name.startswith("./"):
        name = name[2:]
    return name


def refused_name(name: str) -> tuple[str, str] | None:
    """Return why a name is refused: it would lead out of where it belongs."""
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or "\0" in name or re.match(r"^[A-Za-z]:", name):
        return "unsafe_path", "the name leads out of the tree"
    return None


def refused_zip_member(name: str, info: zipfile.ZipInfo) -> tuple[str, str] | None:
    """Return why a zip member is not read."""
    mode = info.external_attr >> 16
    if info.is_dir():
        return "folder", "a folder"
    if refused := refused_name(name):
        return refused
    if mode and stat.S_ISLNK(mode):
        return "link", "a link"
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "device", "neither file nor folder"
    if info.flag_bits & 1:
        return "encrypted", "the member is encrypted"
    if info.file_size > MAX_FILE_BYTES:
        return "too_large", f"{info.file_size} bytes, limit {MAX_FILE_BYTES}"
    if info.file_size > _RATIO_FROM_BYTES and info.file_size > MAX_RATIO * max(
        info.compress_size, 1
    ):
        return "archive_bomb", f"{info.compress_size} bytes grow to {info.file_size}"
    return None


def _refused_tar_member(member: tarfile.TarInfo) -> tuple[str, str] | None:
    if member.issym() or member.islnk():
        return "link", f"a link to {member.linkname}"
    if not member.isreg():
        return "device", "neither file nor folder"
    if member.size > MAX_FILE_BYTES:
        return "too_large", f"{member.size} bytes, limit {MAX_FILE_BYTES}"
    return None


def _outgrown(num_bytes: int, path: Path) -> bool:
    """Say whether an archive's unpacked size is out of proportion to what lies on the disk."""
    packed = max(path.stat().st_size, 1)
    out_of_proportion = num_bytes > 100 * _RATIO_FROM_BYTES and num_bytes > MAX_RATIO * packed
    return out_of_proportion or num_bytes > MAX_TOTAL_BYTES


def _bomb(num_bytes: int, path: Path) -> Unread:
    detail = f"{path.stat().st_size} bytes grow to {num_bytes} and more; the rest is left out"
    return Unread(path.name, "archive_bomb", detail)


def _too_many(path: Path) -> Unread:
    return Unread(
        path.name, "archive_bomb", f"more than {MAX_MEMBERS} members; the rest is left out"
    )


def _tar_members(path: Path, wanted: set[str] | None) -> Iterator[Bytes | Unread]:
    at = path.name  # damage between two members is the archive's
    try:
        with tarfile.open(path, "r:*", tarinfo=_TarInfo) as archive:
            for number, member in enumerate(archive):
                at = name = inner(member.name)
                refusal = refused_name(name) or _refused_tar_member(member)
                if number >= MAX_MEMBERS:
                    yield _too_many(path)
                    return
                if member.isdir():
                    pass
                elif refusal is not None:
                    yield Unread(name, *refusal, member.size)
                elif wanted is None or name in wanted:
                    stream = archive.extractfile(member)
                    data = b"" if stream is None else stream.read()
                    if len(data) < member.size:
                        raise EOFError(f"{len(data)} of {member.size} bytes")
                    yield Bytes(name, data)
                archive.members.clear()  # type: ignore[attr-defined]  # else all stay in memory
                if _outgrown(archive.offset, path):
                    yield _bomb(archive.offset, path)
                    return
                at = path.name
    except DAMAGE as error:
        yield Unread(at, "truncated", f"the archive ends or is damaged here: {error}")


def _zip_members(path: Path, wanted: set[str] | None) -> Iterator[Bytes | Unread]:
    total = 0
    try:
        with zipfile.ZipFile(path) as archive:
            for number, info in enumerate(archive.infolist()):
                name = inner(info.filename)
                if number >= MAX_MEMBERS:
                    yield _too_many(path)
                    return
                if info.is_dir() or (wanted is not None and name not in wanted):
                    continue
                refusal = refused_zip_member(name, info)
                if refusal is not None:
                    yield Unread(name, *refusal, info.file_size)
                    continue
                total += info.file_size
                if _outgrown(total, path):
                    yield _bomb(total, path)
                    return
                try:
                    with archive.open(info) as stream:
                        yield Bytes(name, stream.read(MAX_FILE_BYTES))
                except DAMAGE as error:
                    yield Unread(name, "truncated", f"the member is damaged: {error}")
    except DAMAGE as error:
        yield Unread(path.name, "truncated", f"the archive is damaged: {error}")
