"""Which version of a model an endpoint should answer with, and how it gets there.

The promoted version of the artifact's name, or the one the endpoint was started with while nothing is
promoted. A look at the store costs one small read; remote models are copied to a local cache, once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gristmill.artifacts import Artifact, Store
from gristmill.lineage import walk_back
from gristmill.serving.rendering import PAPER, Layout
from gristmill.tags import promoted
from gristmill.tokens.config import Fim

MODEL_FOLDER = "model"


@dataclass(frozen=True)
class Follower:
    """A served name in a store."""

    store_url: str
    started_with: str
    """`name@version`, which answers while nothing is promoted."""
    cache: Path

    def wanted(self) -> str:
        """Return the label of the version that should answer. Raises StoreError."""
        name = self.started_with.partition("@")[0]
        tag = promoted(Store.open(self.store_url), name)
        return self.started_with if tag is None else f"{name}@{tag.current.version}"

    def fetch(self, label: str) -> tuple[Path, dict[str, Any]]:
        """Return the model's local folder and its lineage's summary. Raises StoreError."""
        artifact = Store.open(self.store_url).get(label)
        target = self.cache / artifact.record.name / artifact.record.version
        if artifact.storage.local() is None and target.is_dir():
            folder = target
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            folder = artifact.storage.download(MODEL_FOLDER, target)
        return folder, self._summary(artifact)

    def fetch_index(self, label: str) -> Path | None:
        """Return the local folder of the index of the corpus that a version was made from, if it is made.

        Raises StoreError.
        """
        store = Store.open(self.store_url)
        lineage = walk_back(store, store.get(label))
        references = [ancestor.reference for ancestor in lineage.ancestors]
        corpora = {one.fingerprint for one in references if one.stage == "corpus"}
        for artifact in store.list():
            record = artifact.record
            made_from = {one.fingerprint for one in record.inputs.values()}
            if record.stage == "index" and not record.removed and made_from & corpora:
                local = artifact.storage.local()
                if local is not None:
                    return local
                target = self.cache / record.name / record.version
                return target if target.is_dir() else artifact.storage.download("", target)
        return None

    def layout(self, label: str) -> Layout:
        """Return how a version was trained to infill, by the tokens it was made from. Raises StoreError."""
        store = Store.open(self.store_url)
        for ancestor in walk_back(store, store.get(label)).ancestors:
            if ancestor.reference.stage == "tokens" and ancestor.artifact is not None:
                fim = ancestor.artifact.record.config.get("fim") or {}
                known = {name: fim[name] for name in Fim.model_fields if name in fim}
                return Layout.of(Fim.model_validate(known))
        return PAPER

    def lineage(self, label: str) -> Mapping[str, Any]:
        """Return all that a version was made from. Raises StoreError."""
        store = Store.open(self.store_url)
        return walk_back(store, store.get(label)).as_json()

    def _summary(self, artifact: Artifact) -> dict[str, Any]:
        lineage = walk_back(Store.open(self.store_url), artifact)
        return {
            "stage": artifact.record.stage,
            "fingerprint": artifact.record.fingerprint,
            "created": artifact.record.created,
            "repositories": len(lineage.sources),
            "licences": dict(lineage.licences),
            "complete": not lineage.missing,
        }
