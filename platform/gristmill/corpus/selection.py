"""What becomes of every file, decided in one place from hashes: dedup, then the held-out split.

Texts never come here, only one short row a file (its verdict so far, content hash, signature): the
shuffle of the corpus stage. The result is the plan that the documents are written by: every file with
its final reason, or its split.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gristmill.corpus.config import CorpusSection
from gristmill.corpus.dedup import Clusters, cluster
from gristmill.corpus.licences import is_permissive
from gristmill.corpus.signatures import Signatures, similarity
from gristmill.corpus.split import split

INPUT = ("repository", "path", "language", "licence", "num_bytes", "reason", "detail", "content")
"""Columns of a piece's table that selection reads, with `signature` and the piece's number."""

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


@dataclass
class _Plan:
    """The rows as columns that the steps below change."""

    repository: list[str]
    path: list[str]
    licence: list[str]
    num_bytes: list[int]
    reason: list[str]
    detail: list[str]

    def staying(self) -> np.ndarray:
        return np.flatnonzero([not reason for reason in self.reason])

    def drop(self, row: int, reason: str, detail: str) -> None:
        self.reason[row], self.detail[row] = reason, detail

    def rank(self, rows: np.ndarray) -> np.ndarray:
        """Return the place of each row in the order in which copies are kept."""

        def key(i: int) -> tuple[bool, int, str, str]:
            row = rows[i]
            preferred = is_permissive(self.licence[row])
            return not preferred, -self.num_bytes[row], self.repository[row], self.path[row]

        place = np.zeros(len(rows), dtype=np.int64)
        place[sorted(range(len(rows)), key=key)] = np.arange(len(rows))
        return place


def select(
    rows: pa.Table,
    sketches: Mapping[str, Signatures],
    section: CorpusSection,
    seed: int,
    dates: Mapping[str, str],
) -> pa.Table:
    """Return the plan (`SCHEMA`), sorted by repository and path.

    `rows` has the columns of `INPUT`, `signature` and `piece`; `sketches` is each repository's
    mergeable signature, read when dedup is at repository level.
    """
    rows = rows.sort_by(
        [("repository", "ascending"), ("path", "ascending"), ("piece", "ascending")]
    )
    plan = _Plan(
        **{
            name: rows[name].to_pylist()
            for name in ("repository", "path", "licence", "num_bytes", "reason", "detail")
        }
    )
    contents = rows["content"].to_numpy()
    _drop_repeated_paths(plan)
    if section.dedup.level in ("repository", "both"):
        _drop_repositories(plan, sketches, section)
    staying = plan.staying()
    signatures = _signatures(rows, staying, section.dedup.num_hashes)
    clusters = cluster(
        contents[staying],
        signatures,
        plan.rank(staying).tolist(),
        bands=section.dedup.bands,
        threshold=section.dedup.threshold,
    )
    kept = np.arange(len(staying))
    if section.dedup.level in ("file", "both"):
        _drop_copies(plan, staying, clusters, contents, signatures)
        kept = np.flatnonzero(~clusters.removed)
    splits = np.full(rows.num_rows, "", dtype=object)
    parts = split(
        section.held_out,
        seed,
        [plan.repository[row] for row in staying[kept]],
        contents[staying[kept]],
        clusters.label[kept],
        dates,
    )
    splits[staying[kept]] = np.where(parts.held_out, "held_out", "train")
    for row in staying[kept[parts.copies]]:
        plan.drop(row, "held_out_copy", "near copy of a held-out file")
    for row in staying[kept[parts.surplus]]:
        plan.drop(row, "held_out_surplus", f"beyond max_files {section.held_out.max_files}")
    return _table(rows, plan, splits)


def _table(rows: pa.Table, plan: _Plan, splits: np.ndarray) -> pa.Table:
    final = [name if not reason else "" for name, reason in zip(splits, plan.reason, strict=True)]
    columns = {
        "piece": rows["piece"],
        "language": rows["language"],
        "reason": plan.reason,
        "detail": plan.detail,
        "split": final,
    }
    columns |= {name: rows[name] for name in ("repository", "path", "licence", "num_bytes")}
    return pa.table({name: columns[name] for name in SCHEMA.names}).cast(SCHEMA)


def _drop_repeated_paths(plan: _Plan) -> None:
    """Drop a file whose repository has another at the same path (tables and archives can)."""
    for row in range(1, len(plan.path)):
        before = (plan.repository[row - 1], plan.path[row - 1])
        if (plan.repository[row], plan.path[row]) == before and not plan.reason[row]:
            plan.drop(row, "repeated_path", "the repository has this path already")


def _drop_repositories(
    plan: _Plan, sketches: Mapping[str, Signatures], section: CorpusSection
) -> None:
    names = sorted(sketches)
    if not names:
        return
    sizes = dict.fromkeys(names, 0)
    permissive = dict.fromkeys(names, True)
    for row in plan.staying():
        name = plan.repository[row]
        sizes[name] += plan.num_bytes[row]
        permissive[name] &= is_permissive(plan.licence[row])
    order = sorted(names, key=lambda name: (not permissive[name], -sizes[name], name))
    place = {name: i for i, name in enumerate(order)}
    signatures = np.stack([sketches[name] for name in names])
    clusters = cluster(
        np.arange(len(names), dtype=np.uint64),
        signatures,
        [place[name] for name in names],
        bands=section.dedup.bands,
        threshold=section.dedup.threshold,
    )
    survivor = {
        names[i]: names[int(clusters.survivor[i])] for i in np.flatnonzero(clusters.removed)
    }
    for row in plan.staying():
        name = plan.repository[row]
        if name in survivor:
            plan.drop(row, "repository_duplicate", f"near copy of repository {survivor[name]}")


def _drop_copies(
    plan: _Plan,
    staying: np.ndarray,
    clusters: Clusters,
    contents: np.ndarray,
    signatures: Signatures,
) -> None:
    removed = np.flatnonzero(clusters.removed)
    survivors = clusters.survivor[removed]
    shares = similarity(signatures[removed], signatures[survivors])
    for item, survivor, share in zip(removed, survivors, shares, strict=True):
        row, other = staying[item], staying[survivor]
        where = f"{plan.repository[other]}:{plan.path[other]}"
        if contents[row] == contents[other]:
            plan.drop(row, "exact_duplicate", f"same as {where}")
        else:
            plan.drop(row, "near_duplicate", f"{share:.2f} like {where}")


def _signatures(rows: pa.Table, staying: np.ndarray, num_hashes: int) -> Signatures:
    column = pc.take(rows["signature"], pa.array(staying)).to_pylist()
    flat = np.frombuffer(b"".join(column), dtype=np.uint32)
    return flat.reshape(len(staying), num_hashes)
