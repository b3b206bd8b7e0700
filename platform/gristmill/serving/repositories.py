"""Other files of a repository for a prompt: declarations by import graph, files opened lately, then BM25.

    repositories/<bucket>.parquet   one row a file: repository, path, language, text, declarations, imports

Rows of a repository lie together, so one is read in one go when it is first asked for; the last few stay
in memory. What is given is bounded in characters, each kind by its share, and comes in an order that
changes as little as possible from keystroke to keystroke: declarations of imported files first, by path,
what was opened lately next, and what merely looks alike last, nearest to the code.
"""

from __future__ import annotations

import math
import re
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from gristmill.corpus.files import SourceFile
from gristmill.corpus.imports import import_edges
from gristmill.corpus.imports.model import Parsed
from gristmill.corpus.imports.parsing import parse
from gristmill.corpus.languages import language_of
from gristmill.errors import RequestError
from gristmill.serving.exchange import Generation

FOLDER = "repositories"
NUM_BUCKETS = 16
SCHEMA = pa.schema(
    [
        ("repository", pa.string()),
        ("path", pa.string()),
        ("language", pa.string()),
        ("text", pa.large_string()),
        ("declarations", pa.string()),
        ("imports", pa.list_(pa.string())),
    ]
)
KEPT = 8
"""Repositories in memory."""
BUDGET_CHARS = 6000
SHARES = (0.5, 0.75, 1.0)
"""Of the budget: what declarations may fill, what they and opened files may, what all may."""
CHUNK_LINES = 24
MOST_CHUNKS = 3
ABOVE_LINES, BELOW_LINES = 20, 8
"""Around the cursor: what is looked for."""
K1, B = 1.2, 0.75

_WORD = re.compile(r"[A-Za-z_]\w{2,}")


@dataclass(frozen=True)
class IndexedFile:
    """One file of a repository."""

    path: str
    language: str
    text: str
    declarations: str
    imports: tuple[str, ...]


def bucket_of(repository: str) -> int:
    """Return which bucket a repository's rows lie in."""
    return xxhash.xxh3_64_intdigest(repository.encode()) % NUM_BUCKETS


