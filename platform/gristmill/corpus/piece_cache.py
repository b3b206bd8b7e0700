"""Piece tables kept in the store, so that a repository that did not change is not read again.

A table lies at `.pieces/<repository>/<key>.parquet`. The key is everything that reading the piece
depends on: the repository's content, the range of it, the part of the section that judging looks at,
the benchmarks, and the code that judges (a hash of this package's own source: nobody has to remember a
version). Hence a table that is there is the table that reading would give, to the byte. What nobody
used for `KEEP_DAYS` goes, and the least recently used of what is beyond the size limit.
"""

import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

import pyarrow.fs as pafs

from gristmill import corpus
from gristmill.artifacts import Store
from gristmill.corpus.config import CorpusSection
from gristmill.corpus.contamination import BUNDLED
from gristmill.corpus.parts import read_table
from gristmill.corpus.pieces import Piece
from gristmill.pipeline import content_digest
from gristmill.storage import Storage

FOLDER = ".pieces"
KEEP_DAYS = 30.0
_NOT_READ = frozenset({"sources", "order", "window_tokens", "path_comment", "held_out", "opt_out"})
"""Keys of the section that reading a piece never looks at; any other key changes every table."""
_READ_OF_DEDUP = ("level", "num_hashes", "shingle_words")
_CODE = (
    "tree-sitter", "rensa", "pyarrow", "enry-python", "charset-normalizer", "selectolax", "hyperscan"
)  # fmt: skip


@dataclass(frozen=True)
class PieceCache:
    """The tables of one store. `folder` is a name by repository, `key` by content."""

    storage: Storage

    @staticmethod
    def of(store: Store) -> "PieceCache":
        """Return a store's cache."""
        return PieceCache(store.storage.child(FOLDER))

    def known(self) -> frozenset[str]:
        """Return the paths of all tables, in one listing."""
        return frozenset(self.storage.list(recursive=True))

    def fetch(self, path: str, storage: Storage, target: str) -> None:
        """Put the table at `path` to `target`, without a copy where the file system can."""
        link(self.storage, path, storage, target)
        here = self.storage.local()
        if here is not None:
            os.utime(here / path)

    def keep(self, storage: Storage, source: str, path: str) -> None:
        """Keep a table that was just made."""
        link(storage, source, self.storage, path)

    def sweep(
        self, *, max_bytes: int | None = None, days: float = KEEP_DAYS, dry_run: bool = False
    ) -> int:
        """Remove tables by age and size, the least recently used first; return the bytes removed."""
        entries = sorted(self._entries(), reverse=True)
        oldest = time.time() - days * 86400
        removed = held = 0
        for used, path, size in entries:
            held += size
            if used < oldest or (max_bytes is not None and held > max_bytes):
                removed += size
                if not dry_run:
                    self.storage.delete(path)
        return removed

    def remove(self, repository: str) -> int:
        """Remove every table that holds files of a repository; return how many."""
        found = [
            path
            for path in self.known()
            if path.startswith(f"{_folder(repository)}/")
            or (
                path.startswith("_")
                and path.endswith(".parquet")
                and _holds(self.storage, path, repository)
            )
        ]
        for path in found:
            self.storage.delete(path)
        return len(found)

    def _entries(self) -> list[tuple[float, str, int]]:
        selector = pafs.FileSelector(self.storage.root, allow_not_found=True, recursive=True)
        start = len(self.storage.root) + 1
        return [
            (info.mtime.timestamp() if info.mtime else 0.0, info.path[start:], info.size or 0)
            for info in self.storage.filesystem.get_file_info(selector)
            if info.type == pafs.FileType.File
        ]


def table_path(piece: Piece, reading: str, opt_out: Sequence[str] = ()) -> str:
    """Return where the piece's table lies in a cache; `reading` is what `reading_digest` returned."""
    source = piece.repository
    identity = source.identity
    parts = (
        reading,
        f"{source.source.kind} {source.source.domain}",
        identity.model_dump_json(),
        f"{piece.first} {piece.last} {piece.listing}",
        " ".join(opt_out) if piece.last is None else "",  # may hold other repositories than its own
    )
    key = hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    mixed = "_" if piece.last is None else ""
    return f"{mixed}{_folder(source.name)}/{key}.parquet"


def reading_digest(section: CorpusSection) -> str:
    """Return the hash of all that reading any piece depends on, besides the piece."""
    values = {name: value for name, value in section.identity().items() if name not in _NOT_READ}
    values["dedup"] = {name: values["dedup"].get(name) for name in _READ_OF_DEDUP}
    values["benchmarks"] = [
        hashlib.sha256(Path(name).read_bytes()).hexdigest()
        for name in section.decontaminate
        if name not in BUNDLED
    ]
    if section.score is not None:
        values["score_sees"] = [content_digest(section.score.model), section.path_comment]
    values["code"] = code_digest()
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def code_digest() -> str:
    """Return the hash of this package's source and of the packages whose output ends in tables."""
    root = Path(next(iter(corpus.__path__)))
    state = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        state.update(path.relative_to(root).as_posix().encode() + b"\0")
        state.update(hashlib.sha256(path.read_bytes()).digest())
    for name in _packages():
        state.update(f"{name} {metadata.version(name)}\n".encode())
    return state.hexdigest()


def link(source: Storage, path: str, target: Storage, to: str) -> None:
    """Make the file at `path` appear at `to` too: a hard link where both are local, else a copy."""
    here, there = source.local(), target.local()
    if here is None or there is None:
        target.write_bytes(to, source.read_bytes(path))
        return
    aside = there / f"{to}.{secrets.token_hex(4)}.part"
    aside.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(here / path, aside)
        aside.replace(there / to)
    except OSError:  # another file system, or one without links
        target.write_bytes(to, source.read_bytes(path))
    finally:
        aside.unlink(missing_ok=True)


def _packages() -> Iterable[str]:
    grammars = {
        item.metadata["Name"]
        for item in metadata.distributions()
        if item.metadata["Name"].startswith("tree-sitter-")
    }
    return sorted({*grammars, *_CODE})


def _folder(repository: str) -> str:
    return hashlib.sha256(repository.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _holds(storage: Storage, path: str, repository: str) -> bool:
    names = read_table(storage, path, ["repository"])["repository"]
    return repository in set(names.unique().to_pylist())
