"""Your own repositories: lines, blocks and calls of a corpus's held-out files, filled in from what is around.

The folder of data is a corpus artifact. `lines` asks for one whole line of code, `blocks` for a run of two
to eight lines of one block (all indented at least as far as the first), `calls` for the rest of a line from the name
of a function or class that another file of the same document defines (CrossCodeEval's question), and
`calls-given` for the same with the first lines of that definition before the file: what a repository's
context is worth. Every task is a file's, spread over files by hash, so all models are asked the same. Languages
and repositories are scored apart, and the date of a repository's revision, where the corpus knows it, parts tasks:
give the corpus that a model was trained on with `--corpus`, or a date with `--newest`. Beside exact match: edit similarity, and how much
longer than the target the answer runs (`over_length`, a share of the target's length).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from gristmill.corpus.documents import Document, read_documents
from gristmill.errors import RecipeError
from gristmill.evaluation.benchmark import Benchmark, Prompt, Task, Verdict
from gristmill.evaluation.estimates import edit_similarity, exact_match
from gristmill.evaluation.heldout import Hole, is_worth_asking, samples
from gristmill.evaluation.sandbox import Sandbox
from gristmill.evaluation.task_hits import dates
from gristmill.storage import Storage

NUM = 400
SEED = 1234
MIN_LINES, MAX_LINES = 2, 8
GIVEN_LINES = 12
"""Of a definition in another file."""
_DEFINED = re.compile(
    r"^[ \t]*(?:(?:export|default|pub|public|static|async|abstract|final)\s+)*"
    r"(?:def|class|function|func|fn|interface|struct|enum|trait)\s+(\w{3,})",
    re.M,
)
_CALLED = re.compile(r"(?<![\w.])(\w{3,})\(")


def _corpus(folder: Path | None) -> Storage:
    if folder is None or not (folder / "artifact.json").exists():
        raise RecipeError(
            f"the benchmark repository reads a corpus artifact, and {folder} is none; name one of your "
            "store with --data STORE/NAME-corpus/VERSION (gristmill store ls lists them)"
        )
    return Storage.open(str(folder))


def _lines(folder: Path | None) -> Sequence[Task]:
    corpus = _corpus(folder)
    holes = samples(corpus, NUM, SEED, num_lines=NUM).lines
    return _tasks(corpus, holes, 64, ("\n",))


def _blocks(folder: Path | None) -> Sequence[Task]:
    corpus = _corpus(folder)
    sources = [
        list(blocks(f"{document.repository}/{file.path}", file.language, file.header, file.text))
        for document in read_documents(corpus, "held_out")
        for file in document.files
    ]
    return _tasks(corpus, _spread(sources), 256, ())


def _calls(given: bool) -> Callable[[Path | None], Sequence[Task]]:
    def load(folder: Path | None) -> Sequence[Task]:
        corpus = _corpus(folder)
        sources = [
            list(holes)
            for document in read_documents(corpus, "held_out")
            for holes in calls(document, given)
        ]
        return _tasks(corpus, _spread(sources), 64, ("\n",))

    return load


def _spread(sources: Sequence[Sequence[Hole]]) -> list[Hole]:
    """Take one of each file in turn until there are enough."""
    chosen: list[Hole] = []
    for rank in range(max((len(some) for some in sources), default=0)):
        chosen += [some[rank] for some in sources if rank < len(some)]
        if len(chosen) >= NUM:
            break
    return chosen[:NUM]


def calls(document: Document, given: bool) -> Iterator[Iterator[Hole]]:
    """Yield, for each file, holes over what follows the name of something that another file defines."""
    defined: dict[str, list[int]] = {}
    for number, file in enumerate(document.files):
        for name in set(_DEFINED.findall(file.text)):
            defined.setdefault(name, []).append(number)
    for number in range(len(document.files)):
        known = {name: at[0] for name, at in defined.items() if len(at) == 1 and at[0] != number}
        if known:
            yield _calls_of(document, number, known, given)


def _calls_of(
    document: Document, number: int, known: dict[str, int], given: bool
) -> Iterator[Hole]:
    file = document.files[number]
    key = f"{document.repository}/{file.path}"
    found = []
    at = 0
    for line in file.text.splitlines(keepends=True):
        for call in _CALLED.finditer(line):
            rest = line[call.start() :].rstrip("\r\n")
            whole = rest.count("(") <= rest.count(")")
            if call[1] in known and whole and is_worth_asking(line) and not _DEFINED.match(line):
                found.append((at + call.start(), rest, call[1]))
                break
        at += len(line)
    found.sort(key=lambda one: hashlib.sha256(f"{key}:{one[0]}".encode()).digest())
    for start, target, name in found:
        before, after = file.text[:start], file.text[start + len(target) :]
        header = file.header
        if given:
            other = document.files[known[name]]
            header = f"{other.header}{_definition(other.text, name)}\n{file.header}"
        yield Hole(f"{key}@{start}", file.language, header, before, target, after)


def _definition(text: str, name: str) -> str:
    found = next(one for one in _DEFINED.finditer(text) if one[1] == name)
    return "".join(text[found.start() :].splitlines(keepends=True)[:GIVEN_LINES])


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


def _tasks(corpus: Storage, holes: Iterable[Hole], room: int, stop: tuple[str, ...]) -> list[Task]:
    """Return holes as tasks that know their repository and its date."""
    known = dates(corpus)
    repositories = sorted(
        {document.repository for document in read_documents(corpus, "held_out")},
        key=len,
        reverse=True,
    )
    found = []
    for hole in holes:
        source = next((name for name in repositories if hole.key.startswith(f"{name}/")), "")
        prompt = Prompt(hole.prefix, hole.suffix, hole.header, stop, max_new_tokens=room)
        date = known.get(source, "")
        found.append(
            Task(hole.key, prompt, hole.target, hole.language, hole.language, date, source)
        )
    return found


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
    ("calls", "calls across files", _calls(given=False), _first_line),
    ("calls-given", "calls across files, definition given", _calls(given=True), _first_line),
)  # fmt: skip

BENCHMARKS = tuple(
    Benchmark(
        "repository", kind, f"Your repositories, {words}", "exact match", "match",
        f"{words} of a corpus filled in from the whole file around them, greedy, compared stripped",
        load, answer, _judge, measures=("edit_similarity", "over_length"),
    )
    for kind, words, load, answer in _KINDS
)  # fmt: skip
