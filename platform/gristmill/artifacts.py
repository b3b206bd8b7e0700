"""What a stage leaves behind: record, fingerprint, lineage.

An artifact is a folder `{store}/{name}/{version}/`, made visible by its `artifact.json`, written last:
a folder without one is a draft that the next attempt continues or clears. The version is the first 12
hex digits of the fingerprint; lookup is by fingerprint across names, so recipes share artifacts.

Identity (fingerprint) is the stage, its `VERSION`, its own config (context left out), the fingerprints
of the artifacts it reads and each source's resolved content. Paths, machines and workers never.
Run state (`.runs/`) and tags (`.tags/`) live beside the artifacts and are no artifacts.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from gristmill.errors import StoreError
from gristmill.storage import Names, Storage

RECORD = "artifact.json"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceIdentity(_Frozen):
    """A repository as it was read: what lineage ends at."""

    repository: str
    revision: str
    licence: str
    digest: str
    """Git commit, archive or tree digest, or distribution version: the resolved content."""
    date: str = ""
    """The revision's date (ISO), where the source has one."""


class InputReference(_Frozen):
    """An artifact that another was made from."""

    stage: str
    name: str
    version: str
    fingerprint: str


class CodeIdentity(_Frozen):
    """The code that made an artifact."""

    commit: str
    dirty: bool
    packages: dict[str, str]


class Record(_Frozen):
    """`artifact.json`."""

    stage: str
    name: str
    version: str
    fingerprint: str
    config: dict[str, Any]
    inputs: dict[str, InputReference]
    """By step key, in the order they are read."""
    sources: tuple[SourceIdentity, ...] = ()
    """Only on a corpus: every repository that was read."""
    code: CodeIdentity
    counts: dict[str, int] = {}
    metrics: dict[str, float] = {}
    created: str = ""
    wall_time_s: float = 0.0
    files: dict[str, int] = {}
    """Size in bytes of every file, by path inside the artifact."""
    removed: str = ""
    """When and why the files were removed; only on the record that a removal leaves."""


@dataclass(frozen=True)
class Artifact:
    """A finished artifact: its record and its folder."""

    record: Record
    storage: Storage

    @property
    def reference(self) -> InputReference:
        """The artifact as others name it in their records."""
        record = self.record
        return InputReference(
            stage=record.stage,
            name=record.name,
            version=record.version,
            fingerprint=record.fingerprint,
        )

    @property
    def label(self) -> str:
        """`name@version`, as the command line takes it."""
        return f"{self.record.name}@{self.record.version}"


@dataclass
class Draft:
    """An artifact in the making; `storage` is written to, `commit` makes it visible."""

    name: str
    fingerprint: str
    storage: Storage
    started_s: float

    def commit(
        self,
        stage: str,
        config: dict[str, Any],
        inputs: Mapping[str, InputReference],
        code: CodeIdentity,
        *,
        sources: tuple[SourceIdentity, ...] = (),
        counts: Mapping[str, int] | None = None,
        metrics: Mapping[str, float] | None = None,
    ) -> Artifact:
        """Write the record, last of all files, and return the artifact. Raises StoreError."""
        self.storage.sweep()
        record = Record(
            stage=stage,
            name=self.name,
            version=self.fingerprint[:12],
            fingerprint=self.fingerprint,
            config=config,
            inputs=dict(inputs),
            sources=sources,
            code=code,
            counts=dict(counts or {}),
            metrics=dict(metrics or {}),
            created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            wall_time_s=round(time.time() - self.started_s, 3),
            files=self.storage.sizes(),
        )
        self.storage.write_bytes(RECORD, record.model_dump_json(indent=1).encode())
        return Artifact(record, self.storage)


@dataclass(frozen=True)
class Store:
    """All artifacts under one URL."""

    storage: Storage

    @staticmethod
    def open(url: str) -> Store:
        """Open a store; the folder need not exist yet. Raises StoreError."""
        return Store(Storage.open(url))

    def check_writable(self) -> None:
        """Write and remove a small file. Raises StoreError that says what to do."""
        self.storage.check_writable()

    def names(self) -> Names:
        """Return the artifact names, sorted; folders with a leading dot are not artifacts."""
        return [name for name in self.storage.folders() if not name.startswith(".")]

    def list(self) -> Iterator[Artifact]:
        """Yield every finished artifact, by name, then version."""
        for name in self.names():
            for version in self.storage.folders(name):
                artifact = self._read(name, version)
                if artifact is not None:
                    yield artifact

    def find(self, fingerprint: str, *, name: str = "") -> Artifact | None:
        """Return the finished artifact with this fingerprint under any name (`name` first), or None."""
        for candidate in sorted(self.names(), key=lambda other: other != name):
            artifact = self._read(candidate, fingerprint[:12])
            if artifact is not None and artifact.record.fingerprint == fingerprint:
                return artifact
        return None

    def get(self, label: str) -> Artifact:
        """Return `name@version` (a version may be shortened) or a name's newest. Raises StoreError."""
        name, _, prefix = label.partition("@")
        found = [
            artifact
            for version in self.storage.folders(name)
            if version.startswith(prefix) and (artifact := self._read(name, version)) is not None
        ]
        if not found:
            known = ", ".join(self.names()) or "none"
            raise StoreError(f"no artifact {label} in {self.storage.url}; names there: {known}")
        if prefix and len(found) > 1:
            versions = ", ".join(artifact.record.version for artifact in found)
            raise StoreError(f"{label} is ambiguous in {self.storage.url}: {versions}")
        return max(found, key=lambda artifact: artifact.record.created)

    def draft(self, name: str, fingerprint: str, *, keep: bool = False) -> Draft:
        """Begin an artifact. What an earlier attempt left is cleared, or kept to go on from."""
        path = f"{name}/{fingerprint[:12]}"
        if not keep:
            self.storage.delete(path)
        storage = self.storage.child(path)
        storage.write_bytes(".started", str(time.time()).encode())
        storage.delete(".started")
        return Draft(name, fingerprint, storage, time.time())

    def _read(self, name: str, version: str) -> Artifact | None:
        path = f"{name}/{version}/{RECORD}"
        if not self.storage.exists(path):
            return None
        try:
            record = Record.model_validate_json(self.storage.read_bytes(path))
        except ValidationError as error:
            raise StoreError(
                f"{self.storage.url}/{path} is damaged; delete that file and the next run makes "
                f"the artifact again: {error}"
            ) from error
        return Artifact(record, self.storage.child(f"{name}/{version}"))


def fingerprint(
    stage: str,
    version: int,
    config: Mapping[str, Any],
    inputs: Mapping[str, str] | None = None,
    sources: tuple[SourceIdentity, ...] = (),
) -> str:
    """Return the hex SHA-256 that identifies what a stage will make.

    `inputs` maps step keys to fingerprints; keys are labels and do not count, only order-free content
    does, so the same tokens under another key are the same.
    """
    payload = {
        "stage": stage,
        "version": version,
        "config": config,
        "inputs": sorted((inputs or {}).values()),
        "sources": sorted((item.repository, item.digest) for item in sources),
    }
    text = json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
