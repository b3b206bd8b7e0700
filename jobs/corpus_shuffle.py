"""The shuffle of the corpus job on Ray: each step of `gristmill.corpus.selection` as tasks.

    num_batches = shuffle(storage, num_pieces, section, seed, dates, pool)
    for batch in range(num_batches):
        plan = read_table(storage, plan_path(batch))        # rows as selection.SCHEMA, by piece and row
        clusters = read_table(storage, cluster_path(batch)) # rows as clusters.SCHEMA

It reads the pieces' tables (and sketches, at repository level) under `.work`, and leaves the plan and
the clusters there, batch by batch; the driver holds neither. Partition files lie under
`.work/shuffle` and are removed at the end. A step that a killed job had done is not done again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import ray

from gristmill.corpus.config import CorpusSection
from gristmill.corpus.exchange import StoredExchange
from gristmill.corpus.parts import WORK, write_table
from gristmill.corpus.rows import PieceRows
from gristmill.corpus.selection import Planned, Selection
from gristmill.storage import Storage
from jobs.pool import Pool

T = TypeVar("T")
_SHUFFLE = f"{WORK}/shuffle"
_PIECES_A_BUCKET = 128
"""About 512 MB of files a bucket: some 1.5 million (band hash, id) rows, 25 MB."""


def plan_path(batch: int) -> str:
    """Return where the plan of a batch of pieces lies."""
    return f"{WORK}/plan-{batch:06d}.parquet"


def cluster_path(batch: int) -> str:
    """Return where a batch's part of the clusters lies."""
    return f"{WORK}/clusters-{batch:06d}.parquet"


@dataclass(frozen=True)
class Tasks:
    """Does a step's numbers as Ray tasks, as many at once as the pool has slots."""

    pool: Pool

    def __call__(self, step: Callable[[int], T], numbers: Sequence[int]) -> list[T]:
        """Return the step's results in the order of the numbers; the first failure is raised."""
        options: dict[str, Any] = {"num_cpus": 1, "label_selector": dict(self.pool.selector)}
        task: Any = ray.remote(_do).options(**options)
        shared = ray.put(step)
        results: dict[int, T] = {}
        running: dict[Any, int] = {}
        for number in numbers:
            if len(running) >= self.pool.slots:
                _collect(running, results)
            running[task.remote(shared, number)] = number
        while running:
            _collect(running, results)
        return [results[number] for number in numbers]


def _do(step: Callable[[int], T], number: int) -> T:
    return step(number)


def _collect(running: dict[Any, int], results: dict[int, T]) -> None:
    for done in ray.wait(list(running), num_returns=1)[0]:
        results[running.pop(done)] = ray.get(done)


@dataclass(frozen=True)
class _Write:
    storage: Storage
    planned: Planned

    def batch(self, batch: int) -> None:
        if not self.storage.exists(plan_path(batch)):
            plan, clusters = self.planned.plan(batch)
            write_table(self.storage, cluster_path(batch), clusters)
            write_table(self.storage, plan_path(batch), plan)


def shuffle(
    storage: Storage,
    num_pieces: int,
    section: CorpusSection,
    seed: int,
    dates: Mapping[str, str],
    pool: Pool,
) -> int:
    """Decide dedup and the split of all pieces' files; return the number of batches of the plan."""
    rows = PieceRows(storage, num_pieces)
    exchange = StoredExchange(storage.child(_SHUFFLE))
    num_buckets = -(-num_pieces // _PIECES_A_BUCKET)
    tasks = Tasks(pool)
    planned = Selection(rows, exchange, section, seed, num_buckets).run(tasks, dates)
    tasks(_Write(storage, planned).batch, range(rows.num_batches))
    storage.delete(_SHUFFLE)
    return rows.num_batches
