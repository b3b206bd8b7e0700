"""Simulates the shuffle and the cluster step at a number of ids, one task after the other.

    .venv/bin/python tests/bench/dedup_growth.py NUM_IDS SCRATCH [cluster]

The steps are the corpus job's own on partition files in SCRATCH; only the items are made up: signatures
by a hash of their family, one id in two with a near copy or more, families of up to hundreds spread
over all batches. With `cluster` the components alone, of a chain, stars and small clusters. Prints JSON:
CPU seconds without making the items, peak memory of the process (a task's, since nothing is kept
between tasks), bytes written.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gristmill.corpus.dedup import Dedup, Items, Rules
from gristmill.corpus.exchange import StoredExchange, buckets_of
from gristmill.corpus.shingles import U64, mix
from gristmill.corpus.signatures import Signatures
from gristmill.corpus.union import Union, edge_table
from gristmill.storage import Storage

BATCH_IDS = 100_000
BUCKET_IDS = 60_000
"""By 25 bands, 1.5 million rows a bucket, as in the job."""
RULES = Rules(threshold=0.7, num_hashes=125, bands=25, num_words=5, exact=False)


@dataclass(frozen=True)
class MadeItems:
    """Ids 0 to `num_ids`, in batches; `spent` adds up what making them takes."""

    num_ids: int
    has_texts: bool = False
    spent: list[float] = field(default_factory=list)

    def items(self, batch: int) -> Items:
        """Return a batch's items."""
        started = time.process_time()
        first = batch * BATCH_IDS
        number = np.arange(first, min(first + BATCH_IDS, self.num_ids), dtype=np.uint64)
        ids = (np.uint64(batch) << np.uint64(32)) | (number - np.uint64(first))
        parts = np.array_split(number, max(len(number) // 2_000, 1))  # made in a core's cache
        signatures = np.concatenate([self._signatures(part) for part in parts])
        names = pa.array([""] * len(ids))
        ranks = {"permissive": pa.array(np.ones(len(ids), bool)), "num_bytes": pa.array(ids)}
        table = pa.table({**ranks, "repository": names, "path": names})
        self.spent.append(time.process_time() - started)
        return Items(ids, mix(number), signatures, table)

    def _signatures(self, number: U64) -> Signatures:
        slots = np.arange(RULES.num_hashes, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        own = mix(mix(number)[:, None] ^ slots)
        shared = mix(mix(self._family(number))[:, None] ^ slots)
        changed = (own & np.uint64(1023)) < (own[:, :1] >> np.uint64(32)) % np.uint64(200)
        return (np.where(changed, own, shared) >> np.uint64(33)).astype(np.uint32)

    def _family(self, number: U64) -> U64:
        draw = mix(number + np.uint64(7))
        alone = (draw & np.uint64(1)).astype(bool)
        small = (draw >> np.uint64(8)) % np.uint64(max(self.num_ids // 8, 1))
        hot = (draw >> np.uint64(8)) % np.uint64(max(self.num_ids // 20_000, 1))
        is_hot = (draw & np.uint64(62)) == 0  # one in 32, in families of some 600
        family = np.where(is_hot, hot + np.uint64(self.num_ids), small)
        return np.where(alone, number + np.uint64(2 * self.num_ids), family)

    def texts(self, batch: int, ids: U64) -> Sequence[bytes]:
        """There are none."""
        raise AssertionError("no texts")


@dataclass
class Counted:
    """Does steps one by one and keeps how many bytes lie in the scratch folder at most."""

    storage: Storage
    most: int = 0
    by_step: dict[str, float] = field(default_factory=dict)

    def __call__(self, step: Callable[[int], Any], numbers: Sequence[int]) -> list[Any]:
        """Do them all."""
        started = time.process_time()
        results = [step(number) for number in numbers]
        name = step.__name__
        self.by_step[name] = self.by_step.get(name, 0) + time.process_time() - started
        self.most = max(self.most, sum(self.storage.sizes().values()))
        return results


def shuffle(num_ids: int, storage: Storage) -> dict[str, Any]:
    """Run the whole shuffle up to the components."""
    source, work = MadeItems(num_ids), Counted(storage)
    num_batches, num_buckets = -(-num_ids // BATCH_IDS), -(-num_ids // BUCKET_IDS)
    exchange = StoredExchange(storage)
    dedup = Dedup("file", source, exchange, RULES, num_batches, 1, num_buckets)
    stars = dedup.run(work)
    return _told(work, sum(source.spent), exchange, stars, num_buckets)


def cluster(num_ids: int, storage: Storage) -> dict[str, Any]:
    """Run the cluster step on as many edges as ids."""
    exchange, work = StoredExchange(storage), Counted(storage)
    num_buckets = -(-num_ids // 1_000_000)
    for writer in range(num_buckets):
        left = np.arange(
            writer * 1_000_000, min((writer + 1) * 1_000_000, num_ids), dtype=np.uint64
        )
        # threes; beside them stars of 10,000 and one chain of 100,000
        right = left - left % np.uint64(3)
        star = left % np.uint64(100) == 7
        right[star] = left[star] - left[star] % np.uint64(10_000)
        chain = (left > 0) & (left < 100_000)
        right[chain] = left[chain] - np.uint64(1)
        left, right = mix(left), mix(right)
        to = buckets_of(left, num_buckets)
        exchange.write("edges", writer, edge_table(left, right), to, num_buckets)
    stars = Union(exchange, "edges", num_buckets).run(work)
    return _told(work, 0.0, exchange, stars, num_buckets)


def _told(
    work: Counted, making: float, exchange: StoredExchange, stars: str, num_buckets: int
) -> dict[str, Any]:
    members = 0
    for bucket in range(num_buckets):
        table = exchange.read(stars, bucket)
        members += 0 if table is None else table.num_rows
    return {
        "cpu_s": sum(work.by_step.values()) - making,
        "by_step": {name: round(spent, 2) for name, spent in work.by_step.items()},
        "making_s": making,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "disk_mb": work.most / 1e6,
        "in_clusters": members,
        "stage": stars,
    }


if __name__ == "__main__":
    folder = Path(sys.argv[2])
    what = cluster if sys.argv[3:] == ["cluster"] else shuffle
    print(json.dumps(what(int(float(sys.argv[1])), Storage.open(str(folder)))))
