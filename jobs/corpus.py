"""corpus: repositories in, clean ordered documents out (paper sections 2.1 to 2.4).

    gristmill run laptop corpus                                              on this machine
    python -m jobs.corpus --recipe laptop --store ./store                    the same, by hand
    ray job submit --working-dir . -- python -m jobs.corpus --recipe R --store s3://bucket/store

Two passes on Ray Data with a small meeting in between. The first reads every repository piece by
piece in the `data` pool: judge, parse once, hash. The driver then decides dedup and the held-out split
from hashes alone. The second writes the parts, whole repositories in order. What lies between is
under `.work` in the draft, so that an interrupted job goes on where it was; it is removed at the end.
"""

import logging
import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, TaskPoolStrategy

from actors.repository_reader import RepositoryReader
from gristmill.corpus.assembly import Origin, origins_of, write_part
from gristmill.corpus.config import CorpusSection
from gristmill.corpus.contamination import Benchmarks
from gristmill.corpus.parts import (
    WORK,
    piece_path,
    plan_parts,
    read_table,
    sketch_path,
    write_table,
)
from gristmill.corpus.pieces import Piece, merged_sketches, plan_pieces
from gristmill.corpus.selection import INPUT, select
from gristmill.corpus.showing import report
from gristmill.corpus.sources import open_sources
from gristmill.corpus.sources.repository import Repository
from gristmill.corpus.split import newest_first
from gristmill.corpus.summary import Summary, repositories_table, summarise
from gristmill.errors import SourceError
from gristmill.progress import Progress
from gristmill.storage import Storage
from jobs.pool import Pool
from jobs.stage import Outcome, StageContext, run_stage

log = logging.getLogger(__name__)


def work(context: StageContext) -> Outcome:
    """Make the corpus artifact in the draft."""
    section = context.recipe.corpus
    storage = context.draft.storage
    repositories = open_sources(section)
    pieces = plan_pieces(repositories, section)
    _check(section, repositories, pieces)
    meter = _Meter(context.progress, 2 * sum(piece.num_bytes for piece in pieces))
    meter.add(0)
    if not ray.is_initialized():
        ray.init()
    ray.data.DataContext.get_current().enable_progress_bars = False  # ours is the one to follow
    pool = Pool.of(context.label_selector, section.workers)
    for row in _read(pieces, storage, section, pool):
        meter.add(int(row["num_bytes"]))
    plan = _select(len(pieces), repositories, storage, section, context.recipe.seed)
    origins = origins_of(plan, pieces)
    counts: list[dict[str, Any]] = []
    for row in _write(plan, origins, storage, section, pool, context.recipe.seed):
        counts += pickle.loads(row["counts"])
        meter.add(int(row["num_bytes"]))
    table = repositories_table(plan, counts, origins)
    write_table(storage, "repositories.parquet", table)
    outcome = summarise(plan, table)
    page = report(context.draft.name, plan, table, outcome, storage)
    storage.write_bytes("report.html", page.encode())
    storage.delete(WORK)
    if not outcome.counts["documents"]:
        raise SourceError(f"no file stayed in the corpus; {_why(outcome)}; loosen corpus.rules")
    meter.finish()
    return Outcome(outcome.counts, outcome.metrics)


def _check(
    section: CorpusSection, repositories: Sequence[Repository], pieces: Sequence[Piece]
) -> None:
    """Raise now what would otherwise be found after the reading, or in every worker."""
    Benchmarks.load(section.decontaminate)
    if not pieces:
        names = ", ".join(repository.name for repository in repositories)
        raise SourceError(f"corpus.sources hold no file at all: {names}")
    if section.held_out.by == "date" and section.held_out.share > 0:
        newest_first([item.name for item in repositories], _dates(repositories))


def _dates(repositories: Sequence[Repository]) -> dict[str, str]:
    return {repository.name: repository.identity.date for repository in repositories}


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
    pieces: Sequence[Piece], storage: Storage, section: CorpusSection, pool: Pool
) -> Iterator[dict[str, Any]]:
    """Read every piece in worker processes, the largest first so that none is left for the end."""
    order = sorted(range(len(pieces)), key=lambda number: -pieces[number].num_bytes)
    items = [
        {
            "number": number,
            "piece": pickle.dumps(pieces[number]),
            "num_bytes": pieces[number].num_bytes,
        }
        for number in order
    ]
    workers = max(1, min(pool.slots, len(items)))
    dataset = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        RepositoryReader,
        fn_constructor_args=(storage.url, section),
        batch_size=None,
        batch_format="numpy",
        compute=ActorPoolStrategy(min_size=1, max_size=workers, initial_size=workers),
        num_cpus=1,
        label_selector=dict(pool.selector) or None,
    )
    yield from dataset.iter_rows()


def _select(
    num_pieces: int,
    repositories: Sequence[Repository],
    storage: Storage,
    section: CorpusSection,
    seed: int,
) -> pa.Table:
    """Return the plan of all files from what the pieces' tables say of them."""
    tables = []
    for number in range(num_pieces):
        table = read_table(storage, piece_path(number), [*INPUT, "signature"])
        column = pa.array([number] * table.num_rows, pa.int32())
        tables.append(table.append_column("piece", column))
    sketches = {}
    if section.dedup.level in ("repository", "both"):
        sketches = merged_sketches(
            read_table(storage, sketch_path(number)) for number in range(num_pieces)
        )
    return select(pa.concat_tables(tables), sketches, section, seed, _dates(repositories))


def _write(
    plan: pa.Table,
    origins: Mapping[str, Origin],
    storage: Storage,
    section: CorpusSection,
    pool: Pool,
    seed: int,
) -> Iterator[dict[str, Any]]:
    """Write every part in worker processes."""
    items = []
    for number, part in enumerate(plan_parts(plan)):
        names = set(part["repository"].to_pylist())
        mine = {name: origins[name] for name in names}
        task = pickle.dumps((storage.url, number, part.combine_chunks(), mine, section, seed))
        items.append({"task": task, "num_bytes": _kept_bytes(part)})
    dataset = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        _write_parts,
        batch_size=None,
        batch_format="numpy",
        compute=TaskPoolStrategy(size=max(1, min(pool.slots, len(items)))),
        num_cpus=1,
        label_selector=dict(pool.selector) or None,
    )
    yield from dataset.iter_rows()


def _kept_bytes(part: pa.Table) -> int:
    sizes = zip(part["num_bytes"].to_pylist(), part["split"].to_pylist(), strict=True)
    return sum(size for size, split in sizes if split)


def _write_parts(batch: dict[str, Any]) -> dict[str, Any]:
    counts = []
    for task in batch["task"]:
        url, *arguments = pickle.loads(task)
        counts.append(pickle.dumps(write_part(Storage.open(url), *arguments)))
    return {"counts": counts, "num_bytes": batch["num_bytes"]}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job; returns the exit code."""
    return run_stage("corpus", work, argv)


if __name__ == "__main__":
    # By its own name: Ray's workers can import `jobs.corpus`, but nothing of `__main__`.
    from jobs.corpus import main as main_by_name

    raise SystemExit(main_by_name())
