"""Clusters of copies: which item of each survives, and the table that says so.

The survivor depends on the items alone: permissive licence before others, then the larger, then the
first by repository and path. A cluster's key is the smallest content hash in it, so that it is the
same whatever else is in the corpus.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gristmill.corpus.dedup import Dedup, Items
from gristmill.corpus.exchange import Work, buckets_of
from gristmill.corpus.shingles import U64
from gristmill.corpus.union import edge_table, ends_of

SCHEMA = pa.schema(
    [
        ("cluster", pa.uint64()),
        ("repository", pa.string()),
        ("path", pa.string()),
        ("survivor", pa.bool_()),
        ("similarity", pa.float64()),  # to the survivor, estimated; 1 when the content is equal
    ]
)
_RANK = ("permissive", "num_bytes", "repository", "path", "id")


@dataclass(frozen=True)
class Decisions:
    """A batch's items that have copies, by ascending id."""

    ids: U64
    keys: U64
    """Of their clusters."""
    survives: npt.NDArray[np.bool_]
    exact: npt.NDArray[np.bool_]
    """Whether the content is the survivor's."""
    similarity: npt.NDArray[np.float64]
    repository: list[str]
    path: list[str]
    """The survivor's."""


@dataclass(frozen=True)
class Clusters:
    """The steps after a shuffle whose components lie in stage `stars`."""

    dedup: Dedup
    stars: str

    def run(self, work: Work) -> None:
        """Do all steps; then `decisions` of each batch can be read."""
        dedup = self.dedup
        work(self.send_labels, range(dedup.num_buckets))
        work(self.send_members, range(dedup.num_batches))
        work(self.choose, range(dedup.num_buckets))
        work(self.send_survivors, range(dedup.num_batches))
        for kind in ("labels", "members"):
            dedup.exchange.drop(dedup.stage(kind))
        dedup.exchange.drop(self.stars)

    def send_labels(self, bucket: int) -> None:
        """Tell every item of a component, at its batch, which component it is."""
        if not self._has("labels", bucket):
            ids, labels = ends_of(self.dedup.exchange.read(self.stars, bucket))
            roots = np.unique(labels)
            ids, labels = np.concatenate((ids, roots)), np.concatenate((labels, roots))
            rows = edge_table(ids, labels)
            self.dedup.to_batches(self.dedup.stage("labels"), bucket, rows, ids)

    def _has(self, kind: str, writer: int) -> bool:
        return self.dedup.exchange.has(self.dedup.stage(kind), writer)

    def send_members(self, batch: int) -> None:
        """Send what ranks an item to its component's bucket."""
        dedup = self.dedup
        if self._has("members", batch):
            return
        ids, labels = ends_of(dedup.exchange.read(dedup.stage("labels"), batch))
        ids, first = np.unique(ids, return_index=True)
        labels = labels[first]
        items = dedup.source.items(batch)
        rows = items.at(ids)
        table = items.ranks.take(pa.array(rows)).select(_RANK[:4])
        for name, values in (("id", ids), ("label", labels), ("content", items.contents[rows])):
            table = table.append_column(name, pa.array(values))
        to = buckets_of(labels, dedup.num_buckets)
        dedup.exchange.write(dedup.stage("members"), batch, table, to, dedup.num_buckets)

    def choose(self, bucket: int) -> None:
        """Choose each component's survivor, and send every member what was decided."""
        dedup = self.dedup
        if self._has("decisions", bucket):
            return
        table = dedup.exchange.read(dedup.stage("members"), bucket)
        assert table is not None
        down, up = "descending", "ascending"
        orders = [("label", up), ("permissive", down), ("num_bytes", down)]
        table = table.sort_by([*orders, ("repository", up), ("path", up), ("id", up)])
        label, ids = table["label"].to_numpy(), table["id"].to_numpy()
        contents = table["content"].to_numpy()
        starts = np.flatnonzero(np.concatenate(([True], label[1:] != label[:-1]))[: len(label)])
        sizes = np.diff(starts, append=len(label))
        first = np.repeat(starts, sizes)
        least = np.minimum.reduceat(contents, starts) if len(starts) else contents
        survivors = table.take(pa.array(first))
        same = contents[first] == contents
        rows = pa.table(
            {
                "id": ids,
                "cluster": np.repeat(least, sizes),
                "survives": first == np.arange(len(first)),
                "exact": same,
                "repository": survivors["repository"],
                "path": survivors["path"],
            }
        )
        near = edge_table(ids[first][~same], ids[~same])
        dedup.to_batches(dedup.stage("chosen"), bucket, near, ids[first][~same])
        dedup.to_batches(dedup.stage("decisions"), bucket, rows, ids)

    def send_survivors(self, batch: int) -> None:
        """Send the survivors' signatures to their near copies."""
        if not self._has("chosen-sent", batch):
            self.dedup.send_left(batch, "chosen")

    def decisions(self, batch: int) -> Decisions:
        """Return what was decided on a batch's items."""
        dedup = self.dedup
        table = dedup.exchange.read(dedup.stage("decisions"), batch)
        assert table is not None
        table = table.sort_by("id")
        ids = table["id"].to_numpy()
        _, right, shares = dedup.similarities(batch, "chosen")
        share = np.ones(len(ids), dtype=np.float64)
        share[np.searchsorted(ids, right)] = shares
        return Decisions(
            ids,
            table["cluster"].to_numpy(),
            table["survives"].to_numpy(),
            table["exact"].to_numpy(),
            share,
            table["repository"].to_pylist(),
            table["path"].to_pylist(),
        )


def cluster_table(items: Items, decisions: Decisions) -> pa.Table:
    """Return a batch's part of the clusters (`SCHEMA`)."""
    ranks = items.ranks.take(pa.array(items.at(decisions.ids)))
    return pa.table(
        {
            "cluster": decisions.keys,
            "repository": ranks["repository"],
            "path": ranks["path"],
            "survivor": decisions.survives,
            "similarity": pc.round(pa.array(decisions.similarity), 3),
        },
        schema=SCHEMA,
    )
