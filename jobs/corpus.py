"""corpus: repositories in, clean ordered documents out (paper sections 2.1 to 2.4).

    gristmill run laptop corpus                                              on this machine
    python -m jobs.corpus --recipe laptop --store ./store                    the same, by hand
    ray job submit --working-dir . -- python -m jobs.corpus --recipe R --store s3://bucket/store

Two passes on Ray Data with a shuffle in between. The first reads every repository piece by piece in
the `data` pool: judge, parse once, hash. The shuffle decides dedup and the held-out split from hashes
alone. The second writes the parts, whole repositories in order. The driver keeps a row a piece and a few
a repository, none a file. What lies between is under `.work` in the draft, so that an interrupted job goes
on where it was; it is removed at the end. A piece whose table is in the store's cache is not read, a part
that an older corpus has is copied: what did not change is not done again.
"""

import hashlib
import pickle
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, TaskPoolStrategy

from actors.repository_reader import RepositoryReader
from gristmill.corpus.assembly import Making, Origin, Written, write_part
from gristmill.corpus.config import CorpusSection
from gristmill.corpus.contamination import Benchmarks
from gristmill.corpus.parts import (
    WORK,
    Part,
    part_path,
    piece_path,
    plan_parts,
    plan_path,
    read_num_rows,
    read_table,
    sketch_path,
    tally,
    write_table,
)
from gristmill.corpus.piece_cache import (
    PieceCache,
    code_digest,
    link,
    reading_digest,
    table_path,
)
from gristmill.corpus.pieces import Piece, plan_pieces
from gristmill.corpus.reuse import PARTS, older_parts, parts_table
from gristmill.corpus.showing import report
from gristmill.corpus.sources import open_all, staying
from gristmill.corpus.sources.repository import Repository
from gristmill.corpus.split import newest_first
from gristmill.corpus.summary import Summary, origins_of, repositories_table, summarise
from gristmill.errors import SourceError
from gristmill.progress import Progress
from gristmill.storage import Storage
from jobs.corpus_shuffle import cluster_path, shuffle
from jobs.pool import Pool
from jobs.stage import Outcome, StageContext, run_stage

_BEGUN = f"{WORK}/begun"


def work(context: StageContext) -> Outcome:
    """Make the corpus artifact in the draft."""
    section = context.recipe.corpus
    storage = context.draft.storage
    everything = open_all(section)
    repositories = staying(everything, section)
    _check(section, repositories)
    cache = PieceCache.of(context.store)
    pieces = _Pieces.plan(repositories, section, storage, cache)
    meter = _Meter(context.progress, 2 * pieces.num_bytes)
    meter.add(pieces.num_bytes - sum(item["num_bytes"] for item in pieces.items))
    if not ray.is_initialized():
        ray.init()
    ray.data.DataContext.get_current().enable_progress_bars = False  # ours is the one to follow
    pool = Pool.of(context.label_selector, section.workers)
    for row in _read(pieces.items, storage, cache, section, pool):
        meter.add(int(row["num_bytes"]))
    dates = {item.name: item.identity.date for item in repositories}
    tallies = _select(len(pieces.keys), storage, section, context.recipe.seed, dates, pool)
    origins = origins_of(tallies, pieces.repository_of)
    making = Making(
        section,
        context.recipe.seed,
        dict(enumerate(pieces.keys)),
        code_digest(),
        older_parts(context.store),
    )
    written: list[Written] = []
    for row in _write(tallies, origins, storage, making, pool):
        written += pickle.loads(row["written"])
        meter.add(int(row["num_bytes"]))
    outcome, page = _conclude(context, tallies, origins, written)
    outcome.counts["repositories_opted_out"] = len(everything) - len(repositories)
    outcome.metrics["pieces_read"] = len(pieces.items)
    outcome.metrics["parts_made"] = sum(part.made for part in written)
    storage.write_bytes("report.html", page.encode())
    storage.delete(WORK)
    cache.sweep(max_bytes=section.cache_bytes)
    if not outcome.counts["documents"]:
        raise SourceError(f"no file stayed in the corpus; {_why(outcome)}; loosen corpus.rules")
    meter.finish()
    return Outcome(outcome.counts, outcome.metrics)


def _check(section: CorpusSection, repositories: Sequence[Repository]) -> None:
    """Raise now what would otherwise be found after the reading, or in every worker."""
    Benchmarks.check(section.decontaminate)
    if section.held_out.by == "date" and section.held_out.share > 0:
        dates = {item.name: item.identity.date for item in repositories}
        newest_first([item.name for item in repositories], dates)


@dataclass
class _Pieces:
    """What the driver knows of the pieces: a key each, and an item each that is to be read."""

    repositories: Sequence[Repository]
    keys: list[str] = field(default_factory=list)
    items: list[dict[str, Any]] = field(default_factory=list)
    num_bytes: int = 0
    _firsts: list[int] = field(default_factory=list)
    """By repository: the number of its first piece."""

    @staticmethod
    def plan(
        repositories: Sequence[Repository],
        section: CorpusSection,
        storage: Storage,
        cache: PieceCache,
    ) -> "_Pieces":
        """List all pieces; those in the cache are put below the draft at once. Raises SourceError."""
        found = _Pieces(repositories)
        known, reading = cache.known(), reading_digest(section)
        for repository in repositories:
            found._firsts.append(len(found.keys))
            for piece in plan_pieces([repository], section):
                path = table_path(piece, reading, section.opt_out)
                if path not in known:
                    found.items.append(_item(len(found.keys), piece, path))
                found.keys.append(path)
                found.num_bytes += piece.num_bytes
        if not found.keys:
            names = ", ".join(repository.name for repository in repositories)
            raise SourceError(f"corpus.sources hold no file at all: {names}")
        found._begin(storage)
        for number, path in enumerate(found.keys):
            if path in known:
                cache.fetch(path, storage, piece_path(number))
                if f"{path}.sketch" in known:
                    cache.fetch(f"{path}.sketch", storage, sketch_path(number))
        return found

    def _begin(self, storage: Storage) -> None:
        """Go on from what an earlier attempt left, if it was at the same pieces; else clear it."""
        mark = hashlib.sha256("\n".join(self.keys).encode()).hexdigest().encode()
        if not storage.exists(_BEGUN) or storage.read_bytes(_BEGUN) != mark:
            storage.delete(WORK)
            storage.write_bytes(_BEGUN, mark)

    def repository_of(self, piece: int) -> Repository:
        """Return the repository that a piece is a part of."""
        return self.repositories[bisect_right(self._firsts, piece) - 1]


