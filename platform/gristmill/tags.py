"""Tags: which version of a model is the promoted one, the one that endpoints follow.

A tag is `{store}/.tags/<name>.json`. Promoting an older version is the rollback: one command, nothing
rebuilt. The earlier versions stay in the tag's history, newest first.
"""

from __future__ import annotations

import time

from pydantic import BaseModel, ConfigDict, ValidationError

from gristmill.artifacts import Artifact, Store
from gristmill.errors import StoreError

FOLDER = ".tags"
MODEL_STAGES = ("pretrain", "extend", "finetune")
"""Stages whose artifacts hold a model."""


class Promotion(BaseModel):
    """One version that was, or is, the promoted one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    fingerprint: str
    promoted: str
    """UTC, ISO."""
    by: str


class Tag(BaseModel):
    """The promoted version of one name, and those before it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    current: Promotion
    history: tuple[Promotion, ...] = ()


def promote(store: Store, label: str, by: str) -> Tag:
    """Make `name@version` (or a name's newest) the promoted one. Raises StoreError."""
    artifact = store.get(label)
    record = artifact.record
    if record.stage not in MODEL_STAGES:
        raise StoreError(
            f"{artifact.label} is of stage {record.stage}, which holds no model; "
            f"promote an artifact of {', '.join(MODEL_STAGES)}"
        )
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    current = Promotion(version=record.version, fingerprint=record.fingerprint, promoted=now, by=by)
    before = promoted(store, record.name)
    history: tuple[Promotion, ...] = ()
    if before is not None:
        if before.current.fingerprint == record.fingerprint:
            return before
        history = (before.current, *before.history)
    tag = Tag(name=record.name, current=current, history=history)
    store.storage.write_bytes(
        f"{FOLDER}/{record.name}.json", tag.model_dump_json(indent=1).encode()
    )
    return tag


def promoted(store: Store, name: str) -> Tag | None:
    """Return the tag of a name, or None when nothing was promoted. Raises StoreError if damaged."""
    path = f"{FOLDER}/{name}.json"
    if not store.storage.exists(path):
        return None
    try:
        return Tag.model_validate_json(store.storage.read_bytes(path))
    except ValidationError as error:
        raise StoreError(
            f"{store.storage.url}/{path} is damaged; promote a version again: {error}"
        ) from error


def served(store: Store, name: str) -> Artifact:
    """Return the artifact that endpoints serve under a name: promoted, else newest. Raises StoreError."""
    tag = promoted(store, name)
    return store.get(name if tag is None else f"{name}@{tag.current.version}")


def tags(store: Store) -> list[Tag]:
    """Return every tag of the store, by name."""
    names = [
        path.rsplit("/", 1)[-1].removesuffix(".json")
        for path in store.storage.list(FOLDER)
        if path.endswith(".json")
    ]
    return [tag for name in names if (tag := promoted(store, name)) is not None]
