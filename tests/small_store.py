"""A store of tiny artifacts with real records: what retention, lineage, plans and commands work on."""

from collections.abc import Mapping
from typing import Any

from gristmill.artifacts import Artifact, CodeIdentity, SourceIdentity, Store, fingerprint

CODE = CodeIdentity(commit="0" * 40, dirty=False, packages={"ray": "2.60.0"})
SOURCES = (
    SourceIdentity(repository="rich", revision="14.1", licence="MIT", digest="d1"),
    SourceIdentity(repository="typer", revision="0.29", licence="MIT", digest="d2"),
    SourceIdentity(repository="click", revision="8.3", licence="BSD-3-Clause", digest="d3"),
)


def put(
    store: Store,
    stage: str,
    inputs: Mapping[str, Artifact] | None = None,
    *,
    config: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float] | None = None,
    files: Mapping[str, bytes] | None = None,
) -> Artifact:
    """Put a finished artifact `demo-<stage>` into the store."""
    inputs = inputs or {}
    sources = SOURCES if stage == "corpus" else ()
    values = dict(config or {})
    marks = {key: artifact.record.fingerprint for key, artifact in inputs.items()}
    draft = store.draft(f"demo-{stage}", fingerprint(stage, 1, values, marks, sources))
    for path, data in (files or {"data.bin": b"x" * 10}).items():
        draft.storage.write_bytes(path, data)
    return draft.commit(
        stage,
        values,
        {key: artifact.reference for key, artifact in inputs.items()},
        CODE,
        sources=sources,
        metrics=metrics,
    )


def put_chain(store: Store, seed: int = 0) -> dict[str, Artifact]:
    """Put corpus -> tokenizer -> tokens -> pretrain -> finetune; another seed shares the corpus."""
    corpus = put(store, "corpus")
    tokenizer = put(store, "tokenizer", {"corpus": corpus})
    tokens = put(store, "tokens", {"corpus": corpus, "tokenizer": tokenizer}, config={"s": seed})
    pretrain = put(store, "pretrain", {"tokens": tokens, "tokenizer": tokenizer})
    finetune = put(store, "finetune", {"pretrain": pretrain, "tokenizer": tokenizer})
    return {
        "corpus": corpus,
        "tokenizer": tokenizer,
        "tokens": tokens,
        "pretrain": pretrain,
        "finetune": finetune,
    }