def _item(number: int, piece: Piece, path: str) -> dict[str, Any]:
    return {
        "number": number,
        "piece": pickle.dumps(piece),
        "path": path,
        "num_bytes": piece.num_bytes,
    }


def _why(summary: Summary) -> str:
    reasons = [
        f"{value} {key.removeprefix('rejects_')}"
        for key, value in summary.counts.items()
        if key.startswith("rejects_")
    ]
    return f"rejected were {', '.join(reasons)}"


@dataclass
class _Meter:
    """Progress in megabytes over both passes."""

    progress: Progress
    total: int
    done: int = 0

    def add(self, num_bytes: int) -> None:
        self.done += num_bytes
        self.progress.update(min(self.done, self.total - 1) / 1e6, self.total / 1e6, "MB")

    def finish(self) -> None:
        self.progress.update(self.total / 1e6, self.total / 1e6, "MB")


def _read(
    items: list[dict[str, Any]],
    storage: Storage,
    cache: PieceCache,
    section: CorpusSection,
    pool: Pool,
) -> Iterator[dict[str, Any]]:
    """Read the pieces in worker processes, what is largest first so that it is not left for the end."""
    if not items:
        return
    items.sort(key=lambda item: (-(item["num_bytes"] // PIECE_CLASS_BYTES), item["number"]))
    workers = max(1, min(pool.slots, len(items)))
    dataset = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        RepositoryReader,
        fn_constructor_args=(storage.url, cache.storage.url, section),
        batch_size=None,
        batch_format="numpy",
        compute=ActorPoolStrategy(min_size=1, max_size=workers, initial_size=workers),
        num_cpus=1,
        label_selector=dict(pool.selector) or None,
    )
    yield from dataset.iter_rows()


PIECE_CLASS_BYTES = 16_000_000
"""Pieces are ordered by size in steps of this, else as they lie: neighbours share a listing."""


def _select(
    num_pieces: int,
    storage: Storage,
    section: CorpusSection,
    seed: int,
    dates: Mapping[str, str],
    pool: Pool,
) -> pa.Table:
    """Leave the plan of all files below the draft; return what the driver keeps of it."""
    tallies = []
    for batch in range(shuffle(storage, num_pieces, section, seed, dates, pool)):
        columns = ["repository", "reason", "split", "num_bytes", "licence", "piece"]
        tallies.append(tally(read_table(storage, plan_path(batch), columns), batch))
        if read_num_rows(storage, cluster_path(batch)):
            link(storage, cluster_path(batch), storage, part_path("clusters", batch))
    return pa.concat_tables(tallies)


def _write(
    tallies: pa.Table,
    origins: Mapping[str, Origin],
    storage: Storage,
    making: Making,
    pool: Pool,
) -> Iterator[dict[str, Any]]:
    """Write every part in worker processes, the largest first."""
    items: list[dict[str, Any]] = []
    for part in plan_parts(tallies):
        mine = {name: origins[name] for name in part.repositories}
        items.append({"task": pickle.dumps((part, mine)), "num_bytes": part.num_bytes})
    items.sort(key=lambda item: -int(item["num_bytes"]))
    dataset = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        partial(_write_parts, url=storage.url, making=making),
        batch_size=None,
        batch_format="numpy",
        compute=TaskPoolStrategy(size=max(1, min(pool.slots, len(items)))),
        num_cpus=1,
        label_selector=dict(pool.selector) or None,
    )
    yield from dataset.iter_rows()


def _write_parts(batch: dict[str, Any], url: str, making: Making) -> dict[str, Any]:
    storage = Storage.open(url)
    written: list[bytes] = []
    for task in batch["task"]:
        part: Part
        part, origins = pickle.loads(task)
        written.append(pickle.dumps([write_part(storage, part, origins, making)]))
    return {"written": written, "num_bytes": batch["num_bytes"]}


def _conclude(
    context: StageContext,
    tallies: pa.Table,
    origins: Mapping[str, Origin],
    written: Sequence[Written],
) -> tuple[Summary, str]:
    """Write the tables that stand beside the parts; return the summary and the report's page."""
    storage = context.draft.storage
    counts = [row for part in written for row in part.counts]
    table = repositories_table(tallies, counts, origins)
    write_table(storage, "repositories.parquet", table)
    write_table(storage, PARTS, parts_table(written))
    summary = summarise(tallies, table)
    batches = sorted(set(tallies["batch"].to_pylist()))
    plan = pa.concat_tables(read_table(storage, plan_path(batch)) for batch in batches)
    window = context.recipe.corpus.window_tokens
    page = report(context.draft.name, plan, table, summary, storage, window)
    return summary, page


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job; returns the exit code."""
    return run_stage("corpus", work, argv)


if __name__ == "__main__":
    # By its own name: Ray's workers can import `jobs.corpus`, but nothing of `__main__`.
    from jobs.corpus import main as main_by_name

    raise SystemExit(main_by_name())
