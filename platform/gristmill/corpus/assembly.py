"""The files of a repository -> its documents, import edges and rejects.

Edges are resolved over every source file that was parsed, the left-out ones among them, so that the
graph is the repository's; order and components are those of the files that stay. A held-out file is a
document of its own when the split is by file; otherwise held-out repositories are made like others.

A part that is there (an interrupted attempt's) or that an older artifact made from the same rows is not
made again: its key is everything that it depends on.
"""

import hashlib
import json
import pickle
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gristmill.artifacts import SourceIdentity
from gristmill.corpus import documents
from gristmill.corpus.config import CorpusSection
from gristmill.corpus.contamination import SCHEMA as CONTAMINATION
from gristmill.corpus.domains import is_code
from gristmill.corpus.files import SourceFile
from gristmill.corpus.imports import LANGUAGES, Edge, Parsed, edge_row, import_edges
from gristmill.corpus.languages import comment_line
from gristmill.corpus.order import order, violations
from gristmill.corpus.parts import (
    EDGES,
    FILES,
    REJECTS,
    WORK,
    Part,
    TableWriter,
    part_path,
    piece_path,
    plan_path,
    read_table,
)
from gristmill.corpus.redaction import SCHEMA as REDACTIONS
from gristmill.corpus.texts import Texts
from gristmill.corpus.windows import BYTES_PER_TOKEN, Sized, cut, visible
from gristmill.errors import StoreError
from gristmill.storage import Storage

KINDS = {
    "documents": documents.SCHEMA,
    "edges": EDGES,
    "rejects": REJECTS,
    "files": FILES,
    "redactions": REDACTIONS,
    "contamination": CONTAMINATION,
}
"""The tables of a part."""
Counts = list[dict[str, Any]]


@dataclass(frozen=True)
class Origin:
    """What a document says of its repository."""

    identity: SourceIdentity
    domain: str
    kind: str


@dataclass(frozen=True)
class Older:
    """A part that an artifact in the store has."""

    url: str
    number: int
    counts: Counts


@dataclass(frozen=True)
class Making:
    """What every part of one corpus is made with."""

    section: CorpusSection
    seed: int
    piece_keys: Mapping[int, str]
    """By piece: what tells its table from any other."""
    code: str = ""
    """Hash of the code that makes parts."""
    older: Mapping[str, Older] = field(default_factory=dict)
    """By key of a part."""


@dataclass(frozen=True)
class Written:
    """A part that is there now."""

    number: int
    key: str
    counts: Counts
    """One row a repository."""
    made: bool
    """False when it was kept or copied."""


@dataclass
class _Repository:
    """One repository's rows: the plan's joined with its pieces'; `text` is the number in `texts`."""

    name: str
    rows: list[dict[str, Any]]
    texts: Texts

    def text(self, row: Mapping[str, Any]) -> bytes:
        return self.texts.read(row["text"])

    def edges(self) -> list[Edge]:
        """Return the import edges between its parsed or staying files."""
        files, parsed, configs = [], {}, {}
        for row in self.rows:
            path, language = row["path"], row["language"]
            if row["config"]:
                configs[path] = self.text(row).decode()
            known: Parsed | None = pickle.loads(row["parsed"]) if row["parsed"] else None
            if known is not None:
                parsed[path] = known
                files.append(SourceFile(path, language, ""))
            elif row["split"]:
                text = self.text(row).decode() if language in LANGUAGES else ""
                files.append(SourceFile(path, language, text))
        return import_edges(files, parsed, configs)

    def all_of(self, column: str, *, kept: bool) -> Iterator[dict[str, Any]]:
        """Yield the items of a column of lists, of files that stay or of those that go."""
        for row in self.rows:
            for item in (row[column] or ()) if bool(row["split"]) is kept else ():
                yield {"repository": self.name, "path": row["path"], **item}


