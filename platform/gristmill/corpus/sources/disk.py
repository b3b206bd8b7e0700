"""One regular file from the disk, whole and small, or the reason why not.

Links are not followed, a pipe or a device is never waited for, and a file past the limit is not read.
"""

import os
import stat
from pathlib import Path

from gristmill.corpus.sources.repository import MAX_FILE_BYTES, Bytes, Unread


def read_file(root: Path, path: str, follow: bool = False) -> Bytes | Unread:
    """Return the file at a path below a folder; never raises for what is there or is not."""
    flags = os.O_RDONLY | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    place = os.path.join(root, path)
    try:
        descriptor = os.open(place, flags)
        with os.fdopen(descriptor, "rb", buffering=0) as stream:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return Unread(path, "device", "neither file nor folder")
            if status.st_size > MAX_FILE_BYTES:
                detail = f"{status.st_size} bytes, limit {MAX_FILE_BYTES}"
                return Unread(path, "too_large", detail, status.st_size)
            return Bytes(path, stream.read()[:MAX_FILE_BYTES])
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        if not follow and os.path.islink(place):
            return Unread(path, "link", f"a link to {os.readlink(place)}")
        return Unread(path, "unreadable", getattr(error, "strerror", None) or str(error))


def read_text(root: Path, path: str) -> str:
    """Return a small file as text, what is broken in it replaced; empty when it cannot be read."""
    item = read_file(root, path)
    return item.data.decode("utf-8", "replace") if isinstance(item, Bytes) else ""
