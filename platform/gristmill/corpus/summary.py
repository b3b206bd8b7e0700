"""What a corpus amounts to: one row a repository, and the counts and metrics of its record."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Any

import pyarrow as pa

from gristmill.corpus.assembly import Origin
from gristmill.corpus.domains import is_code
from gristmill.corpus.sources.repository import Repository
from gristmill.corpus.windows import Visibility

RULE_REASONS = frozenset({"mean_line", "max_line", "alphabetic", "xml", "html", "data_size"})
"""The paper's rule filters."""
_NEVER_RULED = frozenset(
    """language empty binary encoding too_large licence repository_cap unreadable truncated
    unsafe_path link device encrypted archive_bomb folder lfs_pointer submodule
    parser_crashed parser_timeout""".split()  # noqa: SIM905
)
"""Reasons that come before the rules: such files are no part of what the rules kept or dropped."""

SCHEMA = pa.schema(
    [
        ("repository", pa.string()),
        ("kind", pa.string()),
        ("revision", pa.string()),
        ("licence", pa.string()),
        ("digest", pa.string()),
        ("date", pa.string()),
        ("domain", pa.string()),
        ("num_files", pa.int64()),
        ("num_kept", pa.int64()),
        ("num_held_out", pa.int64()),
        ("bytes_read", pa.int64()),
        ("bytes_kept", pa.int64()),
        ("num_documents", pa.int64()),
        ("num_edges", pa.int64()),
        ("num_ordered_edges", pa.int64()),
        ("num_broken_edges", pa.int64()),
        ("num_importers", pa.int64()),
        ("sum_of_visible_shares", pa.float64()),  # of imported tokens in an importer's sight
    ]
)


@dataclass(frozen=True)
class Summary:
    """Figures of the record: `counts` are whole numbers, `metrics` shares."""

    counts: dict[str, int]
    metrics: dict[str, float]


def origins_of(tallies: pa.Table, repository_of: Callable[[int], Repository]) -> dict[str, Origin]:
    """Return the origin of every repository; one inside a table has its table's.

    `repository_of` returns what a piece is a part of.
    """
    first = tallies.group_by("repository", use_threads=False).aggregate([("piece", "min")])
    found: dict[str, Origin] = {}
    for row in first.to_pylist():
        source = repository_of(row["piece_min"])
        found[row["repository"]] = Origin(source.identity, source.source.domain, source.source.kind)
    return found


def repositories_table(
    tallies: pa.Table, counts: Sequence[Mapping[str, Any]], origins: Mapping[str, Origin]
) -> pa.Table:
    """Return one row a repository, by name; one inside a table has its table's revision and digest."""
    files: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    held_out: Counter[str] = Counter()
    read: Counter[str] = Counter()
    licence: dict[str, str] = {}
    for row in tallies.to_pylist():
        name, num_files = row["repository"], row["num_files"]
        files[name] += num_files
        kept[name] += num_files if row["split"] else 0
        held_out[name] += num_files if row["split"] == "held_out" else 0
        read[name] += row["num_bytes"]
        licence[name] = min(licence.get(name, row["licence"]), row["licence"])
    rows = []
    for row in sorted(counts, key=lambda row: str(row["repository"])):
        name = row["repository"]
        origin = origins[name]
        rows.append(
            {
                **row,
                "kind": origin.kind,
                "revision": origin.identity.revision,
                "licence": licence[name],
                "digest": origin.identity.digest,
                "date": origin.identity.date,
                "domain": origin.domain,
                "num_files": files[name],
                "num_kept": kept[name],
                "num_held_out": held_out[name],
                "bytes_read": read[name],
            }
        )
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _visible_share(repositories: pa.Table) -> float:
    """Return the share of its imported tokens that a file has in sight, on average over files."""
    return Visibility(
        sum(repositories["num_importers"].to_pylist()),
        fsum(repositories["sum_of_visible_shares"].to_pylist()),
    ).share


def summarise(tallies: pa.Table, repositories: pa.Table) -> Summary:
    """Return the counts and metrics of the corpus record."""
    reasons: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    splits: Counter[str] = Counter()
    ruled: Counter[str] = Counter()
    code = {row["repository"] for row in repositories.to_pylist() if is_code(row["domain"])}
    for row in tallies.to_pylist():
        reasons[row["reason"]] += row["num_files"]
        sizes[row["reason"]] += row["num_bytes"]
        if row["repository"] in code and row["reason"] not in _NEVER_RULED:
            ruled[row["reason"]] += row["num_bytes"]
        splits[row["split"]] += row["num_files"]

    def total(column: str) -> int:
        return sum(repositories[column].to_pylist())

    unread = ("repository_cap", "language", "too_large")
    counts = {
        "repositories": repositories.num_rows,
        "files": sum(splits.values()),
        "files_kept": splits["train"] + splits["held_out"],
        "files_held_out": splits["held_out"],
        "documents": total("num_documents"),
        "edges": total("num_edges"),
        "bytes_read": sum(size for reason, size in sizes.items() if reason not in unread),
        "bytes_kept": total("bytes_kept"),
        **{f"rejects_{name}": reasons[name] for name in sorted(reasons) if name},
    }
    judged = sum(ruled.values())
    dropped = sum(ruled[reason] for reason in RULE_REASONS)
    ordered = total("num_ordered_edges")
    metrics = {
        "rule_kept_share": (judged - dropped) / max(judged, 1),
        "kept_share": counts["bytes_kept"] / max(counts["bytes_read"], 1),
        "edges_broken_share": total("num_broken_edges") / max(ordered, 1),
        "imports_visible_share": _visible_share(repositories),
    }
    return Summary(counts, metrics)
