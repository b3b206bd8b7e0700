"""Lineage: from an artifact back through every one it was made from, to repositories and licences.

Records alone are read. An input that is no longer in the store is listed as missing, with what its
reader's record says of it; the walk never invents and never stops at it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gristmill.artifacts import Artifact, InputReference, SourceIdentity, Store


@dataclass(frozen=True)
class Ancestor:
    """One artifact of a lineage."""

    reference: InputReference
    artifact: Artifact | None
    """None when the store no longer has it."""
    depth: int
    """Steps from the artifact that was asked about, which has 0; the longest way counts."""

    @property
    def label(self) -> str:
        """`name@version`."""
        return f"{self.reference.name}@{self.reference.version}"


@dataclass(frozen=True)
class Lineage:
    """Everything an artifact was made from."""

    ancestors: tuple[Ancestor, ...]
    """The artifact itself first, then by depth and name."""
    sources: tuple[SourceIdentity, ...]
    """Every repository, by name and revision."""

    @property
    def missing(self) -> tuple[Ancestor, ...]:
        """Ancestors that the store no longer has."""
        return tuple(ancestor for ancestor in self.ancestors if ancestor.artifact is None)

    @property
    def licences(self) -> dict[str, int]:
        """Number of repositories by licence, most frequent first."""
        counts = Counter(source.licence or "unknown" for source in self.sources)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def as_json(self) -> dict[str, Any]:
        """Return plain values: artifacts with config and code, then repositories."""
        return {
            "artifacts": [_ancestor_json(ancestor) for ancestor in self.ancestors],
            "repositories": [source.model_dump() for source in self.sources],
            "licences": self.licences,
            "complete": not self.missing,
        }


def walk_back(store: Store, artifact: Artifact) -> Lineage:
    """Return the lineage of an artifact, itself included. Raises StoreError on a damaged record."""
    depths: dict[str, int] = {}
    found: dict[str, tuple[InputReference, Artifact | None]] = {}
    pending: list[tuple[InputReference, int]] = [(artifact.reference, 0)]
    while pending:
        reference, depth = pending.pop()
        mark = reference.fingerprint
        if mark in depths and depths[mark] >= depth:
            continue
        depths[mark] = depth
        if mark not in found:
            found[mark] = (reference, store.find(mark, name=reference.name))
        held = found[mark][1]
        if held is not None:
            pending += [(inner, depth + 1) for inner in held.record.inputs.values()]
    ancestors = [Ancestor(*found[mark], depth) for mark, depth in depths.items()]
    ancestors.sort(key=lambda item: (item.depth, item.reference.name, item.reference.version))
    sources = {
        (source.repository, source.revision, source.digest): source
        for _, held in found.values()
        if held is not None
        for source in held.record.sources
    }
    return Lineage(tuple(ancestors), tuple(sources[key] for key in sorted(sources)))


def needed_by(store: Store, kept: Iterable[Artifact]) -> set[str]:
    """Return the fingerprints of the kept artifacts and of all that their lineage needs."""
    needed: set[str] = set()
    for artifact in kept:
        if artifact.record.fingerprint not in needed:
            lineage = walk_back(store, artifact)
            needed.update(item.reference.fingerprint for item in lineage.ancestors)
    return needed


def _ancestor_json(ancestor: Ancestor) -> dict[str, Any]:
    values: dict[str, Any] = {**ancestor.reference.model_dump(), "depth": ancestor.depth}
    if ancestor.artifact is None:
        return {**values, "missing": True}
    record = ancestor.artifact.record
    return {
        **values,
        "config": record.config,
        "code": record.code.model_dump(),
        "created": record.created,
        "inputs": {key: item.fingerprint for key, item in record.inputs.items()},
        "counts": record.counts,
        "metrics": record.metrics,
    }
