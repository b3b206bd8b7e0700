"""What becomes of every file, decided from hashes: dedup, then the held-out split.

The steps of the corpus stage's shuffle, each a method that a task calls with the number of a batch or
bucket, joined by partition files (`exchange`):

    repeated paths -> copies of repositories -> copies of files (`dedup`, `clusters`) -> the split

`Selection.run` carries them out with any `Work`; then `Selection.plan` gives a batch's files with their
final reason, or their split, and its part of the table of clusters. The driver holds no file's row: of
the split it sees each repository's number of files and the `max_files` smallest keys. `select` does all
of it in memory. The plan is the same with any number of batches, buckets and workers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from gristmill.corpus.buckets import repeats
from gristmill.corpus.clusters import SCHEMA as CLUSTERS
from gristmill.corpus.clusters import Clusters, Decisions, cluster_table
from gristmill.corpus.config import CorpusSection
from gristmill.corpus.dedup import Dedup, Items, Rules
from gristmill.corpus.exchange import Exchange, HeldExchange, Work, buckets_of, one_by_one
from gristmill.corpus.guard import Guard
from gristmill.corpus.repositories import RepositorySource, send_gone, send_repositories
from gristmill.corpus.rows import INPUT, HeldRows, Rows, items_of
from gristmill.corpus.shingles import U64
from gristmill.corpus.signatures import Signatures
from gristmill.corpus.split import Boundary, Eligible, chosen_repositories, cluster_keys

__all__ = ["INPUT", "SCHEMA", "Selection", "select"]

SCHEMA = pa.schema(
    [
        ("piece", pa.int32()),
        ("repository", pa.string()),
        ("path", pa.string()),
        ("language", pa.string()),
        ("licence", pa.string()),
        ("num_bytes", pa.int64()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("split", pa.string()),  # train | held_out; empty for a file that is left out
    ]
)


@dataclass(frozen=True)
class Files:
    """The files that stay so far, as items of a shuffle."""

    rows: Rows
    exchange: Exchange
    num_hashes: int

    @property
    def has_texts(self) -> bool:
        """Whether near misses can be decided exactly."""
        return self.rows.has_texts

    def items(self, batch: int) -> Items:
        """Return a batch's files that stay."""
        table = self.rows.read(batch)
        stays = np.flatnonzero([not reason for reason in self.reasons(batch, table)[0]])
        return items_of(table.take(pa.array(stays)), self.num_hashes)

    def texts(self, batch: int, ids: U64) -> list[bytes]:
        """Return the texts of some files."""
        return list(self.rows.texts(batch, ids))

    def reasons(self, batch: int, table: pa.Table) -> tuple[list[str], list[str]]:
        """Return why a batch's rows were dropped before files are compared, and the details."""
        reasons, details = table["reason"].to_pylist(), table["detail"].to_pylist()
        repeated = self.exchange.read("repeated", batch)
        if repeated is not None:
            for row in np.searchsorted(table["id"].to_numpy(), repeated["id"].to_numpy()).tolist():
                if not reasons[row]:
                    reasons[row] = "repeated_path"
                    details[row] = "the repository has this path already"
        gone = self.exchange.read("gone", batch)
        if gone is not None and gone.num_rows:
            survivor = dict(
                zip(gone["repository"].to_pylist(), gone["survivor"].to_pylist(), strict=True)
            )
            for row, name in enumerate(table["repository"].to_pylist()):
                if name in survivor and not reasons[row]:
                    reasons[row] = "repository_duplicate"
                    details[row] = f"near copy of repository {survivor[name]}"
        return reasons, details


