"""What a benchmark is: tasks, what a model is asked, what of its answer counts, and how that is scored.

A benchmark is one module in `benchmarks/` that defines `BENCHMARK`, and its data; nothing else has to
know of it. The same benchmark asked by other rules (another prompt, other stop words, other tests) gives
other numbers, so rules have names and stand beside every score: `humaneval@deepseek`. The first rules of
a benchmark are the paper's.

Scored by execution: a program is run in the sandbox. By match: the answer is compared with a text. By
likelihood: the model says which of several texts it finds most probable.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib
import json
import os
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gristmill.errors import RecipeError
from gristmill.evaluation.sandbox import Sandbox

DATA = Path(__file__).parent / "data"
FOLDER_VARIABLE = "GRISTMILL_BENCHMARKS"


@dataclass(frozen=True)
class Prompt:
    """What a model is asked. With a suffix it is asked to fill in the middle."""

    prefix: str
    suffix: str | None = None
    context: str = ""
    """What stands before everything else: cross-file context, the file's path."""
    stop: tuple[str, ...] = ()
    """Texts that end the answer early; what counts of it is the benchmark's `answer`."""
    max_new_tokens: int = 512
    chat: bool = False
    """The prefix is a message to an instruct model, not the start of a file."""
    temperature: float = 0.0
    top_p: float = 1.0
    choices: tuple[tuple[str, str], ...] = ()
    """Pairs of what is given and what follows: the answer is the likelihood of each, a JSON list."""


@dataclass(frozen=True)
class Task:
    """One question."""

    name: str
    prompt: Prompt
    reference: str
    """What a right answer looks like, in the form of an answer; "" where none is known."""
    language: str = ""
    group: str = ""
    """Part of the benchmark that is also scored alone (a language, a kind, a library)."""
    date: str = ""
    """When the task was published, where its source says so."""
    source: str = ""
    """The repository that it was made from, where there are few: each is scored alone too."""
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What the judge needs."""


@dataclass(frozen=True)
class Verdict:
    """What came of one answer."""

    passed: bool
    reason: str = ""
    kind: str = ""
    """How it failed: wrong, error, time, memory, output, ended, answer, compile, broken, missing."""
    measures: Mapping[str, float] = field(default_factory=dict)
    """Numbers beside pass or fail, such as edit similarity; and verdicts by other rules (1 or 0)."""


Judge = Callable[[Task, str, "Sandbox | None"], Verdict]


@dataclass(frozen=True)
class Benchmark:
    """One benchmark under one set of rules."""

    name: str
    rules: str
    title: str
    metric: str
    """Name of the share of passed tasks: `pass@1`, `exact match`, `accuracy`."""
    scored_by: Literal["execution", "match", "likelihood"]
    protocol: str
    """Prompt, stop rules, truncation and test, in one or two sentences."""
    load: Callable[[Path | None], Sequence[Task]] = field(repr=False)
    """Return the tasks; the argument is the user's folder of data. Raises RecipeError."""
    answer: Callable[[Task, str], str] = field(repr=False)
    """Return what of a raw answer counts."""
    judge: Judge = field(repr=False)
    exceptions: Mapping[str, str] = field(default_factory=dict)
    """Tasks whose reference is known not to pass, and why."""
    measures: tuple[str, ...] = ()
    """Names of the measures that are averaged into scores of their own."""
    missing: Callable[[], str] = field(default=str, repr=False)
    """Return what this machine lacks to judge it, or "": such a benchmark is not run, never zero."""
    warm: tuple[str, ...] = ()
    """Packages of Python that its programs import: the sandbox may have them ready."""

    @property
    def key(self) -> str:
        """The name under which scores are kept."""
        return f"{self.name}@{self.rules}"


def registry() -> dict[str, tuple[Benchmark, ...]]:
    """Return every benchmark by name, each with its rules in order, found by looking."""
    from gristmill.evaluation import benchmarks

    found: dict[str, tuple[Benchmark, ...]] = {}
    for module in sorted(pkgutil.iter_modules(benchmarks.__path__), key=lambda module: module.name):
        loaded = importlib.import_module(f"{benchmarks.__name__}.{module.name}")
        for benchmark in loaded.BENCHMARKS:
            found[benchmark.name] = (*found.get(benchmark.name, ()), benchmark)
    return found


def find(name: str) -> Benchmark:
    """Return `name` by its first rules, or `name@rules`. Raises RecipeError naming what there is."""
    known = registry()
    plain, _, rules = name.partition("@")
    if plain not in known:
        raise RecipeError(f"no benchmark '{plain}'; there are {', '.join(known)}")
    for benchmark in known[plain]:
        if rules in ("", benchmark.rules):
            return benchmark
    raise RecipeError(
        f"benchmark {plain} has no rules '{rules}'; "
        f"there are {', '.join(benchmark.rules for benchmark in known[plain])}"
    )


def records(
    file: str, folder: Path | None, where: str, *, bundled: bool = True
) -> Iterator[dict[str, Any]]:
    """Yield the records of a data file: JSON lines or one JSON list, gzipped or not.

    Looked for in the user's folder (and one level below), then among the bundled files. Raises
    RecipeError that says where the file can be had.
    """
    path = locate(file, folder, bundled=bundled)
    if path is None:
        given = given_folder(folder)
        looked = f"not in {given}" if given else "no folder of benchmark data is given"
        raise RecipeError(
            f"benchmark data {file} is not here ({looked}); get it from {where} and name its "
            f"folder with --data or {FOLDER_VARIABLE}"
        )
    data = path.read_bytes()
    text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8")
    if text.lstrip().startswith("["):
        yield from json.loads(text)
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError as error:
                raise RecipeError(f"{path} line {number} is no JSON: {error}") from error


def given_folder(folder: Path | None) -> Path | None:
    """Return the user's folder of data: the one given, else the environment's."""
    return folder or (Path(os.environ[FOLDER_VARIABLE]) if FOLDER_VARIABLE in os.environ else None)


def locate(file: str, folder: Path | None, *, bundled: bool = True) -> Path | None:
    """Return where a data file lies, with or without `.gz`, or None."""
    given = given_folder(folder)
    names = (file, f"{file}.gz")
    places = [given, *sorted(path for path in given.glob("*") if path.is_dir())] if given else []
    for place in [*places, *([DATA] if bundled else [])]:
        for name in names:
            if (place / name).is_file():
                return place / name
    return None


def cut(text: str, stops: Sequence[str]) -> str:
    """Return the text up to the first of the stop texts."""
    ends = [at for stop in stops if (at := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else text


def digest(*parts: str) -> str:
    """Return a short fingerprint of texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
