"""Stage `index`: documents and import edges -> what serving looks up beside the weights.

    gristmill run laptop index
    ray job submit --working-dir . -- python -m jobs.index --recipe laptop --store S

Tasks in the data pool read runs of documents and hand on hashes by their top bits and files by their
repository; a second row of tasks sorts each share and writes it. See `gristmill.serving.provenance` and
`gristmill.serving.repositories` for the files; a share's bytes depend on the corpus alone.
"""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import ray

from gristmill.serving import provenance, repositories
from gristmill.serving.declarations import declarations
from gristmill.serving.index_config import IndexSection
from gristmill.storage import Storage
from gristmill.tokens.units import Unit, read_unit, units_of
from jobs.pool import Pool
from jobs.stage import Outcome, StageContext, run_stage

UNIT_BYTES = 8 << 20
SPLITS = ("train", "held_out")
NUM_RETURNS = 1 + provenance.NUM_SHARDS + repositories.NUM_BUCKETS
_PLAIN = pa.schema([field for field in repositories.SCHEMA if field.name != "imports"])


@ray.remote(num_cpus=1, num_returns=NUM_RETURNS)
def parts_of(corpus: Storage, unit: Unit, section: IndexSection) -> tuple[Any, ...]:
    """Return a unit's table of files, its hashes by shard, and its files by bucket."""
    documents = read_unit(corpus, unit)
    hashed = documents if section.provenance and unit.split == "train" else []
    grams, files = provenance.grams_of(hashed)
    shards = [grams.shard(number) for number in range(provenance.NUM_SHARDS)]
    rows: list[list[dict[str, Any]]] = [[] for _ in range(repositories.NUM_BUCKETS)]
    for document in documents if section.repositories else []:
        bucket = rows[repositories.bucket_of(document.repository)]
        for file in document.files:
            bucket.append(
                {
                    "repository": document.repository,
                    "path": file.path,
                    "language": file.language,
                    "text": file.text,
                    "declarations": declarations(file.language, file.text, file.path),
                }
            )
    return (files, *shards, *(pa.Table.from_pylist(bucket, _PLAIN) for bucket in rows))


@ray.remote(num_cpus=1)
def write_shard(target: Storage, number: int, firsts: Sequence[int], refs: Sequence[Any]) -> int:
    """Sort and write one shard's hashes; return how many there are."""
    grams = provenance.Grams.join([ray.get(ref) for ref in refs], firsts)
    places = np.stack([grams.files, grams.positions], axis=1)
    for name, values in (("hashes", grams.hashes), ("places", places)):
        buffer = io.BytesIO()
        np.save(buffer, values)
        target.write_bytes(f"{provenance.FOLDER}/{number:02d}.{name}.npy", buffer.getvalue())
    return len(grams.hashes)


@ray.remote(num_cpus=1)
def write_bucket(target: Storage, corpus: Storage, number: int, refs: Sequence[Any]) -> int:
    """Write one bucket's files with what they import; return how many repositories it has."""
    table = pa.concat_tables([ray.get(ref) for ref in refs])
    table = table.sort_by([("repository", "ascending"), ("path", "ascending")])
    names = pc.unique(table["repository"])
    imports: dict[tuple[str, str], set[str]] = {}
    for path in sorted(corpus.list("edges")):
        with corpus.open_input(path) as stream:
            edges = pq.read_table(
                stream,
                columns=["repository", "importer", "imported"],
                filters=pc.field("repository").isin(names),
            )
        for repository, importer, imported in zip(
            *(column.to_pylist() for column in edges.columns), strict=True
        ):
            imports.setdefault((repository, importer), set()).add(imported)
    keys = zip(table["repository"].to_pylist(), table["path"].to_pylist(), strict=True)
    column = [sorted(imports.get(key, ())) for key in keys]
    table = table.append_column("imports", pa.array(column, pa.list_(pa.string())))
    with target.writing(f"{repositories.FOLDER}/{number:02d}.parquet") as stream:
        pq.write_table(table, stream, compression="zstd", row_group_size=2000)
    return len(names)


def work(context: StageContext) -> Outcome:
    """Make the indexes that the recipe asks for."""
    section = context.recipe.index or IndexSection()
    corpus, target = context.inputs["corpus"].storage, context.draft.storage
    if not ray.is_initialized():
        ray.init()
    selector = dict(Pool.of(context.label_selector).selector) or None
    units = [unit for split in SPLITS for unit in units_of(corpus, split, UNIT_BYTES)]
    read: Any = parts_of.options(label_selector=selector)
    found = [read.remote(corpus, unit, section) for unit in units]
    tables: list[pa.Table] = []
    for number, refs in enumerate(found):
        tables.append(ray.get(refs[0]))
        context.progress.update(number + 1, len(found) + 1, "units")
    firsts = np.cumsum([0, *(table.num_rows for table in tables)])[:-1].tolist()
    counts: dict[str, int] = {}
    if section.provenance:
        write = write_shard.options(label_selector=selector)
        numbers = range(provenance.NUM_SHARDS)
        done = [write.remote(target, n, firsts, [refs[1 + n] for refs in found]) for n in numbers]
        with target.writing(f"{provenance.FOLDER}/{provenance.FILES}") as stream:
            files = pa.concat_tables([provenance.FILE_SCHEMA.empty_table(), *tables])
            pq.write_table(files, stream, compression="zstd")
        counts |= {"hashes": sum(ray.get(done)), "files": files.num_rows}
    if section.repositories:
        store = write_bucket.options(label_selector=selector)
        lead = 1 + provenance.NUM_SHARDS
        buckets = range(repositories.NUM_BUCKETS)
        made = [store.remote(target, corpus, n, [r[lead + n] for r in found]) for n in buckets]
        counts["repositories"] = sum(ray.get(made))
    context.progress.update(len(found) + 1, len(found) + 1, "units")
    return Outcome(counts)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stage; return the exit code."""
    return run_stage("index", work, argv)


if __name__ == "__main__":
    # By its own name: Ray's workers can import `jobs.index`, but nothing of `__main__`.
    from jobs.index import main as main_by_name

    raise SystemExit(main_by_name())
