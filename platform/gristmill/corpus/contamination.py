"""Decontamination (section 2.4): a file that holds a benchmark's docstring, question or solution goes.

The paper's rule: a test string of ten words or more must share no 10-gram with a file; one of three to
nine words must not occur in it exactly; shorter ones do not count. The paper does not say what a word
is: for 10-grams it is a run of letters, digits and `_` in lower case, so that reformatting hides
nothing, and a 10-gram of numbers (fewer than three different words with a letter) shows nothing, since
`[1, 2, 3, ...]` is in every test suite; exact occurrence is of the string's visible runs, punctuation
included.
"""

from __future__ import annotations

import ast
import gzip
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gristmill.corpus.shingles import U64, Words, ngrams, num_words_of, words_of
from gristmill.errors import RecipeError

GRAM_WORDS = 10
LEAST_WORDS = 3
BUNDLED = {
    "humaneval": ("prompt", "canonical_solution"),
    "mbpp": ("text", "code"),
    "gsm8k": ("question", "answer"),
    "math": ("problem", "solution"),
}
"""Bundled benchmarks and the fields of a record that must not be in a corpus."""

_SIEVE_BITS = 22
_CALCULATION = re.compile(r"<<[^>]*>>")  # GSM8K's annotations, which no copy elsewhere has
_WORD = re.compile(rb"[A-Za-z0-9_\x80-\xff]+")
_LEAST_TELLING = 3
_DOCSTRING = re.compile(r'("""|\'\'\')(.*?)\1', re.S)


@dataclass(frozen=True)
class _Grams:
    """The hashes of one length, sorted, and the test string that each is from."""

    num_words: int
    whitespace: bool
    hashes: U64
    origin: npt.NDArray[np.int64]
    sieve: npt.NDArray[np.bool_]

    def first_hits(self, words: Words) -> list[int | None]:
        """Return for each text the number of the first test string found in it, or None."""
        found, offsets = words.ngrams(self.num_words)
        maybe = np.flatnonzero(self.sieve[found & np.uint64(len(self.sieve) - 1)])
        at = np.minimum(np.searchsorted(self.hashes, found[maybe]), len(self.hashes) - 1)
        hit = self.hashes[at] == found[maybe]
        where, origin = maybe[hit], self.origin[at[hit]]
        owner = np.searchsorted(offsets, where, side="right") - 1
        result: list[int | None] = [None] * len(words.counts)
        for text, source in zip(owner[::-1].tolist(), origin[::-1].tolist(), strict=True):
            result[text] = source
        return result


@dataclass(frozen=True)
class Benchmarks:
    """What must not occur. Build with `load`."""

    labels: tuple[str, ...]
    """By test string: `humaneval 12 canonical_solution`."""
    grams: tuple[_Grams, ...]

    @staticmethod
    def load(names: Sequence[str]) -> Benchmarks:
        """Read bundled benchmarks by name, or JSON-lines files by path. Raises RecipeError."""
        return _load(tuple(names))

    def find(self, texts: Sequence[str]) -> list[str]:
        """Return for each text what it holds of a benchmark, or an empty string."""
        data = [text.encode() for text in texts]
        result = [""] * len(data)
        words = {
            whitespace: words_of(data, lower=not whitespace, whitespace=whitespace)
            for whitespace in {grams.whitespace for grams in self.grams}
        }
        for grams in self.grams:
            for i, source in enumerate(grams.first_hits(words[grams.whitespace])):
                if source is not None and not result[i]:
                    kind = "all" if grams.whitespace else f"a {GRAM_WORDS}-gram"
                    result[i] = f"{kind} of {self.labels[source]}"
        return result


@lru_cache(maxsize=4)
def _load(names: tuple[str, ...]) -> Benchmarks:
    labels: list[str] = []
    long: list[tuple[int, bytes]] = []
    short: dict[int, list[tuple[int, bytes]]] = {}
    for name in names:
        for label, text in _strings(name):
            data = text.encode()
            num_words = num_words_of(data)
            if num_words < LEAST_WORDS:
                continue
            labels.append(label)
            if num_words >= GRAM_WORDS:
                long.append((len(labels) - 1, data))
            else:
                runs = num_words_of(data, whitespace=True)
                short.setdefault(runs, []).append((len(labels) - 1, data))
    grams = [_grams(long, GRAM_WORDS, whitespace=False)] if long else []
    grams += [_grams(short[runs], runs, whitespace=True) for runs in sorted(short)]
    return Benchmarks(tuple(labels), tuple(grams))


def _grams(strings: list[tuple[int, bytes]], num_words: int, *, whitespace: bool) -> _Grams:
    hashes, offsets = ngrams(
        [data for _, data in strings], num_words, lower=not whitespace, whitespace=whitespace
    )
    origin = np.repeat(np.array([number for number, _ in strings]), np.diff(offsets))
    if not whitespace:
        telling = np.concatenate([_telling(data, num_words) for _, data in strings])
        hashes, origin = hashes[telling], origin[telling]
    hashes, first = np.unique(hashes, return_index=True)
    sieve = np.zeros(1 << _SIEVE_BITS, dtype=bool)
    sieve[hashes & np.uint64(len(sieve) - 1)] = True
    return _Grams(num_words, whitespace, hashes, origin[first], sieve)


def _telling(text: bytes, num_words: int) -> npt.NDArray[np.bool_]:
    """Say for each n-gram of a text whether it holds enough different words that have a letter."""
    words = [word.lower() for word in _WORD.findall(text)]
    return np.array(
        [
            len({word for word in words[i : i + num_words] if not word.isdigit()}) >= _LEAST_TELLING
            for i in range(len(words) - num_words + 1)
        ],
        dtype=bool,
    )


def _strings(name: str) -> Iterator[tuple[str, str]]:
    for number, record in enumerate(_records(name)):
        fields = BUNDLED.get(name) or tuple(
            key for key, value in record.items() if isinstance(value, str)
        )
        for field in fields:
            text = _CALCULATION.sub("", str(record.get(field, "")))
            if (name, field) == ("humaneval", "prompt"):
                text = _docstring(text)
            yield f"{Path(name).name} {number} {field}", text


def _docstring(prompt: str) -> str:
    try:
        functions = [node for node in ast.parse(prompt).body if isinstance(node, ast.FunctionDef)]
        return ast.get_docstring(functions[-1]) or ""
    except (SyntaxError, IndexError):
        found = _DOCSTRING.findall(prompt)
        return found[-1][1] if found else ""


def _records(name: str) -> Iterator[dict[str, Any]]:
    if name in BUNDLED:
        data = (
            resources.files("gristmill.evaluation").joinpath(f"data/{name}.jsonl.gz").read_bytes()
        )
    else:
        try:
            data = Path(name).read_bytes()
        except OSError as error:
            known = ", ".join(BUNDLED)
            raise RecipeError(
                f"corpus.decontaminate: '{name}' is no bundled benchmark ({known}) "
                f"and no readable file: {error.strerror}"
            ) from error
    number = 0
    try:
        text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        for line in text.decode("utf-8-sig").split("\n"):
            number += 1
            if line.strip():
                record = json.loads(line)
                if not isinstance(record, dict):
                    raise ValueError(f"{type(record).__name__} where an object is wanted")
                yield record
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise RecipeError(
            f"corpus.decontaminate: {name} is no JSON-lines file, see line {number}: {error}"
        ) from error
