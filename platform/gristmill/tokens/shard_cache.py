"""A local copy of remote shard files: whole, checked by hash, bounded in bytes.

A file is named by its SHA-256, so any number of runs and workers on a machine share one copy. It is
written aside and renamed; when the folder grows past its bound, the files used longest ago go first
(a process that has one mapped keeps its pages). A local store is mapped in place and never copied.
"""

import hashlib
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

from gristmill.errors import StoreError
from gristmill.storage import Storage

CHUNK_BYTES = 1 << 22


def default_folder() -> Path:
    """Return the machine's cache folder: `GRISTMILL_CACHE`, else under the user's cache home."""
    named = os.environ.get("GRISTMILL_CACHE")
    if named:
        return Path(named)
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "gristmill"


@dataclass(frozen=True)
class ShardCache:
    """The copies below one folder."""

    folder: Path
    limit_bytes: int = 64 << 30

    def fetch(self, storage: Storage, path: str, sha256: str, num_bytes: int) -> Path:
        """Return a local path of the file. Raises StoreError when its content is not what it should be."""
        here = storage.local()
        if here is not None:
            return _checked_size(here / path, num_bytes)
        target = self.folder / sha256
        if target.exists() and target.stat().st_size == num_bytes:
            os.utime(target)
            return target
        self.folder.mkdir(parents=True, exist_ok=True)
        self._make_room(num_bytes, keep=target)
        aside = self.folder / f"{sha256}.{uuid.uuid4().hex}.part"
        try:
            found = _copy(storage, path, aside)
            if found != sha256:
                raise StoreError(
                    f"{storage.url}/{path} is damaged: its SHA-256 is {found[:12]}, "
                    f"the manifest says {sha256[:12]}; make the tokens again"
                )
            aside.replace(target)
        finally:
            aside.unlink(missing_ok=True)
        return target

    def _make_room(self, num_bytes: int, keep: Path) -> None:
        copies = []
        for path in self.folder.iterdir():
            if path != keep and path.suffix != ".part":
                status = path.stat()
                copies.append((status.st_mtime, status.st_size, path))
        held = sum(size for _, size, _ in copies)
        for _, size, path in sorted(copies):
            if held + num_bytes <= self.limit_bytes:
                break
            path.unlink(missing_ok=True)
            held -= size


def _checked_size(path: Path, num_bytes: int) -> Path:
    found = path.stat().st_size if path.exists() else None
    if found != num_bytes:
        state = "is missing" if found is None else f"has {found} bytes"
        raise StoreError(f"{path} {state}, its manifest says {num_bytes}; make the tokens again")
    return path


def _copy(storage: Storage, path: str, target: Path) -> str:
    digest = hashlib.sha256()
    with storage.open_input(path) as source, target.open("wb") as out:
        while chunk := source.read(CHUNK_BYTES):
            digest.update(chunk)
            out.write(chunk)
    return digest.hexdigest()