@dataclass(frozen=True)
class Selection:
    """The shuffle of one corpus."""

    rows: Rows
    exchange: Exchange
    section: CorpusSection
    seed: int
    num_buckets: int

    def run(self, work: Work, dates: Mapping[str, str]) -> "Planned":
        """Do every step up to the plan. `dates` is each repository's newest revision."""
        batches = range(self.rows.num_batches)
        work(self.send_paths, batches)
        work(self.find_repeated, range(self.num_buckets))
        level = self.section.dedup.level
        if level in ("repository", "both"):
            work(self.send_repositories, batches)
            repositories = self._dedup("repository")
            clusters = Clusters(repositories, repositories.run(work))
            clusters.run(work)
            work(_Gone(clusters).send, batches)
        if level in ("file", "both") or self.section.held_out.share > 0:
            files = self._dedup("file")
            Clusters(files, files.run(work)).run(work)
        held = self.section.held_out
        chosen = None
        if held.by != "file" and held.share > 0:
            counts: dict[str, int] = {}
            for part in work(self.num_kept, batches):
                for name, num in part.items():
                    counts[name] = counts.get(name, 0) + num
            chosen = chosen_repositories(held, self.seed, counts, dates)
        eligible = Eligible(held, chosen)
        boundary = eligible.boundary(work(_First(self, eligible).of, batches))
        planned = Planned(self, Guard(self.exchange, boundary, self._rules()))
        work(planned.send_held, batches)
        return planned

    def _rules(self) -> Rules:
        dedup = self.section.dedup
        exact = dedup.verify == "exact"
        return Rules(dedup.threshold, dedup.num_hashes, dedup.bands, dedup.shingle_words, exact)

    @property
    def files(self) -> Files:
        """The files that stay, as items."""
        return Files(self.rows, self.exchange, self.section.dedup.num_hashes)

    def _dedup(self, name: str) -> Dedup:
        num_hashes = self.section.dedup.num_hashes
        of_files = name == "file"
        return Dedup(
            name,
            self.files if of_files else RepositorySource(self.exchange, num_hashes),
            self.exchange,
            self._rules(),
            self.rows.num_batches,
            self.rows.batch_pieces if of_files else 1,
            self.num_buckets,
        )

    def send_paths(self, batch: int) -> None:
        """Send (hash of repository and path, id) of every row."""
        if self.exchange.has("paths", batch):
            return
        table = self.rows.read(batch)
        names = zip(table["repository"].to_pylist(), table["path"].to_pylist(), strict=True)
        hashes = (xxhash.xxh3_64_intdigest(f"{name}\0{path}".encode()) for name, path in names)
        keys = np.fromiter(hashes, np.uint64, table.num_rows)
        rows = pa.table({"key": keys, "id": table["id"]})
        to = buckets_of(keys, self.num_buckets)
        self.exchange.write("paths", batch, rows, to, self.num_buckets)

    def find_repeated(self, bucket: int) -> None:
        """Find the files whose repository has their path already (tables and archives can)."""
        if not self.exchange.has("repeated", bucket):
            table = self.exchange.read("paths", bucket)
            assert table is not None
            ids, _ = repeats(table["key"].to_numpy(), table["id"].to_numpy())
            self._dedup("file").to_batches("repeated", bucket, pa.table({"id": ids}), ids)

    def send_repositories(self, batch: int) -> None:
        """Gather what the files say of their repositories."""
        items, sketches = self.files.items(batch), self.rows.sketches(batch)
        send_repositories(self.exchange, batch, items, sketches, self.rows.num_batches)

    def kept(self, batch: int) -> "Kept":
        """Return a batch's files as they are before the split."""
        items = self.files.items(batch)
        contents, stays, decisions = items.contents.copy(), np.ones(len(items.ids), bool), None
        if self.exchange.read("file-decisions", batch) is not None:
            decisions = Clusters(self._dedup("file"), "").decisions(batch)
            rows = items.at(decisions.ids)
            contents[rows] = decisions.keys
            if self.section.dedup.level in ("file", "both"):
                stays[rows] = decisions.survives
        return Kept(items, decisions, stays, cluster_keys(contents, self.seed))

    def num_kept(self, batch: int) -> dict[str, int]:
        """Return how many files each repository keeps in a batch."""
        kept = self.kept(batch)
        counts = pc.value_counts(pa.array(kept.repositories, pa.string()))
        return {row["values"]: row["counts"] for row in counts.to_pylist()}


@dataclass(frozen=True)
class Kept:
    """A batch's files that stay before dedup of files, and which of them stay after it."""

    items: Items
    decisions: Decisions | None
    stays: np.ndarray
    keys: U64
    """Of each one's cluster, for the split."""

    @property
    def repositories(self) -> list[str]:
        """Of the files that stay."""
        column = self.items.ranks["repository"].filter(pa.array(self.stays))
        return list(column.to_pylist())

    @property
    def ids(self) -> U64:
        """Of the files that stay."""
        return np.asarray(self.items.ids[self.stays], dtype=np.uint64)


@dataclass(frozen=True)
class _First:
    selection: Selection
    eligible: Eligible

    def of(self, batch: int) -> tuple[U64, U64]:
        kept = self.selection.kept(batch)
        return self.eligible.first(kept.repositories, kept.keys[kept.stays], kept.ids)


