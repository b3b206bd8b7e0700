"""What the report shows, chosen from a corpus that has just been written: samples and import graphs."""

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from gristmill.corpus.documents import part_paths
from gristmill.corpus.findings import MOST_PARTS, find
from gristmill.corpus.parts import piece_path, read_table
from gristmill.corpus.report import Graph, choose_samples, render
from gristmill.corpus.summary import Summary
from gristmill.storage import Storage

_NUM_GRAPHS = 2
_GRAPH_FILES = (12, 70)
_SAMPLED_PIECES = 40
_SAMPLED_FILES = 20
"""Of each reason and language."""


def report(
    name: str,
    plan: pa.Table,
    repositories: pa.Table,
    summary: Summary,
    storage: Storage,
    window_tokens: int | None = None,
) -> str:
    """Return the report's page for the draft at `storage`, its pieces' tables still there."""
    texts: dict[tuple[str, str], str] = {}
    found: Counter[tuple[str, str]] = Counter()
    for piece in sorted(set(plan["piece"].to_pylist()))[:_SAMPLED_PIECES]:
        columns = ["repository", "path", "language", "reason", "text"]
        table = read_table(storage, piece_path(piece), columns)
        for row in table.to_pylist():
            key = row["reason"], row["language"]
            if row["text"] and found[key] < _SAMPLED_FILES:
                found[key] += 1
                texts[row["repository"], row["path"]] = row["text"][:1200]
    kept, dropped = choose_samples(plan, texts)
    graphs = _graphs(storage)
    findings = find(storage, window_tokens)
    return render(name, plan, repositories, summary, findings, graphs, kept[:14], dropped[:30])


def _graphs(storage: Storage) -> list[Graph]:
    """Return the graphs of the documents with the most files that a picture can still show, one a
    repository."""
    least, most = _GRAPH_FILES
    found: dict[str, tuple[str, ...]] = {}
    for part in part_paths(storage)[:MOST_PARTS]:
        table = read_table(storage, part, ["repository", "split", "files"])
        for row in table.filter(pc.field("split") == "train").to_pylist():
            paths = tuple(file["path"] for file in row["files"])
            if least <= len(paths) <= most and len(paths) > len(found.get(row["repository"], ())):
                found[row["repository"]] = paths
    chosen = sorted(found, key=lambda name: (-len(found[name]), name))[:_NUM_GRAPHS]
    graphs = []
    for repository in chosen:
        edges: list[tuple[str, str]] = []
        for part in sorted(storage.list("edges"))[:MOST_PARTS]:
            table = read_table(storage, part, ["repository", "importer", "imported"])
            table = table.filter(pc.field("repository") == repository)
            pairs = zip(table["importer"].to_pylist(), table["imported"].to_pylist(), strict=True)
            edges += sorted(set(pairs))
        graphs.append(Graph(repository, found[repository], edges))
    return graphs
