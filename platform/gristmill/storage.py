"""A folder at a URL: a local path, or anything `pyarrow.fs` opens (s3://, gs://), by the same calls.

Paths are relative and use `/`. Nothing here knows what an artifact is.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs

from gristmill.errors import StoreError

_ASIDE = re.compile(r"\.[0-9a-f]{8}\.part$")
"""How a file's name ends while it is written; no listing shows it, or readers would meet half a file."""

Names = list[str]  # inside the class, `list` is the method
Entries = list[tuple[str, bool, int]]


@dataclass(frozen=True)
class Storage:
    """A folder. `url` is what the user wrote; `filesystem` and `root` are what pyarrow wants."""

    url: str
    filesystem: pafs.FileSystem
    root: str

    @staticmethod
    def open(url: str) -> Storage:
        """Open a local path or URL; the folder need not exist. Raises StoreError."""
        try:
            if "://" not in url:
                root = str(Path(url).expanduser().absolute())
                return Storage(root, pafs.LocalFileSystem(), root)
            if "@" in url.split("://", 1)[1].split("/", 1)[0]:  # it would end in records and logs
                raise StoreError(
                    "the store's URL holds credentials; leave them out and set them in the environment "
                    "(AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the cloud's own)"
                )
            filesystem, root = pafs.FileSystem.from_uri(url)
        except (pa.ArrowInvalid, OSError) as error:
            raise StoreError(f"store {url} cannot be opened: {error}") from error
        return Storage(url.rstrip("/"), filesystem, root.rstrip("/"))

    def child(self, path: str) -> Storage:
        """Return the folder at `path` below this one."""
        base, question, query = self.url.partition("?")
        url = f"{base}/{path}{question}{query}"
        return Storage(url, self.filesystem, f"{self.root}/{path}")

    def where(self, path: str) -> str:
        """Return the filesystem's own path of `path`."""
        return f"{self.root}/{path}" if path else self.root

    def local(self) -> Path | None:
        """Return the folder as a local path, or None when it is remote."""
        return Path(self.root) if isinstance(self.filesystem, pafs.LocalFileSystem) else None

    def exists(self, path: str) -> bool:
        """Say whether a file or folder is at `path`."""
        return bool(self.filesystem.get_file_info(self.where(path)).type != pafs.FileType.NotFound)

    def list(self, path: str = "", recursive: bool = False) -> Names:
        """Return the files below `path`, relative to this folder, sorted; empty when it is not there."""
        return [name for name, is_file, _ in self._entries(path, recursive) if is_file]

    def sizes(self, path: str = "") -> dict[str, int]:
        """Return the size in bytes of every file below `path`, recursively."""
        return {name: size for name, is_file, size in self._entries(path, True) if is_file}

    def folders(self, path: str = "") -> Names:
        """Return the names of the folders directly at `path`, sorted."""
        found = [name for name, is_file, _ in self._entries(path, False) if not is_file]
        return [name.rsplit("/", 1)[-1] for name in found]

    def read_bytes(self, path: str) -> bytes:
        """Return a file's bytes. Raises StoreError naming the file."""
        try:
            with self.filesystem.open_input_stream(self.where(path), compression=None) as stream:
                return bytes(stream.read())
        except OSError as error:
            raise StoreError(f"{self.url}/{path} cannot be read: {error}") from error

    def write_bytes(self, path: str, data: bytes) -> None:
        """Write a whole file; a reader sees all of it or none. Raises StoreError."""
        try:
            parent = self.where(path).rsplit("/", 1)[0]
            self.filesystem.create_dir(parent, recursive=True)
            if self.local() is None:  # object stores make a PUT visible at once
                with self.filesystem.open_output_stream(
                    self.where(path), compression=None
                ) as stream:
                    stream.write(data)
                return
            aside = Path(
                f"{self.where(path)}.{secrets.token_hex(4)}.part"
            )  # two may write it at once
            try:
                aside.write_bytes(data)
                aside.replace(self.where(path))
            finally:
                aside.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"store {self.url} cannot be written: {error}") from error

    def check_writable(self) -> None:
        """Write and remove a small file. Raises StoreError that says what to do."""
        try:
            self.write_bytes(".probe", b"")
            self.delete(".probe")
        except (StoreError, OSError) as error:
            raise StoreError(
                f"{error}; choose another store with --store or GRISTMILL_STORE, or correct its "
                "permissions or credentials"
            ) from error

    def open_input(self, path: str) -> Any:
        """Open a file for random access (a `pyarrow.NativeFile`). Raises StoreError."""
        try:
            return self.filesystem.open_input_file(self.where(path))
        except OSError as error:
            raise StoreError(f"{self.url}/{path} cannot be read: {error}") from error

    def open_output(self, path: str) -> Any:
        """Open a file for writing, its folder made (a `pyarrow.NativeFile`). Raises StoreError."""
        try:
            self.filesystem.create_dir(self.where(path).rsplit("/", 1)[0], recursive=True)
            return self.filesystem.open_output_stream(self.where(path), compression=None)
        except OSError as error:
            raise StoreError(f"store {self.url} cannot be written: {error}") from error

    @contextmanager
    def writing(self, path: str) -> Iterator[Any]:
        """Open a file for writing that appears when the block ends well. Raises StoreError."""
        here = self.local()
        if here is None:  # an object store shows an object when its stream is closed
            with self.open_output(path) as stream:
                yield stream
            return
        aside = here / f"{path}.{secrets.token_hex(4)}.part"
        try:
            aside.parent.mkdir(parents=True, exist_ok=True)
            with aside.open("wb") as stream:
                yield stream
            aside.replace(here / path)
        except OSError as error:
            raise StoreError(f"store {self.url} cannot be written: {error}") from error
        finally:
            aside.unlink(missing_ok=True)

    def delete(self, path: str) -> None:
        """Remove a file or a folder with all below it; nothing happens when it is not there."""
        info = self.filesystem.get_file_info(self.where(path))
        if info.type == pafs.FileType.Directory:
            self.filesystem.delete_dir(self.where(path))
        elif info.type == pafs.FileType.File:
            self.filesystem.delete_file(self.where(path))

    def sweep(self) -> None:
        """Remove the half files that killed writers left; only a local folder can hold any."""
        here = self.local()
        for aside in here.rglob("*.part") if here is not None else ():
            if _ASIDE.search(aside.name):
                aside.unlink(missing_ok=True)

    def upload(self, source: Path, path: str) -> None:
        """Copy a local file or folder to `path`. Raises StoreError."""
        self._copy(pafs.LocalFileSystem(), str(source), path)

    def copy_from(self, other: Storage, path: str) -> None:
        """Copy the folder or file at `path` of another storage to the same path here."""
        self._copy(other.filesystem, other.where(path), path)

    def download(self, path: str, target: Path) -> Path:
        """Return a local path of a file or folder: itself when local, else a copy made at `target`."""
        here = self.local()
        if here is not None:
            return here / path
        aside = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
        try:
            if self.filesystem.get_file_info(self.where(path)).type == pafs.FileType.Directory:
                aside.mkdir(parents=True)  # pyarrow makes the folders below it, not itself
            pafs.copy_files(self.where(path), str(aside), self.filesystem, pafs.LocalFileSystem())
            aside.replace(target)
        except OSError as error:
            if not target.is_dir():  # else another process copied the same at the same time
                raise StoreError(f"{self.url}/{path} cannot be copied here: {error}") from error
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return target

    def _copy(self, filesystem: pafs.FileSystem, source: str, path: str) -> None:
        target = self.where(path)
        is_folder = filesystem.get_file_info(source).type == pafs.FileType.Directory
        try:  # pyarrow makes the folders below a copied folder, not the folder itself
            folder = target if is_folder else target.rsplit("/", 1)[0]
            self.filesystem.create_dir(folder, recursive=True)
            pafs.copy_files(source, target, filesystem, self.filesystem)
        except OSError as error:
            raise StoreError(f"{source} cannot be copied to {self.url}/{path}: {error}") from error

    def _entries(self, path: str, recursive: bool) -> Entries:
        selector = pafs.FileSelector(self.where(path), allow_not_found=True, recursive=recursive)
        infos = self.filesystem.get_file_info(selector)
        start = len(self.root) + 1
        return sorted(
            (info.path[start:], info.type == pafs.FileType.File, info.size or 0)
            for info in infos
            if not _ASIDE.search(info.path)
        )
