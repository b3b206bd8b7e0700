"""What the report shows, chosen from a corpus that has just been written: samples and import graphs."""

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from gristmill.corpus.documents import part_paths, read_documents
from gristmill.corpus.parts import piece_path, read_table
from gristmill.corpus.report import Graph, choose_samples, render
from gristmill.corpus.summary import Summary
from gristmill.storage import Storage

_NUM_GRAPHS = 2
_GRAPH_FILES = (12, 70)
_SAMPLED_PIECES = 40


def report(
    name: str, plan: pa.Table, repositories: pa.Table, summary: Summary, storage: Storage
) -> str:
    """Return the report's page for the draft at `storage`, its pieces' tables still there."""
    texts: dict[tuple[str, str], str] = {}
    reasons: Counter[str] = Counter()
    for piece in sorted(set(plan["piece"].to_pylist()))[:_SAMPLED_PIECES]:
        table = read_table(storage, piece_path(piece), ["repository", "path", "reason", "text"])
        for row in table.to_pylist():
            if row["text"] and reasons[row["reason"]] < 40:
                reasons[row["reason"]] += 1
                texts[row["repository"], row["path"]] = row["text"][:1200]
    kept, dropped = choose_samples(plan, texts)
    graphs = _graphs(storage)
    return render(name, plan, repositories, summary, graphs, kept[:14], dropped[:30])


def _graphs(storage: Storage) -> list[Graph]:
    """Return the graphs of the documents with the most files that a picture can still show."""
    if not part_paths(storage):
        return []
    least, most = _GRAPH_FILES
    found: list[tuple[int, str, tuple[str, ...]]] = []
    for document in read_documents(storage):
        if least <= len(document.files) <= most:
            paths = tuple(file.path for file in document.files)
            found.append((-len(paths), document.repository, paths))
            found = sorted(found)[:_NUM_GRAPHS]
    graphs = []
    for _, repository, paths in found:
        edges: list[tuple[str, str]] = []
        for part in storage.list("edges"):
            table = read_table(storage, part, ["repository", "importer", "imported"])
            table = table.filter(pc.field("repository") == repository)
            pairs = zip(table["importer"].to_pylist(), table["imported"].to_pylist(), strict=True)
            edges += sorted(set(pairs))
        graphs.append(Graph(repository, paths, edges))
    return graphs
