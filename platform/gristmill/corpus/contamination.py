"""Decontamination (section 2.4): a file that holds a benchmark's docstring, question or solution goes.

The paper's rule: a test string of ten words or more must share no 10-gram with a file; one of three to
nine words must not occur in it exactly; shorter ones do not count. The paper does not say what a word
is: it is a run of letters, digits and `_`, for 10-grams in lower case, so that reformatting hides
nothing. Two kinds of 10-gram show nothing and are left out: one of numbers (fewer than three different
words with a letter), since `[1, 2, 3, ...]` is in every test suite; and one that `_FORMAT_TASKS` tasks
of a benchmark share, as its header of includes. Exact occurrence is of the string's visible runs,
punctuation included; it is asked only of files that hold the string's words as an n-gram.

Every file's words are hashed once; a sieve of bits answers for nearly all n-grams, a sorted array for
the rest.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gristmill.corpus.benchmark_texts import BUNDLED, Passage, passages
from gristmill.corpus.grouping import Indices, first_of_pairs, groups
from gristmill.corpus.shingles import (
    U64,
    Words,
    chain,
    lettered_words,
    num_words_of,
    words_of,
)

__all__ = ["BUNDLED", "SCHEMA", "Benchmarks", "Hit"]

GRAM_WORDS = 10
LEAST_WORDS = 3
SCHEMA = pa.schema(
    [
        ("repository", pa.string()),
        ("path", pa.string()),
        ("benchmark", pa.string()),
        ("task", pa.string()),
        ("field", pa.string()),
        ("ngram", pa.string()),
    ]
)
"""What hit what: one row a file and text of a task."""

_SIEVE_BITS = 22
_SIEVED = (3, 5, 7, 10)
_BLOCK_WORDS = 1 << 16
_LEAST_TELLING = 3
_FORMAT_TASKS = 8
_WORD = re.compile(rb"[A-Za-z0-9_\x80-\xff]+")


@dataclass(frozen=True)
class Hit:
    """A text that holds what a task says: the text's number, and the words as they stand in it."""

    text: int
    passage: Passage
    ngram: str

    def __str__(self) -> str:
        num_words = num_words_of(self.passage.text.encode())
        kind = f"a {GRAM_WORDS}-gram" if num_words >= GRAM_WORDS else "all"
        return f"{kind} of {self.passage.benchmark} {self.passage.task} {self.passage.field}"


@dataclass(frozen=True)
class _Grams:
    """The n-grams of one length, sorted, and the numbers of the passages that each is from."""

    num_words: int
    hashes: U64
    passage: Indices


def _find(benchmarks: Benchmarks, words: Words) -> Iterator[tuple[int, int, int]]:
    """Yield (text, first word, passage) of everything found, long n-grams first."""
    ends = np.cumsum(words.counts)
    found: dict[int, list[tuple[int, int, int]]] = {}
    for start in range(0, len(words.hashes), _BLOCK_WORDS):
        block = words.hashes[start : start + _BLOCK_WORDS + GRAM_WORDS - 1]
        for length, at, passage in _in_block(benchmarks, block):
            word = start + at
            text = int(np.searchsorted(ends, word, side="right"))
            if word + length <= ends[text]:  # else it reaches into the next text
                first = int(ends[text] - words.counts[text])
                found.setdefault(length, []).append((text, word - first, passage))
    for length in sorted(found, reverse=True):
        yield from found[length]


def _in_block(benchmarks: Benchmarks, block: U64) -> Iterator[tuple[int, int, int]]:
    """Yield (length, first word, passage): n-grams grow only where their beginning is known."""
    chained = block.copy()
    for length in range(2, LEAST_WORDS + 1):
        chained = chain(chained, block[length - 1 :])
    where = np.flatnonzero(_known(benchmarks.sieves[LEAST_WORDS], chained[:_BLOCK_WORDS]))
    chained = chained[where]
    for length in range(LEAST_WORDS, GRAM_WORDS + 1):
        if length > LEAST_WORDS:
            inside = where + length <= len(block)
            where, chained = where[inside], chained[inside]
            chained = chain(chained, block[where + length - 1])
        if length in benchmarks.sieves:
            known = _known(benchmarks.sieves[length], chained)
            where, chained = where[known], chained[known]
        if length in benchmarks.grams:
            for at, passage in _looked_up(benchmarks.grams[length], chained):
                yield length, int(where[at]), passage


def _known(sieve: npt.NDArray[np.bool_], hashes: U64) -> npt.NDArray[np.bool_]:
    return np.asarray(sieve[hashes & np.uint64(len(sieve) - 1)])


def _looked_up(grams: _Grams, hashes: U64) -> Iterator[tuple[int, int]]:
    first = np.searchsorted(grams.hashes, hashes, side="left")
    last = np.searchsorted(grams.hashes, hashes, side="right")
    for i in np.flatnonzero(last > first).tolist():
        for passage in grams.passage[first[i] : last[i]].tolist():
            yield i, passage


