"""A corpus artifact made by hand, for tests of the stages that read one."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.artifacts import Artifact, CodeIdentity, Store
from gristmill.corpus.documents import SCHEMA, Document, DocumentFile
from gristmill.pipeline import Step
from gristmill.storage import Storage

CODE = CodeIdentity(commit="0" * 40, dirty=False, packages={})


def document(
    files: Mapping[str, str], repository: str = "repo", split: str = "train", header: bool = True
) -> Document:
    """Return a document of Python files by path."""
    made = tuple(
        DocumentFile(path, "Python", f"# {path}\n" if header else "", text)
        for path, text in files.items()
    )
    num_bytes = sum(len((file.header + file.text).encode()) for file in made)
    digest = hashlib.sha256(repr((repository, sorted(files.items()))).encode()).hexdigest()
    return Document(digest, repository, "1", "MIT", "code", split, "Python", num_bytes, made)


def package_documents(folder: Path, files_each: int = 3, limit: int = 10**9) -> list[Document]:
    """Return the Python files of an installed package as documents of a few files each."""
    paths = sorted(folder.rglob("*.py"))[:limit]
    texts = {str(path.relative_to(folder.parent)): _read(path) for path in paths}
    known = [(path, text) for path, text in texts.items() if text]
    groups = [known[i : i + files_each] for i in range(0, len(known), files_each)]
    return [
        document(dict(group), folder.name, "held_out" if number % 20 == 7 else "train")
        for number, group in enumerate(groups)
    ]


def write_documents(corpus: Storage, documents: Sequence[Document], per_part: int = 200) -> None:
    """Write `documents/part-*.parquet`."""
    for number, start in enumerate(range(0, len(documents), per_part)):
        rows = [asdict(item) for item in documents[start : start + per_part]]
        table = pa.Table.from_pylist(rows, SCHEMA)
        with corpus.open_output(f"documents/part-{number:05d}.parquet") as stream:
            pq.write_table(table, stream)


def commit_corpus(store: Store, step: Step, documents: Iterable[Document]) -> Artifact:
    """Leave the documents as the artifact of a recipe's corpus step."""
    draft = store.draft(step.name, step.fingerprint)
    write_documents(draft.storage, list(documents))
    return draft.commit(step.stage, step.config, {}, CODE)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""
