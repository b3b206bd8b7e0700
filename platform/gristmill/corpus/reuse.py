"""Parts of older corpora in the store, by key: what was made from the same rows is copied, not made.

Every corpus artifact says in `parts.parquet` what its parts were made from. The key holds everything
that a part's bytes depend on, the code among it, so that a copy is what making it again would give.
"""

import json
from collections.abc import Sequence

import pyarrow as pa

from gristmill.artifacts import Store
from gristmill.corpus.assembly import Older, Written
from gristmill.corpus.parts import read_table

PARTS = "parts.parquet"
SCHEMA = pa.schema(
    [
        ("number", pa.int32()),
        ("key", pa.string()),
        ("counts", pa.string()),  # JSON: one row a repository
    ]
)


def parts_table(written: Sequence[Written]) -> pa.Table:
    """Return the table of an artifact's parts, by number."""
    rows = sorted(written, key=lambda part: part.number)
    return pa.Table.from_pylist(
        [
            {"number": part.number, "key": part.key, "counts": json.dumps(part.counts)}
            for part in rows
        ],
        schema=SCHEMA,
    )


def older_parts(store: Store) -> dict[str, Older]:
    """Return every part that a finished corpus of the store has."""
    found: dict[str, Older] = {}
    for artifact in store.list():
        if artifact.record.stage == "corpus" and PARTS in artifact.record.files:
            for row in read_table(artifact.storage, PARTS).to_pylist():
                counts = json.loads(row["counts"])
                found[row["key"]] = Older(artifact.storage.url, row["number"], counts)
    return found