@dataclass(frozen=True)
class _Gone:
    clusters: Clusters

    def send(self, batch: int) -> None:
        send_gone(self.clusters, batch)


@dataclass(frozen=True)
class Planned:
    """A corpus whose split is decided; what is left can be done batch by batch."""

    selection: Selection
    guard: Guard

    @property
    def boundary(self) -> Boundary:
        """Where the held-out part ends."""
        return self.guard.boundary

    def send_held(self, batch: int) -> None:
        """Hand the held-out files round, for the guard."""
        kept = self.selection.kept(batch)
        held, _ = self.boundary.split(kept.repositories, kept.keys[kept.stays], kept.ids)
        rows = np.flatnonzero(kept.stays)[held]
        self.guard.send(batch, kept.items, rows, kept.keys[rows], self.selection.files)

    def plan(self, batch: int) -> tuple[pa.Table, pa.Table]:
        """Return a batch's files as planned (`SCHEMA`) and its part of the clusters."""
        selection = self.selection
        table = selection.rows.read(batch)
        reasons, details = selection.files.reasons(batch, table)
        kept = selection.kept(batch)
        at = np.searchsorted(table["id"].to_numpy(), kept.items.ids)

        def drop(row: int, reason: str, detail: str) -> None:
            reasons[int(at[row])], details[int(at[row])] = reason, detail

        _drop_copies(kept, drop)
        rows = np.flatnonzero(kept.stays)
        held, surplus = self.boundary.split(kept.repositories, kept.keys[rows], kept.ids)
        for row in rows[surplus]:
            limit = selection.section.held_out.max_files
            drop(row, "held_out_surplus", f"beyond max_files {limit}")
        training = rows[~held & ~surplus]
        near = self.guard.near(batch, kept.items, training, kept.keys[training], selection.files)
        for row, where in near.items():
            drop(row, "held_out_copy", f"near copy of the held-out {where}")
        splits = np.full(table.num_rows, "train", dtype=object)
        splits[at[rows[held]]] = "held_out"
        final = [
            "" if reason else name for name, reason in zip(splits.tolist(), reasons, strict=True)
        ]
        columns = {name: table[name] for name in SCHEMA.names if name in table.column_names}
        columns |= {"reason": reasons, "detail": details, "split": final}
        plan = pa.table({name: columns[name] for name in SCHEMA.names}).cast(SCHEMA)
        if kept.decisions is None:
            return plan, CLUSTERS.empty_table()
        return plan, cluster_table(kept.items, kept.decisions)


def _drop_copies(kept: Kept, drop: Callable[[int, str, str], None]) -> None:
    if kept.decisions is None:
        return
    decisions = kept.decisions
    for i, row in enumerate(kept.items.at(decisions.ids).tolist()):
        if not kept.stays[row]:
            where = f"{decisions.repository[i]}:{decisions.path[i]}"
            if decisions.exact[i]:
                drop(row, "exact_duplicate", f"same as {where}")
            else:
                drop(row, "near_duplicate", f"{decisions.similarity[i]:.2f} like {where}")


def select(
    rows: pa.Table,
    sketches: Mapping[str, Signatures],
    section: CorpusSection,
    seed: int,
    dates: Mapping[str, str],
) -> pa.Table:
    """Return the plan (`SCHEMA`), sorted by repository and path, of a corpus that fits in memory.

    `rows` has the columns of `INPUT`, `signature` and `piece`, and `text` where pairs near the threshold
    are to be decided exactly; `sketches` is each repository's mergeable signature, read when dedup is
    at repository level.
    """
    return select_with_clusters(rows, sketches, section, seed, dates)[0]


def select_with_clusters(
    rows: pa.Table,
    sketches: Mapping[str, Signatures],
    section: CorpusSection,
    seed: int,
    dates: Mapping[str, str],
) -> tuple[pa.Table, pa.Table]:
    """Return the plan as `select` does, and the table of clusters, sorted."""
    table = pa.table(
        {
            "repository": pa.array(list(sketches), pa.string()),
            "sketch": pa.array([sketch.tobytes() for sketch in sketches.values()], pa.binary()),
        }
    )
    selection = Selection(HeldRows.of(rows, table), HeldExchange(), section, seed, 1)
    plan, clusters = selection.run(one_by_one, dates).plan(0)
    up = "ascending"
    by_place = [("repository", up), ("path", up)]
    return plan.sort_by([*by_place, ("piece", up)]), clusters.sort_by([("cluster", up), *by_place])
