"""Does a model use the file that a file imports? Bits per byte of the names that come from there.

Asked are held-out files that import a file of the training split of their repository. The prompt is
laid out as a document: the imported file's path comment and a run of its lines, in at most half of the
window, then the importer's path comment and its text from the beginning. The run starts at the
declaration from which on it shows the most names that the importer uses. What counts are the tokens of the importer that touch a
cross-file name: a name of three characters or more that the visible part of the imported file declares
(the word behind `def`, `class`, `function`, `func`, `fn`, `struct`, `interface`, `enum`, `type`,
`trait`, `const`, `let` or `var`, or the left side of an assignment at the start of a line) and the
importer does not declare itself. Its import lines count too: there the name appears first.

    cross_file_bits_per_byte   bits of those tokens over their bytes, with the imported file before them
    cross_file_gain_bits       the same bits per byte without that file, less those with it

The imported file was trained on, and so was the importer's repository; only the importer is new.
Of several imported files the one is taken whose names occur most often, ties by path.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gristmill.corpus.documents import DocumentFile, part_paths, read_documents
from gristmill.corpus.parts import read_table
from gristmill.evaluation.heldout import Item, digest, score
from gristmill.model.llama import Llama
from gristmill.storage import Storage
from gristmill.tokens.tokenizer import Tokenizer

MIN_CHARS = 3
CHARS_PER_TOKEN = 2
"""A low guess, to choose the run of lines that is shown."""
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DECLARED = re.compile(
    r"\b(?:def|class|function|func|fn|struct|interface|enum|type|trait|const|let|var)\s+"
    r"([A-Za-z_]\w*)|^([A-Za-z_]\w*)\s*(?::[^=\n]+)?=(?!=)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Pair:
    """A held-out file, and the file that it imports."""

    key: str
    importer: DocumentFile
    imported: DocumentFile


def declared(text: str) -> frozenset[str]:
    """Return the names that a text declares, as the module's docstring says."""
    names = (match[1] or match[2] for match in _DECLARED.finditer(text))
    return frozenset(name for name in names if len(name) >= MIN_CHARS)


def pairs(corpus: Storage, num: int, seed: int) -> tuple[Pair, ...]:
    """Return up to `num` pairs of a corpus artifact, the same for the same corpus and seed."""
    importers = {
        (document.repository, file.path): file
        for document in read_documents(corpus, "held_out")
        for file in document.files
    }
    edges = _edges(corpus, importers)
    wanted = {(repository, path) for (repository, _), paths in edges.items() for path in paths}
    texts = {
        (document.repository, file.path): file
        for document in read_documents(corpus)
        for file in document.files
        if (document.repository, file.path) in wanted
    }
    found = []
    for (repository, path), importer in importers.items():
        known = [
            texts[repository, other]
            for other in sorted(edges[repository, path])
            if (repository, other) in texts
        ]
        counted = [(_occurrences(importer.text, file.text), file) for file in known]
        count, best = max(counted, key=lambda each: each[0], default=(0, None))
        if best is not None and count:
            found.append(Pair(f"{repository}/{path}", importer, best))
    found.sort(key=lambda pair: digest(seed, "cross-file", pair.key))
    return tuple(found[:num])


def _edges(
    corpus: Storage, importers: Mapping[tuple[str, str], DocumentFile]
) -> dict[tuple[str, str], set[str]]:
    """Return what each held-out file imports, by repository and path."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for part in part_paths(corpus):
        table = part.replace("documents/", "edges/", 1)
        if not corpus.exists(table):
            continue
        for row in read_table(corpus, table, ["repository", "importer", "imported"]).to_pylist():
            if (row["repository"], row["importer"]) in importers:
                found[row["repository"], row["importer"]].add(row["imported"])
    return found


def _occurrences(text: str, imported: str) -> int:
    names = declared(imported) - declared(text)
    return sum(match[0] in names for match in _WORD.finditer(text))


def items(tokenizer: Tokenizer, asked: Iterable[Pair], window: int) -> Iterator[tuple[Item, Item]]:
    """Lay out each pair within `window` tokens: with the imported file, and the importer alone.

    Both count the same tokens; a pair without any that is visible is left out.
    """
    for pair in asked:
        file, other = pair.importer, pair.imported
        shown = other.header + _run(other.text, file.text, CHARS_PER_TOKEN * window // 2)
        before = tokenizer.encode(shown)[: window // 2]
        visible = b"".join(tokenizer.token_bytes(token) for token in before)
        names = declared(visible.decode(errors="ignore")) - declared(file.text)
        before += [] if visible.endswith(b"\n") else tokenizer.encode("\n")
        header = tokenizer.encode(file.header)
        text = tokenizer.encode(file.text[: 8 * window])
        text = text[: window - 1 - len(before) - len(header)]
        places = _places(tokenizer, file.text, text, names)
        if not places:
            continue
        made = []
        for start in ([*before, *header], header):
            lead = [tokenizer.special.bos, *start]
            only = tuple(len(lead) + place for place in places)
            made.append(Item(pair.key, file.language, lead + text, only[0], only))
        yield made[0], made[1]


def _run(text: str, importer: str, num_chars: int) -> str:
    """Return the text from the line of a used declaration on, that shows most of what is used."""
    used = Counter(_WORD.findall(importer))
    names = declared(text) - declared(importer)
    places = [
        (match.start(), used[name])
        for match in _DECLARED.finditer(text)
        if (name := match[1] or match[2]) in names and used[name]
    ]

    def shown(start: int) -> int:
        return sum(count for place, count in places if start <= place < start + num_chars)

    start = max((place for place, _ in places), key=lambda place: (shown(place), -place), default=0)
    return text[text.rfind("\n", 0, start) + 1 :][: 4 * num_chars]


def _places(
    tokenizer: Tokenizer, text: str, tokens: Sequence[int], names: frozenset[str]
) -> list[int]:
    """Return which tokens of a text touch one of the names."""
    ends = np.cumsum(tokenizer.token_sizes[list(tokens)])
    places: set[int] = set()
    seen = at = 0
    for match in _WORD.finditer(text):
        at += len(text[seen : match.start()].encode())
        seen = match.start()
        if match[0] in names:
            first = int(np.searchsorted(ends, at, side="right"))
            last = int(np.searchsorted(ends, at + len(match[0].encode()) - 1, side="right"))
            places.update(range(first, last + 1))
    return sorted(place for place in places if place < len(tokens))


def measure(
    model: Llama, tokenizer: Tokenizer, asked: Sequence[Pair], window: int
) -> dict[str, float]:
    """Return `cross_file_bits_per_byte` and `cross_file_gain_bits`; nothing without a question."""
    laid_out = list(items(tokenizer, asked, window))
    behind = score(model, tokenizer, [with_it for with_it, _ in laid_out])
    alone = score(model, tokenizer, [without for _, without in laid_out])
    num_bytes = sum(each.num_bytes for each in behind)
    if not num_bytes:
        return {}
    bits = sum(each.bits for each in behind) / num_bytes
    bits_alone = sum(each.bits for each in alone) / num_bytes
    return {"cross_file_bits_per_byte": bits, "cross_file_gain_bits": bits_alone - bits}