class Repositories:
    """The repositories of an index, in a local folder."""

    def __init__(self, folder: Path, budget_chars: int = BUDGET_CHARS) -> None:
        self._folder = folder
        self._budget = budget_chars
        self._kept: OrderedDict[str, RepositoryIndex] = OrderedDict()
        self._lock = Lock()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The repositories there are, by name."""
        found: set[str] = set()
        for path in sorted(self._folder.glob("*.parquet")):
            found |= set(pq.read_table(path, columns=["repository"])["repository"].to_pylist())
        return tuple(sorted(found))

    def of_url(self, url: str) -> str | None:
        """Return the repository that a git URL is of: its whole path, its last two parts, its last."""
        path = re.sub(r"(\.git)?/*$", "", re.sub(r"^[\w+.-]+://[^/]*/|^[^/]*:", "", url.strip()))
        parts = [part.lower() for part in path.split("/") if part]
        known = {name.lower(): name for name in self.names}
        ends = ("/".join(parts), "/".join(parts[-2:]), "-".join(parts[-2:]), "".join(parts[-1:]))
        return next((known[end] for end in ends if end in known), None)

    def extra(self, generation: Generation) -> tuple[tuple[str, str], ...]:
        """Return (path, text) of other files for a request. Raises RequestError."""
        assert generation.repository is not None
        index = self._index(generation.repository)
        prompt = generation.prompts[0] if generation.prompts else ""
        prefix = prompt if isinstance(prompt, str) else ""
        return index.extra(
            generation.file_path or "",
            prefix,
            generation.suffix or "",
            generation.recent,
            self._budget,
        )

    def _index(self, name: str) -> RepositoryIndex:
        with self._lock:
            found = self._kept.get(name)
            if found is None:
                found = self._kept[name] = RepositoryIndex(self._read(name))
            self._kept.move_to_end(name)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return found

    def _read(self, name: str) -> list[IndexedFile]:
        path = self._folder / f"{bucket_of(name):02d}.parquet"
        table = pq.read_table(path, filters=[("repository", "=", name)])
        if not table.num_rows:
            raise RequestError(
                f"repository '{name}' is not in this endpoint's index; leave 'repository' out, "
                "or make the corpus from it",
                param="repository",
                code="unknown_repository",
            )
        rows = table.drop_columns(["repository"]).to_pylist()
        return [IndexedFile(**{**row, "imports": tuple(row["imports"])}) for row in rows]


class RepositoryIndex:
    """One repository, in memory."""

    def __init__(self, files: Sequence[IndexedFile]) -> None:
        self.files: Mapping[str, IndexedFile] = {file.path: file for file in files}

    def extra(
        self, path: str, prefix: str, suffix: str, recent: Sequence[str], budget: int
    ) -> tuple[tuple[str, str], ...]:
        """Return (path, text) of other files, the most stable first, within `budget` characters."""
        given = _Given(budget)
        given.limit(SHARES[0])
        for imported in self.imports(path, prefix + suffix):
            given.add(imported, self.files[imported].declarations)
        given.limit(SHARES[1])
        for opened in recent:
            file = self.files.get(opened)
            if file is not None and opened != path:
                given.add(opened, file.text) or given.add(opened, file.declarations)
        given.limit(SHARES[2])
        for found, text in self._alike(path, prefix, suffix, given.paths):
            given.add(found, text)
        return tuple(given.files)

    def imports(self, path: str, text: str) -> list[str]:
        """Return the files that a text at this path imports, by path: as it is now, not as indexed."""
        known = self.files.get(path)
        language = language_of(path, text) if path else None
        found = set(known.imports if known else ())
        if language is not None:
            others = [file for file in self.files.values() if file.path != path]
            sources = [SourceFile(file.path, file.language, "") for file in others]
            parsed = {file.path: Parsed(file.language) for file in others}
            parsed[path] = parse(language, text, path)
            edges = import_edges([*sources, SourceFile(path, language, text)], parsed)
            found |= {edge.imported for edge in edges if edge.importer == path}
        return sorted(one for one in found if one in self.files and one != path)

    def _alike(
        self, path: str, prefix: str, suffix: str, without: frozenset[str]
    ) -> Iterator[tuple[str, str]]:
        """Yield the chunks whose words are most like those around the cursor, the best first."""
        above = prefix.split("\n")[-ABOVE_LINES:]
        below = suffix.split("\n")[:BELOW_LINES]
        wanted = set(_WORD.findall("\n".join([*above, *below])))
        scores: defaultdict[int, float] = defaultdict(float)
        for word in wanted:
            where = self._postings.get(word, ())
            rarity = math.log(1 + (len(self._chunks) - len(where) + 0.5) / (len(where) + 0.5))
            for chunk, times in where:
                length = self._lengths[chunk] / self._mean_length
                scores[chunk] += rarity * times * (K1 + 1) / (times + K1 * (1 - B + B * length))
        left = MOST_CHUNKS
        for chunk, _ in sorted(scores.items(), key=lambda item: (-item[1], item[0])):
            found, text = self._chunks[chunk]
            if found != path and found not in without and left:
                left -= 1
                yield found, text

    @cached_property
    def _chunks(self) -> list[tuple[str, str]]:
        chunks: list[tuple[str, str]] = []
        for file in self.files.values():
            lines = file.text.split("\n")
            for start in range(0, len(lines), CHUNK_LINES):
                text = "\n".join(lines[start : start + CHUNK_LINES])
                if text.strip():
                    chunks.append((file.path, text))
        return chunks

    @cached_property
    def _lengths(self) -> list[int]:
        return [len(_WORD.findall(text)) for _, text in self._chunks]

    @cached_property
    def _mean_length(self) -> float:
        return max(1.0, sum(self._lengths) / max(len(self._lengths), 1))

    @cached_property
    def _postings(self) -> dict[str, list[tuple[int, int]]]:
        found: dict[str, list[tuple[int, int]]] = {}
        for chunk, (_, text) in enumerate(self._chunks):
            for word, times in Counter(_WORD.findall(text)).items():
                found.setdefault(word, []).append((chunk, times))
        return found


class _Given:
    """Files chosen so far, within a budget."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._left = 0
        self._used = 0
        self.files: list[tuple[str, str]] = []

    @property
    def paths(self) -> frozenset[str]:
        return frozenset(path for path, _ in self.files)

    def limit(self, share: float) -> None:
        """Let what comes next fill the budget up to this share."""
        self._left = int(self._budget * share) - self._used

    def add(self, path: str, text: str) -> bool:
        """Take a file if it fits and has anything to say."""
        size = len(text) + len(path)
        if not text.strip() or size > self._left:
            return False
        self.files.append((path, text))
        self._left -= size
        self._used += size
        return True