def write_part(
    storage: Storage, part: Part, origins: Mapping[str, Origin], making: Making
) -> Written:
    """Leave a part's tables in `storage`: kept, copied or made."""
    plan = _plan(storage, part)
    key = part_key(plan, part, origins, making)
    marker = f"{WORK}/part-{part.number:05d}.json"
    if storage.exists(marker):
        told = json.loads(storage.read_bytes(marker))
        if told["key"] == key:
            return Written(part.number, key, told["counts"], made=False)
    older = making.older.get(key)
    copied = older is not None and _copied(storage, part.number, older)
    if older is not None and copied:
        counts = older.counts
    else:
        counts = _made(storage, part, plan, origins, making)
    storage.write_bytes(marker, json.dumps({"key": key, "counts": counts}).encode())
    return Written(part.number, key, counts, made=not copied)


def part_key(plan: pa.Table, part: Part, origins: Mapping[str, Origin], making: Making) -> str:
    """Return the hash of everything that the part's bytes depend on."""
    section = making.section
    rows = plan.to_pylist()
    for row in rows:
        row["piece"] = making.piece_keys[row["piece"]]
    values = {
        "code": making.code,
        "order": section.order,
        "window": section.window_tokens,
        "path_comment": section.path_comment,
        "held_out": section.held_out.by,
        "seed": making.seed if section.order == "random" else None,
        "origins": [
            (name, origins[name].identity.model_dump(), origins[name].domain, origins[name].kind)
            for name in part.repositories
        ],
        "plan": rows,
    }
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _plan(storage: Storage, part: Part) -> pa.Table:
    tables = [
        read_table(storage, plan_path(batch), repositories=part.repositories)
        for batch in part.batches
    ]
    up = "ascending"
    plan = pa.concat_tables(tables)
    return plan.sort_by([("repository", up), ("path", up), ("piece", up)]).combine_chunks()


def _copied(storage: Storage, number: int, older: Older) -> bool:
    """Copy a part of an older artifact; say whether it was still there."""
    source = Storage.open(older.url)
    try:
        for kind in KINDS:
            data = source.read_bytes(part_path(kind, older.number))
            storage.write_bytes(part_path(kind, number), data)
    except StoreError:
        return False
    return True


def _made(
    storage: Storage,
    part: Part,
    plan: pa.Table,
    origins: Mapping[str, Origin],
    making: Making,
) -> Counts:
    counts = []

    def table(kind: str) -> TableWriter:
        return TableWriter(storage, part_path(kind, part.number), KINDS[kind])

    with (
        table("documents") as made,
        table("edges") as edge_table,
        table("rejects") as rejects,
        table("files") as files,
        table("redactions") as redactions,
        table("contamination") as contamination,
    ):
        for repository in _repositories(storage, plan):
            with repository.texts:
                edges = repository.edges()
                edge_table.add(edge_row(repository.name, edge) for edge in edges)
                files.add({name: row[name] for name in FILES.names} for row in repository.rows)
                redactions.add(repository.all_of("spans", kept=True))
                contamination.add(repository.all_of("hits", kept=False))
                gone = [row for row in repository.rows if row["reason"]]
                rejects.add({name: row[name] for name in REJECTS.names} for row in gone)
                ordered: list[list[Sized]] = []
                num_bytes = 0
                origin = origins[repository.name]
                for document in _documents(repository, edges, origin, making):
                    made.add([document], document["num_bytes"])
                    ordered.append(
                        [(file["path"], len(file["text"])) for file in document["files"]]
                    )
                    num_bytes += document["num_bytes"]
            broken = violations([[path for path, _ in files] for files in ordered], edges)
            seen = visible(ordered, edges, making.section.window_tokens or 1 << 60)
            counts.append(
                {
                    "repository": repository.name,
                    "num_documents": len(ordered),
                    "num_edges": len(edges),
                    "num_ordered_edges": broken.num_edges,
                    "num_broken_edges": broken.num_broken,
                    "num_importers": seen.num_importers,
                    "sum_of_visible_shares": seen.sum_of_shares,
                    "bytes_kept": num_bytes,
                }
            )
    return counts


def _repositories(storage: Storage, plan: pa.Table) -> Iterator[_Repository]:
    """Yield the plan's repositories with their texts, one after the other."""
    runs = pc.run_end_encode(plan["repository"].combine_chunks())
    start = 0
    for name, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
        yield _joined(storage, name, plan.slice(start, end - start))
        start = end


