"""An `index` artifact's folder written without Ray, for the tests of serving."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.corpus.documents import Document, DocumentFile
from gristmill.serving import provenance, repositories
from gristmill.serving.declarations import declarations


def document(repository: str, *texts: str) -> Document:
    """Return a document of Python files `0.py`, `1.py` and on."""
    files = tuple(DocumentFile(f"{i}.py", "Python", "", text) for i, text in enumerate(texts))
    return Document("d", repository, "1.0", "MIT", "code", "train", "Python", 1, files)


def write_provenance(folder: Path, units: Sequence[Sequence[Document]]) -> Path:
    """Write the hashes of documents, given in the job's units, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    parts, tables = zip(*(provenance.grams_of(unit) for unit in units), strict=True)
    firsts = np.cumsum([0, *(table.num_rows for table in tables)])[:-1].tolist()
    for number in range(provenance.NUM_SHARDS):
        grams = provenance.Grams.join([part.shard(number) for part in parts], firsts)
        places = np.stack([grams.files, grams.positions], axis=1)
        for name, values in (("hashes", grams.hashes), ("places", places)):
            buffer = io.BytesIO()
            np.save(buffer, values)
            (folder / f"{number:02d}.{name}.npy").write_bytes(buffer.getvalue())
    pq.write_table(pa.concat_tables(tables), folder / provenance.FILES)
    return folder


def write_repository(
    folder: Path, name: str, files: dict[str, str], imports: dict[str, list[str]]
) -> Path:
    """Write one repository of Python files and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[list[dict[str, object]]] = [[] for _ in range(repositories.NUM_BUCKETS)]
    for path, text in files.items():
        rows[repositories.bucket_of(name)].append(
            {
                "repository": name,
                "path": path,
                "language": "Python",
                "text": text,
                "declarations": declarations("Python", text, path),
                "imports": imports.get(path, []),
            }
        )
    for number, bucket in enumerate(rows):
        table = pa.Table.from_pylist(bucket, repositories.SCHEMA)
        pq.write_table(table, folder / f"{number:02d}.parquet")
    return folder
