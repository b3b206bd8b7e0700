"""The shuffle's steps as Ray tasks give what memory gives."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import ray

from gristmill.corpus.config import CorpusSection
from gristmill.corpus.parts import WORK, read_table
from jobs.corpus_shuffle import cluster_path, plan_path, shuffle
from jobs.pool import Pool
from tests.made_rows import in_memory, made_pieces, stored

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore::ResourceWarning")]
DATES = {f"r{i}": f"2024-01-0{i + 1}" for i in range(5)}


@pytest.mark.parametrize("by", ["file", "repository"])
def test_tasks_give_what_memory_gives(tmp_path: Path, ray_cluster: Any, by: str) -> None:
    if not ray.is_initialized():
        ray.init()
    pieces = made_pieces(7) * 12  # several batches of 64 pieces
    held = {"by": by, "share": 0.2, "max_files": 5}
    values = {"sources": (), "dedup": {"level": "both"}, "held_out": held}
    section = CorpusSection.model_validate(values)
    rows = stored(pieces, section.dedup, tmp_path, 64)
    pool = Pool.of({"pool": "data"}, 2)
    num_batches = shuffle(rows.storage, len(pieces), section, 1, DATES, pool)
    assert num_batches == 2
    assert not rows.storage.exists(f"{WORK}/shuffle")
    plan, clusters = (
        pa.concat_tables(read_table(rows.storage, path(batch)) for batch in range(num_batches))
        for path in (plan_path, cluster_path)
    )
    wanted = in_memory(pieces, section, 1, DATES)
    up = "ascending"
    by_place = [("repository", up), ("path", up)]
    assert plan.sort_by([*by_place, ("piece", up)]).equals(wanted[0])
    assert clusters.sort_by([("cluster", up), *by_place]).equals(wanted[1])
