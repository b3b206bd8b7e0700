"""A document: the files of one connected component of a repository, in order. One training sample.

The corpus artifact keeps documents as parquet files under `documents/` with `SCHEMA`, one row a
document. The path comment is kept beside the text (`header`), because FIM must not touch it: the
text a model sees for a file is `header + text`, files joined by a newline where the text lacks one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.storage import Storage

SCHEMA = pa.schema(
    [
        ("document", pa.string()),  # hex digest of repository, revision, paths and texts
        ("repository", pa.string()),
        ("revision", pa.string()),
        ("licence", pa.string()),
        ("domain", pa.string()),
        ("split", pa.string()),  # train | held_out
        ("language", pa.string()),  # of most of its bytes
        ("num_bytes", pa.int64()),
        (
            "files",
            pa.list_(
                pa.struct(
                    [
                        ("path", pa.string()),
                        ("language", pa.string()),
                        ("header", pa.string()),
                        ("text", pa.large_string()),
                    ]
                )
            ),
        ),
    ]
)


@dataclass(frozen=True)
class DocumentFile:
    """One file of a document; `header` is the path comment line with its newline, or empty."""

    path: str
    language: str
    header: str
    text: str


@dataclass(frozen=True)
class Document:
    """The files of one connected component, dependencies before dependents."""

    document: str
    repository: str
    revision: str
    licence: str
    domain: str
    split: str
    language: str
    num_bytes: int
    files: tuple[DocumentFile, ...]


def from_row(row: dict[str, object]) -> Document:
    """Return the document in one row of a table with `SCHEMA`."""
    values = dict(row)
    files = values.pop("files")
    assert isinstance(files, list)
    return Document(files=tuple(DocumentFile(**file) for file in files), **values)  # type: ignore[arg-type]


def part_paths(corpus: Storage) -> list[str]:
    """Return the document parts of a corpus artifact, in their fixed order."""
    return sorted(path for path in corpus.list("documents") if path.endswith(".parquet"))


def read_documents(corpus: Storage, split: str = "train") -> Iterator[Document]:
    """Yield the documents of a split in the artifact's fixed order, one part in memory at a time."""
    for path in part_paths(corpus):
        with corpus.open_input(path) as stream:
            table = pq.read_table(stream, filters=[("split", "=", split)])
        for row in table.to_pylist():
            yield from_row(row)
