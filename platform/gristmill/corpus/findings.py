"""What the report says beyond counts: copies, redactions, benchmark hits, and orders side by side.

Read from the artifact's own tables, at most `MOST_PARTS` parts of each kind, so that the page of a large
corpus costs no more than that of a small one.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from gristmill.corpus.imports import Edge
from gristmill.corpus.order import Order, order, violations
from gristmill.corpus.parts import read_table
from gristmill.corpus.windows import BYTES_PER_TOKEN, Visibility, cut, visible
from gristmill.storage import Storage

WAYS: tuple[Order, ...] = ("scc", "paper", "path", "random")
MOST_PARTS = 32
_MOST_CLUSTERS = 8
_MOST_COPIES = 6
_MOST_HITS = 12
_MOST_OF_TASK = 3
_MOST_ORDERED = 10
_LEAST_EDGES = 12
_MOST_EDGES = 20_000


@dataclass(frozen=True)
class Cluster:
    """Files that are copies of one another."""

    num_files: int
    survivor: str
    """`repository: path` of the file that stays; empty where none is among those read."""
    others: tuple[tuple[str, float], ...]
    """Some of those that go, with their likeness to the survivor."""


@dataclass(frozen=True)
class Redacted:
    """Values that one rule took out."""

    kind: str
    rule: str
    num_spans: int
    num_files: int


@dataclass(frozen=True)
class Contaminated:
    """A file that holds what a benchmark's task says."""

    file: str
    task: str
    """Benchmark, task and field."""
    words: str


@dataclass(frozen=True)
class Ordered:
    """What each way of ordering one repository leaves of its imports."""

    repository: str
    num_files: int
    num_edges: int
    num_broken: Mapping[Order, int]
    seen: Mapping[Order, Visibility]


@dataclass(frozen=True)
class Findings:
    """What was found in the tables of an artifact."""

    num_clusters: int = 0
    cluster_sizes: Mapping[int, int] = field(default_factory=dict)
    """Clusters by number of files."""
    clusters: tuple[Cluster, ...] = ()
    """The largest."""
    redacted: tuple[Redacted, ...] = ()
    num_hits: Mapping[str, int] = field(default_factory=dict)
    """Hits by benchmark."""
    hits: tuple[Contaminated, ...] = ()
    orders: tuple[Ordered, ...] = ()


def find(storage: Storage, window_tokens: int | None) -> Findings:
    """Read what the report shows of an artifact at `storage`."""
    sizes, clusters = _clusters(storage)
    num_hits, hits = _hits(storage)
    return Findings(
        num_clusters=sizes.total(),
        cluster_sizes=sizes,
        clusters=clusters,
        redacted=_redacted(storage),
        num_hits=num_hits,
        hits=hits,
        orders=tuple(_orders(storage, window_tokens)),
    )


def _tables(
    storage: Storage, kind: str, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    for path in sorted(storage.list(kind))[:MOST_PARTS]:
        yield read_table(storage, path, columns)


def _clusters(storage: Storage) -> tuple[Counter[int], tuple[Cluster, ...]]:
    members: dict[int, list[tuple[bool, float, str]]] = defaultdict(list)
    for table in _tables(storage, "clusters"):
        for row in table.to_pylist():
            name = f"{row['repository']}: {row['path']}"
            members[row["cluster"]].append((row["survivor"], row["similarity"], name))
    found = []
    for key, rows in members.items():
        stays = min((name for survives, _, name in rows if survives), default="")
        gone = sorted((-likeness, name) for survives, likeness, name in rows if not survives)
        others = tuple((name, -likeness) for likeness, name in gone[:_MOST_COPIES])
        found.append((-len(rows), stays, key, Cluster(len(rows), stays, others)))
    found.sort(key=lambda item: item[:3])
    sizes = Counter(len(rows) for rows in members.values())
    return sizes, tuple(cluster for *_, cluster in found[:_MOST_CLUSTERS])


def _redacted(storage: Storage) -> tuple[Redacted, ...]:
    spans: Counter[tuple[str, str]] = Counter()
    files: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    for table in _tables(storage, "redactions", ["repository", "path", "kind", "rule"]):
        for row in table.to_pylist():
            key = row["kind"], row["rule"]
            spans[key] += 1
            files[key].add((row["repository"], row["path"]))
    rows = [Redacted(*key, number, len(files[key])) for key, number in spans.items()]
    return tuple(sorted(rows, key=lambda row: (-row.num_spans, row.kind, row.rule)))


def _hits(storage: Storage) -> tuple[Counter[str], tuple[Contaminated, ...]]:
    counts: Counter[str] = Counter()
    by_file: dict[str, Contaminated] = {}
    for table in _tables(storage, "contamination"):
        for row in table.to_pylist():
            counts[row["benchmark"]] += 1
            file = f"{row['repository']}: {row['path']}"
            task = f"{row['benchmark']} {row['task']} {row['field']}"
            by_file.setdefault(file, Contaminated(file, task, row["ngram"]))
    shown: list[Contaminated] = []
    of_task: Counter[str] = Counter()
    for name in sorted(by_file):
        task = by_file[name].task
        if of_task[task] < _MOST_OF_TASK:
            of_task[task] += 1
            shown.append(by_file[name])
    return counts, tuple(shown[:_MOST_HITS])


def _orders(storage: Storage, window_tokens: int | None) -> Iterator[Ordered]:
    """Yield every way's figures for the repositories with the most edges, by name."""
    edges: dict[str, list[Edge]] = defaultdict(list)
    sizes: dict[str, dict[str, int]] = defaultdict(dict)
    for table in _tables(storage, "edges"):
        for row in table.to_pylist():
            repository = row.pop("repository")
            edges[repository].append(Edge(**row))
    names = ["repository", "path", "num_bytes", "split"]
    for table in _tables(storage, "files", names):
        for row in table.to_pylist():
            if row["split"] == "train":
                sizes[row["repository"]][row["path"]] = row["num_bytes"]
    fitting = [name for name in edges if _LEAST_EDGES <= len(edges[name]) <= _MOST_EDGES]
    fitting.sort(key=lambda name: (-len(edges[name]), name))
    for name in sorted(fitting[:_MOST_ORDERED]):
        yield _ordered(name, sizes[name], edges[name], window_tokens)


def _ordered(
    repository: str, sizes: Mapping[str, int], edges: Sequence[Edge], window_tokens: int | None
) -> Ordered:
    broken: dict[Order, int] = {}
    seen: dict[Order, Visibility] = {}
    num_edges = 0
    window = window_tokens or 1 << 60
    for way in WAYS:
        components = order(sizes, edges, way, 0, repository)
        found = violations(components, edges)
        num_edges, broken[way] = found.num_edges, found.num_broken
        documents = [
            [(path, sizes[path]) for path in part]
            for whole in components
            for part in cut(
                [(path, sizes[path]) for path in whole], edges, int(window * BYTES_PER_TOKEN)
            )
        ]
        seen[way] = visible(documents, edges, window)
    return Ordered(repository, len(sizes), num_edges, broken, seen)
