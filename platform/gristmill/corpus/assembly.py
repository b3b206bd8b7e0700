"""The files of a repository -> its documents, import edges and rejects.

Edges are resolved over every source file that was parsed, the left-out ones among them, so that the
graph is the repository's; order and components are those of the files that stay. A held-out file is a
document of its own when the split is by file; otherwise held-out repositories are made like others.
"""

import hashlib
import pickle
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gristmill.artifacts import SourceIdentity
from gristmill.corpus import documents
from gristmill.corpus.config import CorpusSection
from gristmill.corpus.files import SourceFile
from gristmill.corpus.imports import Edge, Parsed, edge_row, import_edges
from gristmill.corpus.languages import comment_line
from gristmill.corpus.order import order, violations
from gristmill.corpus.parts import (
    EDGES,
    REJECTS,
    from_rows,
    part_path,
    piece_path,
    read_table,
    write_table,
)
from gristmill.corpus.pieces import Piece
from gristmill.storage import Storage


@dataclass(frozen=True)
class Origin:
    """What a document says of its repository."""

    identity: SourceIdentity
    domain: str
    kind: str


def origins_of(plan: pa.Table, pieces: Sequence[Piece]) -> dict[str, Origin]:
    """Return the origin of every repository of a plan; one inside a table has its table's."""
    found: dict[str, Origin] = {}
    for name, number in zip(plan["repository"].to_pylist(), plan["piece"].to_pylist(), strict=True):
        if name not in found:
            source = pieces[number].repository
            found[name] = Origin(source.identity, source.source.domain, source.source.kind)
    return found


@dataclass
class _Repository:
    """One repository's rows: the plan's joined with its pieces'."""

    name: str
    rows: list[dict[str, Any]]

    def edges(self) -> list[Edge]:
        """Return the import edges between its parsed or staying files."""
        files, parsed, configs = [], {}, {}
        for row in self.rows:
            if row["config"]:
                configs[row["path"]] = row["text"]
            known: Parsed | None = pickle.loads(row["parsed"]) if row["parsed"] else None
            if known is not None:
                parsed[row["path"]] = known
            if known is not None or row["split"]:
                files.append(SourceFile(row["path"], row["language"], row["text"] or ""))
        return import_edges(files, parsed, configs)


def write_part(
    storage: Storage,
    number: int,
    plan: pa.Table,
    origins: Mapping[str, Origin],
    section: CorpusSection,
    seed: int,
) -> list[dict[str, Any]]:
    """Write part `number` of documents, rejects and edges; return one row of counts a repository."""
    document_rows: list[dict[str, Any]] = []
    reject_rows: list[dict[str, Any]] = []
    edge_rows: list[dict[str, Any]] = []
    counts = []
    for repository in _repositories(storage, plan):
        edges = repository.edges()
        origin = origins[repository.name]
        made = list(_documents(repository, edges, origin, section, seed))
        document_rows += made
        edge_rows += [edge_row(repository.name, edge) for edge in edges]
        rejects = [row for row in repository.rows if row["reason"]]
        reject_rows += [{name: row[name] for name in REJECTS.names} for row in rejects]
        ordered = [[file["path"] for file in row["files"]] for row in made]
        broken = violations(ordered, edges)
        counts.append(
            {
                "repository": repository.name,
                "num_documents": len(made),
                "num_edges": len(edges),
                "num_ordered_edges": broken.num_edges,
                "num_broken_edges": broken.num_broken,
                "bytes_kept": sum(row["num_bytes"] for row in made),
            }
        )
    for kind, rows, schema in (
        ("rejects", reject_rows, REJECTS),
        ("edges", edge_rows, EDGES),
        ("documents", document_rows, documents.SCHEMA),
    ):
        write_table(storage, part_path(kind, number), from_rows(rows, schema))
    return counts


def _repositories(storage: Storage, plan: pa.Table) -> Iterator[_Repository]:
    """Yield the plan's repositories with their texts, at most one in memory where pieces allow it."""
    names = plan["repository"].to_pylist()
    start = 0
    for row in range(1, len(names) + 1):
        if row == len(names) or names[row] != names[start]:
            yield _joined(storage, names[start], plan.slice(start, row - start))
            start = row


def _joined(storage: Storage, name: str, plan: pa.Table) -> _Repository:
    texts: dict[tuple[int, str], dict[str, Any]] = {}
    for piece in sorted(set(plan["piece"].to_pylist())):
        columns = ["repository", "path", "config", "parsed", "text"]
        table = read_table(storage, piece_path(piece), columns)
        table = table.filter(pc.field("repository") == name)
        for row in table.drop_columns(["repository"]).to_pylist():
            texts.setdefault((piece, row["path"]), row)
    rows = [row | texts[row["piece"], row["path"]] for row in plan.to_pylist()]
    return _Repository(name, rows)


def _documents(
    repository: _Repository,
    edges: Sequence[Edge],
    origin: Origin,
    section: CorpusSection,
    seed: int,
) -> Iterator[dict[str, Any]]:
    by_path = {row["path"]: row for row in repository.rows if row["split"]}
    for split in ("train", "held_out"):
        paths = [path for path, row in by_path.items() if row["split"] == split]
        if split == "held_out" and section.held_out.by == "file":
            components = [[path] for path in sorted(paths)]
        else:
            components = order(paths, edges, section.order, seed, repository.name)
        for component in components:
            yield _document([by_path[path] for path in component], split, origin, section)


def _document(
    rows: Sequence[Mapping[str, Any]], split: str, origin: Origin, section: CorpusSection
) -> dict[str, Any]:
    identity = origin.identity
    digest = hashlib.sha256(f"{rows[0]['repository']}\0{identity.revision}".encode())
    sizes: Counter[str] = Counter()
    files = []
    for row in rows:
        text, path, language = row["text"], row["path"], row["language"]
        digest.update(f"\0{path}\0".encode("utf-8", "surrogateescape"))
        digest.update(text.encode())
        sizes[language] += len(text.encode())
        header = comment_line(language, path) if section.path_comment else ""
        files.append({"path": path, "language": language, "header": header, "text": text})
    licences = sorted({row["licence"] for row in rows})
    return {
        "document": digest.hexdigest(),
        "repository": rows[0]["repository"],
        "revision": identity.revision,
        "licence": licences[0] if len(licences) == 1 else " AND ".join(f"({x})" for x in licences),
        "domain": origin.domain,
        "split": split,
        "language": min(sizes, key=lambda name: (-sizes[name], name)),
        "num_bytes": sum(sizes.values()),
        "files": files,
    }
