"""Taking a repository out of a store: every artifact that holds it goes, and a record of each stays.

What holds a repository is the corpora that read it and all that was made from them, models included.
The records lie in `.removed/`, so that `lineage --repository` can say for ever which models held it. The
tables of its pieces in the store's cache go too. The next corpus holds it again unless the recipe's
`corpus.opt_out` names it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow.parquet as pq

from gristmill.artifacts import RECORD, Artifact, Record, Store
from gristmill.corpus.piece_cache import PieceCache
from gristmill.errors import StoreError

REMOVED = ".removed"
_REPOSITORIES = "repositories.parquet"


@dataclass(frozen=True)
class Holder:
    """An artifact that holds, or held, a repository."""

    record: Record
    artifact: Artifact | None
    """None when it was removed and only its record is left."""

    @property
    def label(self) -> str:
        """`name@version`."""
        return f"{self.record.name}@{self.record.version}"


@dataclass(frozen=True)
class Removal:
    """What a removal took away."""

    artifacts: tuple[Artifact, ...]
    num_pieces: int
    """Tables of read pieces, from the store's cache."""


def holders(store: Store, repository: str) -> list[Holder]:
    """Return what holds or held a repository: corpora first, then what was made from them, in turn."""
    known = [Holder(artifact.record, artifact) for artifact in store.list()]
    live = {holder.record.fingerprint for holder in known}
    known += [Holder(record, None) for record in _removed(store) if record.fingerprint not in live]
    found = [holder for holder in known if _reads(holder, repository)]
    marks = {holder.record.fingerprint for holder in found}
    grown = True
    while grown:
        made = [
            holder
            for holder in known
            if holder.record.fingerprint not in marks
            and any(item.fingerprint in marks for item in holder.record.inputs.values())
        ]
        found += made
        marks.update(holder.record.fingerprint for holder in made)
        grown = bool(made)
    return found


def remove_repository(store: Store, repository: str) -> Removal:
    """Remove every artifact that holds the repository, and leave its record. Raises StoreError."""
    found = holders(store, repository)
    if not found:
        raise StoreError(
            f"nothing in {store.storage.url} holds a repository called '{repository}'; names are "
            "case-sensitive, gristmill lineage NAME shows those of an artifact"
        )
    gone = [holder.artifact for holder in reversed(found) if holder.artifact is not None]
    for artifact in gone:
        path = f"{artifact.record.name}/{artifact.record.version}"
        kept = artifact.record.model_copy(
            update={"removed": f"{_now()} with repository {repository}"}
        )
        store.storage.write_bytes(
            f"{REMOVED}/{artifact.label}.json", kept.model_dump_json(indent=1).encode()
        )
        store.storage.delete(f"{path}/{RECORD}")
        store.storage.delete(path)
    return Removal(tuple(gone), PieceCache.of(store).remove(repository))


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _removed(store: Store) -> Iterator[Record]:
    for path in store.storage.list(REMOVED):
        yield Record.model_validate_json(store.storage.read_bytes(path))


def _reads(holder: Holder, repository: str) -> bool:
    """Say whether a corpus read the repository, as a source of its own or inside a table."""
    record = holder.record
    if record.stage != "corpus":
        return False
    if any(source.repository == repository for source in record.sources):
        return True
    if holder.artifact is None or _REPOSITORIES not in record.files:
        return False
    with holder.artifact.storage.open_input(_REPOSITORIES) as stream:
        names = pq.read_table(stream, columns=["repository"])["repository"]
    return repository in set(names.to_pylist())
