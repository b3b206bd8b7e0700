"""Retention: which artifacts a store may lose.

Kept are the promoted version and the newest version of every name, what the user names, and what live
runs use; nothing that the lineage of a kept artifact needs is ever removed by `collect`. `remove` takes one artifact
away and refuses while others were made from it or a tag points to it, unless it is forced.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from gristmill.artifacts import RECORD, Artifact, Store
from gristmill.errors import StoreError
from gristmill.lineage import needed_by
from gristmill.tags import tags


@dataclass(frozen=True)
class Sweep:
    """What a collection removes, or would remove."""

    removed: tuple[Artifact, ...]
    drafts: tuple[str, ...]
    """Paths `name/version` of unfinished artifacts."""
    kept: tuple[Artifact, ...]

    @property
    def num_bytes(self) -> int:
        """Bytes of the removed artifacts' files."""
        return sum(sum(artifact.record.files.values()) for artifact in self.removed)


def dependents(store: Store, artifact: Artifact) -> list[Artifact]:
    """Return the artifacts that were made directly from this one, by label."""
    mark = artifact.record.fingerprint
    return [
        other
        for other in store.list()
        if any(item.fingerprint == mark for item in other.record.inputs.values())
    ]


def remove(store: Store, label: str, *, force: bool = False) -> Artifact:
    """Remove one artifact. Raises StoreError naming what needs it, unless forced."""
    artifact = store.get(label)
    users = [other.label for other in dependents(store, artifact)]
    pointing = [
        tag.name for tag in tags(store) if tag.current.fingerprint == artifact.record.fingerprint
    ]
    if (users or pointing) and not force:
        reasons = [f"{', '.join(users)} was made from it"] if users else []
        reasons += [f"it is the promoted version of {', '.join(pointing)}"] if pointing else []
        raise StoreError(
            f"{artifact.label} is not removed: {'; '.join(reasons)}; "
            "remove those first, or use --force and lose their lineage"
        )
    _delete(store, artifact)
    return artifact


def collect(
    store: Store,
    *,
    keep: Iterable[str] = (),
    in_use: Collection[str] = (),
    drafts: bool = False,
    dry_run: bool = False,
) -> Sweep:
    """Remove every artifact that no kept one needs, and return what was removed and kept.

    `keep` are labels to keep besides the promoted and the newest versions; `in_use` the fingerprints
    that live runs make or read. Unfinished artifacts go only when `drafts` is set. Raises StoreError
    for a label that is not there, before anything is removed.
    """
    everything = list(store.list())
    chosen = {artifact.label: artifact for artifact in map(store.get, keep)}
    promoted = {tag.current.fingerprint for tag in tags(store)} | set(in_use)
    for artifact in everything:
        if artifact.record.fingerprint in promoted:
            chosen[artifact.label] = artifact
    newest: dict[str, Artifact] = {}
    for artifact in everything:
        before = newest.get(artifact.record.name)
        if before is None or artifact.record.created >= before.record.created:
            newest[artifact.record.name] = artifact
    needed = needed_by(store, [*chosen.values(), *newest.values()])
    kept = [artifact for artifact in everything if artifact.record.fingerprint in needed]
    gone = [artifact for artifact in everything if artifact.record.fingerprint not in needed]
    unfinished = _drafts(store, in_use) if drafts else []
    if not dry_run:
        for artifact in gone:
            _delete(store, artifact)
        for path in unfinished:
            store.storage.delete(path)
    return Sweep(tuple(gone), tuple(unfinished), tuple(kept))


def _delete(store: Store, artifact: Artifact) -> None:
    """Remove the record first: an interrupted removal leaves a draft, never half an artifact."""
    path = f"{artifact.record.name}/{artifact.record.version}"
    store.storage.delete(f"{path}/{RECORD}")
    store.storage.delete(path)


def _drafts(store: Store, in_use: Collection[str]) -> list[str]:
    busy = {mark[:12] for mark in in_use}
    return [
        f"{name}/{version}"
        for name in store.names()
        for version in store.storage.folders(name)
        if version not in busy and not store.storage.exists(f"{name}/{version}/{RECORD}")
    ]