@dataclass(frozen=True)
class Benchmarks:
    """What must not occur. Build with `load`."""

    passages: tuple[Passage, ...]
    grams: Mapping[int, _Grams]
    """By number of words."""
    sieves: Mapping[int, npt.NDArray[np.bool_]]
    """By number of words: which n-grams are anywhere in the passages, with few false ones."""

    @staticmethod
    def load(names: Sequence[str]) -> Benchmarks:
        """Read bundled benchmarks by name, or JSON-lines files by path. Raises RecipeError."""
        return _load(tuple(names))

    @staticmethod
    def check(names: Sequence[str]) -> None:
        """Raise the RecipeError that `load` would, without the work of it."""
        for name in names:
            if name not in BUNDLED:
                deque(passages(name), maxlen=0)

    def find(self, texts: Sequence[str]) -> list[str]:
        """Return for each text what it holds of a benchmark first, or an empty string."""
        result = [""] * len(texts)
        for hit in self.hits(texts):
            result[hit.text] = result[hit.text] or str(hit)
        return result

    def hits(self, texts: Sequence[str]) -> list[Hit]:
        """Return all that texts hold: one hit a text and passage, by text, long passages first."""
        data = [text.encode() for text in texts]
        words = words_of(data, lower=True)
        seen: set[tuple[int, int]] = set()
        hits: list[Hit] = []
        for text, at, number in _find(self, words):
            passage = self.passages[number]
            exact = num_words_of(passage.text.encode()) < GRAM_WORDS
            if (text, number) in seen or (exact and not _occurs(passage.text, texts[text])):
                continue
            seen.add((text, number))
            ngram = passage.text if exact else _window(data[text], at, GRAM_WORDS)
            hits.append(Hit(text, passage, ngram))
        return sorted(hits, key=lambda hit: hit.text)


def hit_table(hits: Sequence[Hit], repository: Sequence[str], path: Sequence[str]) -> pa.Table:
    """Return hits as a table (`SCHEMA`), given each text's repository and path."""
    columns = {
        "repository": [repository[hit.text] for hit in hits],
        "path": [path[hit.text] for hit in hits],
        "benchmark": [hit.passage.benchmark for hit in hits],
        "task": [hit.passage.task for hit in hits],
        "field": [hit.passage.field for hit in hits],
        "ngram": [hit.ngram for hit in hits],
    }
    return pa.table(columns, schema=SCHEMA)


def _occurs(passage: str, text: str) -> bool:
    return f" {' '.join(passage.split())} " in f" {' '.join(text.split())} "


def _window(text: bytes, at: int, num_words: int) -> str:
    """Return some words of a text as they stand there, with what is between them."""
    spans = [match.span() for match in _WORD.finditer(text)]
    return text[spans[at][0] : spans[at + num_words - 1][1]].decode(errors="replace")


@lru_cache(maxsize=4)
def _load(names: tuple[str, ...]) -> Benchmarks:
    found = [passage for name in names for passage in passages(name)]
    counts = words_of([passage.text.encode() for passage in found]).counts.tolist()
    known = [one for one, num in zip(found, counts, strict=True) if num >= LEAST_WORDS]
    lengths = [min(num, GRAM_WORDS) for num in counts if num >= LEAST_WORDS]
    grams = {
        length: _grams(known, np.flatnonzero(np.array(lengths) == length), length)
        for length in set(lengths)
    }
    everything = words_of([passage.text.encode() for passage in known], lower=True)
    sieves = {length: _sieve(everything.ngrams(length, mixed=False)[0]) for length in _SIEVED}
    return Benchmarks(tuple(known), grams, sieves)


def _sieve(hashes: U64) -> npt.NDArray[np.bool_]:
    sieve = np.zeros(1 << _SIEVE_BITS, dtype=bool)
    sieve[hashes & np.uint64(len(sieve) - 1)] = True
    return sieve


def _grams(known: list[Passage], numbers: Indices, num_words: int) -> _Grams:
    data = [known[number].text.encode() for number in numbers]
    words = words_of(data, lower=True)
    hashes, offsets = words.ngrams(num_words, mixed=False)
    passage = np.repeat(numbers, np.diff(offsets))
    if num_words == GRAM_WORDS:
        tasks: dict[tuple[str, str], int] = {}
        task = np.array([tasks.setdefault((p.benchmark, p.task), len(tasks)) for p in known])
        kept = _telling(data, words) & ~_of_format(hashes, task[passage], known, passage)
        hashes, passage = hashes[kept], passage[kept]
    once = first_of_pairs(hashes, passage.astype(np.uint64))
    order = once[np.lexsort((passage[once], hashes[once]))]
    return _Grams(num_words, hashes[order], passage[order])


def _telling(texts: Sequence[bytes], words: Words) -> npt.NDArray[np.bool_]:
    """Say for each 10-gram whether it holds enough different words that have a letter."""
    lettered = lettered_words(texts)
    size = max(len(words.hashes) - GRAM_WORDS + 1, 0)
    different = np.zeros(size, dtype=np.int8)
    for i in range(GRAM_WORDS):
        new = lettered[i : i + size].copy()
        for j in range(i):
            new &= words.hashes[i : i + size] != words.hashes[j : j + size]
        different += new
    starts = np.cumsum(words.counts) - words.counts
    sizes = words.counts - GRAM_WORDS + 1
    at = np.concatenate([np.arange(a, a + n) for a, n in zip(starts, sizes, strict=True)])
    return np.asarray(different[at] >= _LEAST_TELLING)


def _of_format(
    hashes: U64, task: Indices, known: Sequence[Passage], passage: Indices
) -> npt.NDArray[np.bool_]:
    """Say for each n-gram whether many tasks of its benchmark share it."""
    result = np.zeros(len(hashes), dtype=bool)
    benchmark = np.array([known[number].benchmark for number in passage])
    for name in np.unique(benchmark):
        mine = np.flatnonzero(benchmark == name)
        once = first_of_pairs(hashes[mine], task[mine].astype(np.uint64))
        order, starts = groups(hashes[mine[once]])
        counts = np.diff(starts, append=len(order))
        common = hashes[mine[once]][order[starts[counts >= _FORMAT_TASKS]]]
        result[mine] = np.isin(hashes[mine], common)
    return result