def _joined(storage: Storage, name: str, plan: pa.Table) -> _Repository:
    """Read the rows of a repository from its pieces' tables, one table in memory at a time."""
    texts = Texts()
    found: dict[tuple[int, str], dict[str, Any]] = {}
    columns = ["repository", "path", "config", "parsed", "role", "signals", "loss_per_byte"]
    columns += ["spans", "hits", "text"]
    for piece in sorted(plan["piece"].unique().to_pylist()):
        table = read_table(storage, piece_path(piece), columns, [name])
        numbers = texts.add(table["text"])
        rows = table.drop_columns(["repository", "text"]).to_pylist()
        for number, row in zip(numbers, rows, strict=True):
            found.setdefault((piece, row["path"]), row | {"text": number})
    rows = [row | found[row["piece"], row["path"]] for row in plan.to_pylist()]
    return _Repository(name, rows, texts)


def _documents(
    repository: _Repository, edges: Sequence[Edge], origin: Origin, making: Making
) -> Iterator[dict[str, Any]]:
    section = making.section
    by_path = {row["path"]: row for row in repository.rows if row["split"]}
    for split in ("train", "held_out"):
        paths = [path for path, row in by_path.items() if row["split"] == split]
        alone = split == "held_out" and section.held_out.by == "file"
        if alone or section.order == "single":
            components = [[path] for path in sorted(paths)]
        else:
            components = order(paths, edges, section.order, making.seed, repository.name)
        for chosen in _fitting(repository, components, by_path, edges, section.window_tokens):
            rows = [by_path[path] for path in chosen]
            headed = section.path_comment and is_code(origin.domain)
            yield _document(repository, rows, split, origin, headed)


def _fitting(
    repository: _Repository,
    components: Sequence[Sequence[str]],
    by_path: Mapping[str, Mapping[str, Any]],
    edges: Sequence[Edge],
    window_tokens: int | None,
) -> Iterator[Sequence[str]]:
    """Yield the components, those beyond the window in parts that fit as far as files do."""
    limit = inf if window_tokens is None else window_tokens * BYTES_PER_TOKEN
    sized = [
        [(path, repository.texts.size(by_path[path]["text"])) for path in component]
        for component in components
    ]
    too_long = [sum(size for _, size in files) > limit for files in sized]
    place = {
        path: number
        for number, component in enumerate(components)
        for path in (component if too_long[number] else ())
    }
    inside: dict[int, list[Edge]] = {}
    for edge in edges:
        if edge.importer in place and place[edge.importer] == place.get(edge.imported):
            inside.setdefault(place[edge.importer], []).append(edge)
    for number, component in enumerate(components):
        if too_long[number]:
            yield from cut(sized[number], inside.get(number, ()), int(limit))
        else:
            yield component


def _document(
    repository: _Repository,
    rows: Sequence[Mapping[str, Any]],
    split: str,
    origin: Origin,
    path_comment: bool,
) -> dict[str, Any]:
    identity = origin.identity
    digest = hashlib.sha256(f"{repository.name}\0{identity.revision}".encode())
    sizes: Counter[str] = Counter()
    files = []
    for row in rows:
        path, language, text = row["path"], row["language"], repository.text(row)
        digest.update(f"\0{path}\0".encode("utf-8", "surrogateescape"))
        digest.update(text)
        sizes[language] += len(text)
        header = comment_line(language, path) if path_comment else ""
        files.append({"path": path, "language": language, "header": header, "text": text})
    licences = sorted({row["licence"] for row in rows})
    return {
        "document": digest.hexdigest(),
        "repository": repository.name,
        "revision": identity.revision,
        "licence": licences[0] if len(licences) == 1 else " AND ".join(f"({x})" for x in licences),
        "domain": origin.domain,
        "split": split,
        "language": min(sizes, key=lambda name: (-sizes[name], name)),
        "num_bytes": sum(sizes.values()),
        "files": files,
    }
