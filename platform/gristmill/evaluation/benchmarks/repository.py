"""Your own repositories: lines and blocks of a corpus's held-out files, filled in from what is around them.

The folder of data is a corpus artifact. `lines` asks for one whole line of code, `blocks` for a run of two
to eight lines of one block (all indented at least as far as the first). Every task is a file's, spread over
files by hash, so all models are asked the same; languages are scored apart, and a repository's newest
date, where the corpus knows it, parts tasks by date. Beside exact match: edit similarity, and how much
longer than the target the answer runs (`over_length`, a share of the target's length).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from gristmill.corpus.documents import read_documents
from gristmill.errors import RecipeError
from gristmill.evaluation.benchmark import Benchmark, Prompt, Task, Verdict
from gristmill.evaluation.estimates import edit_similarity, exact_match
from gristmill.evaluation.heldout import Hole, is_worth_asking, samples
from gristmill.evaluation.sandbox import Sandbox
from gristmill.storage import Storage

NUM = 400
SEED = 1234
MIN_LINES, MAX_LINES = 2, 8


def _corpus(folder: Path | None) -> Storage:
    if folder is None or not (folder / "artifact.json").exists():
        raise RecipeError(
            f"the benchmark repository reads a corpus artifact, and {folder} is none; name one of your "
            "store with --data STORE/NAME-corpus/VERSION (gristmill store ls lists them)"
        )
    return Storage.open(str(folder))


def _lines(folder: Path | None) -> Sequence[Task]:
    holes = samples(_corpus(folder), NUM, SEED, num_lines=NUM).lines
    return [_task(hole, 64, ("\n",)) for hole in holes]


def _blocks(folder: Path | None) -> Sequence[Task]:
    sources = [
        list(blocks(f"{document.repository}/{file.path}", file.language, file.header, file.text))
        for document in read_documents(_corpus(folder), "held_out")
        for file in document.files
    ]
    chosen: list[Hole] = []
    for rank in range(max((len(some) for some in sources), default=0)):
        chosen += [some[rank] for some in sources if rank < len(some)]
        if len(chosen) >= NUM:
            break
    return [_task(hole, 256, ()) for hole in chosen[:NUM]]


def blocks(key: str, language: str, header: str, text: str) -> Iterator[Hole]:
    """Yield holes over whole blocks of a file: lines below one that opens a deeper indentation."""
    lines = text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    found = []
    for first in range(1, len(lines)):
        depth = _depth(lines[first])
        if depth <= _depth(lines[first - 1]) or not is_worth_asking(lines[first]):
            continue
        last = first
        while last < len(lines) and (not lines[last].strip() or _depth(lines[last]) >= depth):
            last += 1
        while not lines[last - 1].strip():
            last -= 1
        if MIN_LINES <= last - first <= MAX_LINES:
            found.append((first, last))
    found.sort(key=lambda span: hashlib.sha256(f"{key}:{span[0]}".encode()).digest())
    for first, last in found:
        left, right = starts[first], starts[last]
        name = f"{key}:{first + 1}-{last}"
        yield Hole(name, language, header, text[:left], text[left:right], text[right:])


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip()) if line.strip() else 0


def _task(hole: Hole, room: int, stop: tuple[str, ...]) -> Task:
    prompt = Prompt(hole.prefix, hole.suffix, hole.header, stop, max_new_tokens=room)
    return Task(hole.key, prompt, hole.target, hole.language, hole.language)


def _judge(task: Task, answer: str, sandbox: Sandbox | None) -> Verdict:
    same = exact_match(answer, task.reference)
    size = max(len(task.reference.strip()), 1)
    measures = {
        "edit_similarity": edit_similarity(answer, task.reference),
        "over_length": max(0, len(answer.strip()) - size) / size,
    }
    return Verdict(same, "" if same else "another text", "" if same else "wrong", measures)


def _first_line(task: Task, raw: str) -> str:
    return raw.split("\n", 1)[0]


_KINDS: tuple[tuple[str, str, Callable[[Path | None], Sequence[Task]], Callable[[Task, str], str]], ...] = (
    ("lines", "held-out lines", _lines, _first_line),
    ("blocks", "held-out blocks", _blocks, lambda task, raw: raw),
)  # fmt: skip

BENCHMARKS = tuple(
    Benchmark(
        "repository", kind, f"Your repositories, {words}", "exact match", "match",
        f"{words} of a corpus filled in from the whole file around them, greedy, compared stripped",
        load, answer, _judge, measures=("edit_similarity", "over_length"),
    )
    for kind, words, load, answer in _KINDS
)  # fmt: skip
