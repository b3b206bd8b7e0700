"""What a corpus amounts to: one row a repository, and the counts and metrics of its record."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from gristmill.corpus.assembly import Origin

RULE_REASONS = frozenset({"mean_line", "max_line", "alphabetic", "xml", "html", "data_size"})
"""The paper's rule filters."""
_NEVER_RULED = frozenset(
    """language empty binary encoding too_large licence repository_cap unreadable truncated
    unsafe_path link device encrypted archive_bomb folder""".split()  # noqa: SIM905
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
    ]
)


@dataclass(frozen=True)
class Summary:
    """Figures of the record: `counts` are whole numbers, `metrics` shares."""

    counts: dict[str, int]
    metrics: dict[str, float]


def repositories_table(
    plan: pa.Table, counts: Sequence[Mapping[str, Any]], origins: Mapping[str, Origin]
) -> pa.Table:
    """Return one row a repository, by name; one inside a table has its table's revision and digest."""
    files: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    held_out: Counter[str] = Counter()
    read: Counter[str] = Counter()
    licence: dict[str, str] = {}
    names = ("repository", "licence", "num_bytes", "split")
    for name, its, num_bytes, split in zip(*(plan[n].to_pylist() for n in names), strict=True):
        files[name] += 1
        kept[name] += bool(split)
        held_out[name] += split == "held_out"
        read[name] += num_bytes
        licence.setdefault(name, its)
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


def summarise(plan: pa.Table, repositories: pa.Table) -> Summary:
    """Return the counts and metrics of the corpus record."""
    reasons = Counter(plan["reason"].to_pylist())
    splits = Counter(plan["split"].to_pylist())

    def total(column: str) -> int:
        return sum(repositories[column].to_pylist())

    ruled, passed = _rule_bytes(plan)
    counts = {
        "repositories": repositories.num_rows,
        "files": plan.num_rows,
        "files_kept": splits["train"] + splits["held_out"],
        "files_held_out": splits["held_out"],
        "documents": total("num_documents"),
        "edges": total("num_edges"),
        "bytes_read": sum(
            size
            for size, reason in zip(
                plan["num_bytes"].to_pylist(), plan["reason"].to_pylist(), strict=True
            )
            if reason not in ("repository_cap", "language", "too_large")
        ),
        "bytes_kept": total("bytes_kept"),
        **{f"rejects_{name}": reasons[name] for name in sorted(reasons) if name},
    }
    ordered = total("num_ordered_edges")
    metrics = {
        "rule_kept_share": passed / max(ruled, 1),
        "kept_share": counts["bytes_kept"] / max(counts["bytes_read"], 1),
        "edges_broken_share": total("num_broken_edges") / max(ordered, 1),
    }
    return Summary(counts, metrics)


def _rule_bytes(plan: pa.Table) -> tuple[int, int]:
    """Return the bytes that the paper's rules saw, and those they let pass."""
    ruled = passed = 0
    for size, reason in zip(plan["num_bytes"].to_pylist(), plan["reason"].to_pylist(), strict=True):
        if reason not in _NEVER_RULED:
            ruled += size
            passed += 0 if reason in RULE_REASONS else size
    return ruled, passed
