"""Questions a person asks a finished corpus: what is in it, where is this text, why is this file not.

Everything is answered from the artifact's own tables, one part in memory at a time, and only the
columns that the question needs are read. A file is named `path`, or `repository:path`; either may be
a glob (`*`), and a bare path matches at the end of a longer one, at a folder's border.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import cached_property
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.corpus.documents import part_paths
from gristmill.storage import Storage

_FACTS = ("document", "repository", "revision", "licence", "domain", "split", "language")
_FILE_FACTS = ("path", "language")


@dataclass(frozen=True)
class Fate:
    """Where a file of a source went: into a document, or out for a reason."""

    repository: str
    path: str
    kept: bool
    num_bytes: int
    language: str = ""
    document: str = ""
    """The document's id; empty for a file that is not in the corpus."""
    place: int = 0
    """Its place in the document, from 1."""
    num_files: int = 0
    """Files of the document."""
    split: str = ""
    licence: str = ""
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Overview:
    """What a corpus holds, in numbers."""

    files: dict[str, int]
    """Files by fate: `kept`, or the reason."""
    num_bytes: dict[str, int]
    languages: dict[str, int]
    """Bytes of text by language, the largest first."""
    splits: dict[str, int]
    """Documents by split."""
    repositories: tuple[dict[str, Any], ...]
    """Rows of `repositories.parquet`."""


@dataclass(frozen=True)
class Hit:
    """A line of a document's file that holds what was searched."""

    repository: str
    path: str
    line: int
    """1-based, in the file's text without its path comment."""
    text: str
    document: str


@dataclass(frozen=True)
class Link:
    """An import edge seen from one file."""

    path: str
    direction: Literal["imports", "imported by"]
    kind: str
    line: int | None


@dataclass(frozen=True)
class Pattern:
    """Which files a question is about."""

    repository: str
    path: str

    @staticmethod
    def parse(text: str) -> "Pattern":
        """Read `path` or `repository:path`."""
        repository, colon, path = text.partition(":")
        return Pattern(repository, path) if colon else Pattern("*", text)

    def matches(self, repository: str, path: str) -> bool:
        """Say whether a file is meant."""
        if self._repository.fullmatch(repository) is None:
            return False
        return self._path.fullmatch(path) is not None

    @cached_property
    def _repository(self) -> re.Pattern[str]:
        return re.compile(translate(self.repository or "*"))

    @cached_property
    def _path(self) -> re.Pattern[str]:
        path = self.path.removeprefix("./") or "*"
        return re.compile(f"(?:.*/)?(?:{translate(path)})", re.DOTALL)


def overview(corpus: Storage) -> Overview:
    """Return the corpus in numbers."""
    files: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    splits: Counter[str] = Counter()
    for row in _documents(corpus, ("split", "files")):
        splits[row["split"]] += 1
        for file in row["files"]:
            num_bytes = len(file["text"].encode())
            files["kept"] += 1
            sizes["kept"] += num_bytes
            languages[file["language"]] += num_bytes
    for row in _rows(corpus, "rejects", ("reason", "num_bytes")):
        files[row["reason"]] += 1
        sizes[row["reason"]] += row["num_bytes"]
    repositories = _read(corpus, "repositories.parquet").to_pylist()
    return Overview(
        dict(files.most_common()),
        dict(sizes),
        dict(languages.most_common()),
        dict(splits),
        tuple(repositories),
    )


def fates(corpus: Storage, pattern: Pattern) -> Iterator[Fate]:
    """Yield what became of every file that the pattern means: the kept ones, then the others."""
    for row in _documents(corpus, (*_FACTS, "files")):
        for place, file in enumerate(row["files"], 1):
            if pattern.matches(row["repository"], file["path"]):
                yield Fate(
                    repository=row["repository"],
                    path=file["path"],
                    kept=True,
                    num_bytes=len(file["text"].encode()),
                    language=file["language"],
                    document=row["document"],
                    place=place,
                    num_files=len(row["files"]),
                    split=row["split"],
                    licence=row["licence"],
                )
    for row in _rows(corpus, "rejects", ("repository", "path", "reason", "detail", "num_bytes")):
        if pattern.matches(row["repository"], row["path"]):
            yield Fate(kept=False, **row)


def links(corpus: Storage, repository: str, path: str) -> list[Link]:
    """Return a file's import edges, both ways, by path."""
    found = []
    columns = ("repository", "importer", "imported", "kind", "line")
    for row in _rows(corpus, "edges", columns, [("repository", "=", repository)]):
        if row["importer"] == path:
            found.append(Link(row["imported"], "imports", row["kind"], row["line"]))
        elif row["imported"] == path:
            found.append(Link(row["importer"], "imported by", row["kind"], row["line"]))
    return sorted(found, key=lambda link: (link.direction, link.path, link.kind))


def search(
    corpus: Storage, wanted: re.Pattern[str], pattern: Pattern, language: str | None = None
) -> Iterator[Hit]:
    """Yield the lines of kept files that hold what is wanted, in the corpus's order."""
    for row in _documents(corpus, ("document", "repository", "files")):
        for file in row["files"]:
            if language is not None and file["language"].lower() != language.lower():
                continue
            if not pattern.matches(row["repository"], file["path"]):
                continue
            if wanted.search(file["text"]) is None:
                continue
            for number, line in enumerate(file["text"].split("\n"), 1):
                if wanted.search(line) is not None:
                    yield Hit(row["repository"], file["path"], number, line, row["document"])


def document(corpus: Storage, prefix: str) -> dict[str, Any] | None:
    """Return the document whose id begins so, as a row, or None."""
    for part in part_paths(corpus):
        ids = _read(corpus, part, ["document"])["document"].to_pylist()
        for at, name in enumerate(ids):
            if name.startswith(prefix):
                row: dict[str, Any] = _read(corpus, part).slice(at, 1).to_pylist()[0]
                return row
    return None


def _documents(corpus: Storage, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    for part in part_paths(corpus):
        with corpus.open_input(part) as stream:
            for batch in pq.ParquetFile(stream).iter_batches(64, columns=list(columns)):
                yield from batch.to_pylist()


def _rows(
    corpus: Storage, folder: str, columns: Sequence[str], filters: Any = None
) -> Iterator[dict[str, Any]]:
    for part in corpus.list(folder):
        if part.endswith(".parquet"):
            yield from _read(corpus, part, list(columns), filters).to_pylist()


def _read(
    corpus: Storage, path: str, columns: list[str] | None = None, filters: Any = None
) -> pa.Table:
    with corpus.open_input(path) as stream:
        return pq.read_table(stream, columns=columns, filters=filters)
