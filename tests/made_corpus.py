"""A corpus artifact made by hand, for tests of the stages that read one."""

import hashlib
import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.artifacts import Artifact, CodeIdentity, Store
from gristmill.corpus.documents import SCHEMA, Document, DocumentFile
from gristmill.pipeline import Step
from gristmill.storage import Storage
from gristmill.tokens.bpe import train
from gristmill.tokens.tokenizer import Tokenizer

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


def package_documents(name: str, files_each: int = 3, limit: int = 10**9) -> list[Document]:
    """Return the Python files of an installed package as documents of a few files each."""
    paths = package_paths(name)[:limit]
    folder = Path(*paths[0].parts[: paths[0].parts.index(name) + 1])
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


@lru_cache(maxsize=1)
def small_tokenizer() -> Tokenizer:
    """Return a tokenizer of 600 tokens learned from a few files of an installed package."""
    texts = [_read(path) for path in package_paths("networkx")[:40]]
    return train(texts, 600)


@lru_cache(maxsize=1)
def real_files(limit: int = 1100) -> dict[str, str]:
    """Return over a thousand Python files of the running environment, by path."""
    paths = [path for name in ("sympy", "networkx", "pydantic") for path in package_paths(name)]
    texts = {"/".join(path.parts[-4:]): _read(path) for path in paths}
    return dict([(path, text) for path, text in texts.items() if text][:limit])


def package_paths(name: str) -> list[Path]:
    """Return the Python files of an installed package, sorted."""
    origin = importlib.util.find_spec(name)
    assert origin is not None and origin.origin is not None
    return sorted(Path(origin.origin).parent.rglob("*.py"))
