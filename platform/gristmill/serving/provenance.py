"""Does an answer repeat the training corpus word for word, and whose text is it?

Texts are read as words and signs (`\\w+` or one other sign), blanks left out, so that another indentation
hides nothing. The index keeps hashes of runs of `GRAM` of them. Of every `WINDOW` neighbouring runs at
least one is kept (winnowing: the smallest hash), so any text of `GRAM + WINDOW - 1` words or more that
stands in the corpus is found. Kept hashes that follow each other in an answer and in one file of the
corpus, no further apart than `WINDOW`, overlap: what they cover together is the same in both, word for
word, and its length is the least that is sure. A hash keeps `MOST_FILES` files, the first ones.

    provenance/files.parquet            one row a file: repository, revision, licence, path
    provenance/<shard>.{hashes,places}.npy   sorted hashes; file and position of each, by the hash's top bits

Only the train split is indexed. Hashes are of 64 bits: a chance match of one run among 10**9 kept ones
has odds of 5 in 10**11, and a report needs several in a row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from gristmill.corpus.documents import Document
from gristmill.serving.exchange import Source

GRAM = 16
WINDOW = 8
MOST_FILES = 8
SHARD_BITS = 4
NUM_SHARDS = 1 << SHARD_BITS
FOLDER = "provenance"
FILES = "files.parquet"
MOST_SOURCES = 4
CHECK_EVERY = 8
"""New words after which an answer that is being written is looked up again."""

U64 = NDArray[np.uint64]
U32 = NDArray[np.uint32]
_WORD = re.compile(r"\w+|[^\w\s]")
_BASE = np.uint64(0x9E3779B97F4A7C15)
_INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 1 << 64))
FILE_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("repository", "revision", "licence", "path")]
)


@dataclass(frozen=True)
class Grams:
    """Kept hashes of some files: where each stands, by file and position."""

    hashes: U64
    files: U32
    positions: U32

    @staticmethod
    def join(parts: Sequence[Grams], first_files: Sequence[int]) -> Grams:
        """Put parts together, sorted; the files of part i are counted from `first_files[i]`."""
        hashes = np.concatenate([part.hashes for part in parts])
        files = np.concatenate(
            [part.files + np.uint32(first) for part, first in zip(parts, first_files, strict=True)]
        )
        positions = np.concatenate([part.positions for part in parts])
        order = np.lexsort((positions, files, hashes))
        hashes, files, positions = hashes[order], files[order], positions[order]
        starts = np.flatnonzero(np.r_[True, hashes[1:] != hashes[:-1]]) if len(hashes) else order
        rank = np.arange(len(hashes)) - np.repeat(starts, np.diff(np.r_[starts, len(hashes)]))
        kept = rank < MOST_FILES
        return Grams(hashes[kept], files[kept], positions[kept])

    def shard(self, number: int) -> Grams:
        """Return the hashes of one shard."""
        mine = (self.hashes >> np.uint64(64 - SHARD_BITS)) == number
        return Grams(self.hashes[mine], self.files[mine], self.positions[mine])


def words_of(text: str) -> list[tuple[int, int]]:
    """Return where each word begins and ends."""
    return [match.span() for match in _WORD.finditer(text)]


def gram_hashes(words: Iterable[str]) -> U64:
    """Return the hash of every run of `GRAM` words, in order."""
    known: dict[str, int] = {}
    ids = []
    for word in words:
        value = known.get(word)
        if value is None:
            value = known[word] = xxhash.xxh3_64_intdigest(word.encode())
        ids.append(value)
    if len(ids) < GRAM:
        return np.zeros(0, np.uint64)
    values = np.array(ids, np.uint64)
    powers = np.cumprod(np.full(len(values), _BASE, np.uint64))
    sums = np.r_[np.uint64(0), np.cumsum(values * powers)]
    inverses = np.cumprod(np.full(len(values), _INVERSE, np.uint64))
    return _mixed((sums[GRAM:] - sums[:-GRAM]) * inverses[: len(values) - GRAM + 1])


def winnowed(hashes: U64) -> NDArray[np.int64]:
    """Return the positions that are kept: in every `WINDOW` neighbours one at least."""
    if len(hashes) <= WINDOW:
        return np.array([int(hashes.argmin())] if len(hashes) else [], np.int64)
    windows = sliding_window_view(hashes, WINDOW)
    return np.unique(windows.argmin(axis=1) + np.arange(len(windows)))


def grams_of(documents: Iterable[Document]) -> tuple[Grams, pa.Table]:
    """Return the kept hashes of documents' files, counted from 0, and the files' table."""
    rows: list[dict[str, str]] = []
    hashes, files, positions = [], [], []
    for document in documents:
        for file in document.files:
            found = gram_hashes(_WORD.findall(file.text))
            kept = winnowed(found)
            hashes.append(found[kept])
            files.append(np.full(len(kept), len(rows), np.uint32))
            positions.append(kept.astype(np.uint32))
            rows.append(
                {
                    "repository": document.repository,
                    "revision": document.revision,
                    "licence": document.licence,
                    "path": file.path,
                }
            )
    empty = Grams(np.zeros(0, np.uint64), np.zeros(0, np.uint32), np.zeros(0, np.uint32))
    if hashes:
        empty = Grams(np.concatenate(hashes), np.concatenate(files), np.concatenate(positions))
    return empty, pa.Table.from_pylist(rows, FILE_SCHEMA)


class Index:
    """The index of a corpus, in a local folder; hashes stay on disk and are mapped."""

    def __init__(self, folder: Path) -> None:
        self._files = pq.read_table(folder / FILES)
        self._hashes = [_mapped(folder, shard, "hashes") for shard in range(NUM_SHARDS)]
        self._places = [_mapped(folder, shard, "places") for shard in range(NUM_SHARDS)]

    def find(self, text: str, min_words: int) -> list[Source]:
        """Return where runs of at least `min_words` words of a text stand, the longest first."""
        spans = words_of(text)
        runs = self._runs(gram_hashes(text[start:end] for start, end in spans))
        long = [run for run in runs if run[2] + GRAM - run[1] >= min_words]
        long.sort(key=lambda run: (run[1] - run[2], run[0]))
        found: list[Source] = []
        repositories: dict[tuple[int, int], set[str]] = {}
        for file, first, last in long:
            row = self._files.slice(file, 1).to_pylist()[0]
            repositories.setdefault((first, last), set()).add(row["repository"])
            if any(one.repository == row["repository"] for one in found):
                continue
            num_words = last + GRAM - first
            start, end = spans[first][0], spans[last + GRAM - 1][1]
            found.append(Source(**row, num_words=num_words, start=start, end=end))
        num = len({name for names in repositories.values() for name in names})
        return [Source(**{**vars(one), "num_repositories": num}) for one in found[:MOST_SOURCES]]

    def _runs(self, hashes: U64) -> list[tuple[int, int, int]]:
        """Return (file, first gram, last gram) of every run that the text shares with a file."""
        open_runs: dict[tuple[int, int], list[int]] = {}
        done: list[tuple[int, int, int]] = []
        for at, file, position in self._hits(hashes):
            key = (file, position - at)
            run = open_runs.get(key)
            if run is None or at - run[1] > WINDOW:
                if run is not None:
                    done.append((file, run[0], run[1]))
                open_runs[key] = [at, at]
            else:
                run[1] = at
        return done + [(file, run[0], run[1]) for (file, _), run in open_runs.items()]

    def _hits(self, hashes: U64) -> Iterable[tuple[int, int, int]]:
        shards = (hashes >> np.uint64(64 - SHARD_BITS)).astype(np.int64)
        for at, (value, shard) in enumerate(zip(hashes, shards, strict=True)):
            known = self._hashes[shard]
            start = int(np.searchsorted(known, value))
            while start < len(known) and known[start] == value:
                file, position = self._places[shard][start]
                yield at, int(file), int(position)
                start += 1


@dataclass(frozen=True)
class Watcher:
    """What is looked for in every answer."""

    index: Index
    min_words: int
    block: bool = False
    """End an answer before it repeats so much; else it is only told."""

    def watch(self) -> Watch:
        """Return a watch over one answer."""
        return Watch(self)


class Watch:
    """One answer under watch. `push` its text; what comes back may be shown."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._text = ""
        self._num_shown = 0
        self._num_checked = 0
        self._found: list[Source] = []
        self.blocked = False

    def push(self, text: str, *, last: bool = False) -> str:
        """Add text; return what may be shown now. When it is blocked, nothing comes after."""
        self._text += text
        if not self._watcher.block and not last:
            return text
        num_words = len(words_of(self._text)) if last or len(text) else self._num_checked
        if last or num_words - self._num_checked >= CHECK_EVERY:
            self._num_checked = num_words
            self._found = self._watcher.index.find(self._text, self._watcher.min_words)
            if self._watcher.block and self._found:
                self.blocked = True
                return ""
            shown, self._num_shown = self._text[self._num_shown :], len(self._text)
            return shown if self._watcher.block else text
        return ""

    def sources(self) -> tuple[Source, ...]:
        """Return what was found."""
        return tuple(self._found)


def _mapped(folder: Path, shard: int, what: str) -> NDArray[np.uint64]:
    found: NDArray[np.uint64] = np.load(folder / f"{shard:02d}.{what}.npy", mmap_mode="r")
    return found


def _mixed(values: U64) -> U64:
    """Spread a hash's bits (the end of splitmix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
