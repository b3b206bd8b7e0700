"""What a model knows of the corpus's held-out files: the samples, and the measures made on them.

Three questions, on files that no training sequence was made from:

- left to right: bits per byte of a file's text, given the file's header and what came before;
- fill in the middle: bits per byte of a random span of characters, given what is around it;
- infilling: is the model's greedy choice right at every token of a whole line, its end included.

Samples depend on the corpus, `num` and `seed` alone and are spread over files by hash, so that every
model, trial and step is asked the same. Bits are divided by bytes, never by tokens: tokenizers compare.
The infilling measure follows the target's own tokens (teacher forcing): it needs one forward pass, and
is true exactly when greedy decoding writes those tokens. `jobs/evaluate.py` decodes for real instead.
"""

from __future__ import annotations

import hashlib
import math
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from gristmill.corpus.documents import DocumentFile, read_documents
from gristmill.model.attention import PackedAttention, positions_of
from gristmill.model.llama import Llama
from gristmill.storage import Storage
from gristmill.tokens.fim import infill_prompt
from gristmill.tokens.tokenizer import Tokenizer

MAX_LINE = 160
"""Longer lines are data or generated text."""
MAX_SPAN = 256
"""Characters of a random span."""
HOLE_WINDOW = 256
"""Tokens around a hole in `measure`, which runs inside training: two thirds of its cost."""
Prompt = Literal["psm", "spm", "spm_plain"]
"""How a hole is asked for; see `tokens.fim`."""
_QUOTES = re.compile(r"\"\"\"|'''")
_COMMENT = re.compile(r"\s*(#|//|/\*|\*|--|\"\"\"|''')")
_WORDS = re.compile(r"[A-Za-z0-9_]")


@dataclass(frozen=True)
class Hole:
    """A text with a hole: a whole line of a file, or a random span."""

    key: str
    """`repository/path:line` or `repository/path@offset`."""
    language: str
    header: str
    """The file's path comment, which stands before its text in training."""
    prefix: str
    target: str
    suffix: str


@dataclass(frozen=True)
class HeldOutFile:
    """A held-out file as a document of its own."""

    key: str
    language: str
    header: str
    text: str


@dataclass(frozen=True)
class HeldOut:
    """All that is asked of a model."""

    files: tuple[HeldOutFile, ...]
    spans: tuple[Hole, ...]
    lines: tuple[Hole, ...]


@dataclass(frozen=True)
class Score:
    """What a model said about one item."""

    key: str
    language: str
    bits: float
    num_bytes: int
    exact: bool
    """Greedy at every token, and then the end of the line or of the middle."""


@dataclass(frozen=True)
class Item:
    """A question as tokens."""

    key: str
    language: str
    tokens: list[int]
    first: int
    """Tokens from here on are scored."""
    only: tuple[int, ...] | None = None
    """Of these, the places that count, ascending; None takes all."""

    @property
    def scored(self) -> list[int]:
        """The tokens that count."""
        places = range(self.first, len(self.tokens)) if self.only is None else self.only
        return [self.tokens[place] for place in places]


def samples(corpus: Storage, num: int, seed: int, *, num_lines: int | None = None) -> HeldOut:
    """Return up to `num` files, spans and lines (`num_lines`, default `num`) of the held-out split."""
    found = {
        f"{document.repository}/{file.path}": file
        for document in read_documents(corpus, "held_out")
        for file in document.files
        if file.text.strip()
    }
    order = sorted(found, key=lambda key: digest(seed, "file", key))
    files = [(key, found[key]) for key in order]
    chosen = tuple(
        HeldOutFile(key, file.language, file.header, file.text) for key, file in files[:num]
    )
    spans = _spread([_spans(key, file, seed, num) for key, file in files], num)
    wanted = num if num_lines is None else num_lines
    lines = _spread([_lines(key, file, seed) for key, file in files], wanted)
    return HeldOut(chosen, tuple(spans), tuple(lines))


def measure(
    model: Llama,
    tokenizer: Tokenizer,
    held_out: HeldOut,
    *,
    context_tokens: int | None = None,
    batch_tokens: int = 8192,
    mode: Prompt = "psm",
) -> dict[str, float]:
    """Return `l2r_bits_per_byte`, `fim_bits_per_byte` and `infilling_exact_match` (0..1).

    `mode` is the layout that holes are asked in. Holes see at most `HOLE_WINDOW` tokens. A measure without items is left out. The model is left in
    the mode it was found in.
    """
    window = context_tokens or model.config.max_position
    near = min(window, HOLE_WINDOW)
    found: dict[str, float] = {}
    for name, items in (
        ("l2r_bits_per_byte", file_items(tokenizer, held_out.files, window)),
        ("fim_bits_per_byte", hole_items(tokenizer, held_out.spans, near, mode)),
        ("infilling_exact_match", hole_items(tokenizer, held_out.lines, near, mode)),
    ):
        scores = score(model, tokenizer, items, batch_tokens=batch_tokens)
        if not scores:
            continue
        if name == "infilling_exact_match":
            found[name] = sum(item.exact for item in scores) / len(scores)
        else:
            found[name] = sum(s.bits for s in scores) / max(sum(s.num_bytes for s in scores), 1)
    return found


def file_items(tokenizer: Tokenizer, files: Iterable[HeldOutFile], window: int) -> list[Item]:
    """Lay out the head of each file, up to `window` tokens, as training lays out a document."""
    items = []
    for file in files:
        start = [tokenizer.special.bos, *tokenizer.encode(file.header)]
        text = tokenizer.encode(file.text[: 16 * window])
        tokens = (start + text)[:window]
        if len(tokens) > len(start):
            items.append(Item(file.key, file.language, tokens, len(start)))
    return items


def hole_items(
    tokenizer: Tokenizer, holes: Iterable[Hole], window: int, mode: Prompt = "psm"
) -> list[Item]:
    """Lay out each hole's prompt and target within `window` tokens."""
    items = []
    for hole in holes:
        target = tokenizer.encode(hole.target)[: window // 2]
        prompt = fit_prompt(tokenizer, hole, window - len(target), mode)
        items.append(Item(hole.key, hole.language, prompt + target, len(prompt)))
    return items


def fit_prompt(tokenizer: Tokenizer, hole: Hole, room: int, mode: Prompt = "psm") -> list[int]:
    """Return the infilling prompt of at most `room` tokens: the prefix's end, the suffix's start.

    The suffix gets a quarter of the room, or what the prefix leaves.
    """
    fixed = len(infill_prompt(tokenizer, "", "", context=hole.header, mode=mode))
    header = hole.header if fixed <= room // 2 else ""
    room -= fixed if header else len(infill_prompt(tokenizer, "", "", mode=mode))
    before = tokenizer.encode(hole.prefix[-16 * max(room, 1) :])
    after = tokenizer.encode(hole.suffix[: 16 * max(room, 1)])
    num_after = min(len(after), max(room // 4, room - len(before)))
    num_before = min(len(before), room - num_after)
    prompt = infill_prompt(tokenizer, "", "", context=header, mode=mode)
    for spare in range(room + 1):  # a cut text may come out a token longer than what it was cut to
        left = _last(tokenizer, hole.prefix, before, num_before - spare)
        right = _first(tokenizer, hole.suffix, after, num_after - spare)
        wanted = infill_prompt(tokenizer, left, right, context=header, mode=mode)
        if len(wanted) <= room + len(prompt):
            return wanted
    return prompt


@torch.inference_mode()
def score(
    model: Llama, tokenizer: Tokenizer, items: Sequence[Item], *, batch_tokens: int = 8192
) -> list[Score]:
    """Return one score an item, in order; items are run packed, `batch_tokens` at a time."""
    was_training = model.training
    model.eval()
    order = sorted(range(len(items)), key=lambda at: len(items[at].tokens))
    found: dict[int, Score] = {}
    for batch in _batches(order, [len(item.tokens) for item in items], batch_tokens):
        chosen = [items[at] for at in batch]
        found.update(zip(batch, _score_batch(model, tokenizer, chosen), strict=True))
    model.train(was_training)
    return [found[at] for at in range(len(items))]


def _score_batch(model: Llama, tokenizer: Tokenizer, items: list[Item]) -> list[Score]:
    device = next(model.parameters()).device
    bounds = [0]
    for item in items:
        bounds.append(bounds[-1] + len(item.tokens))
    flat = torch.tensor([token for item in items for token in item.tokens], device=device)
    hidden_NC = model(flat, positions_of(bounds).to(device), PackedAttention(bounds, device))
    scores = []
    for item, start, end in zip(items, bounds, bounds[1:], strict=False):
        logits_NV = model.logits(hidden_NC[start + item.first - 1 : end])
        logits_NV = logits_NV[:, : tokenizer.num_tokens].float()
        targets = flat[start + item.first : end]
        loss_N = torch.nn.functional.cross_entropy(logits_NV[:-1], targets, reduction="none")
        greedy = logits_NV.argmax(-1)
        exact = bool((greedy[:-1] == targets).all()) and _ends(tokenizer, int(greedy[-1]))
        num_bytes = int(tokenizer.token_sizes[item.scored].sum())
        if item.only is not None:
            loss_N = loss_N[[place - item.first for place in item.only]]
        bits = float(loss_N.sum()) / math.log(2)
        scores.append(Score(item.key, item.language, bits, num_bytes, exact))
    return scores


def _ends(tokenizer: Tokenizer, token: int) -> bool:
    return token == tokenizer.special.eos or tokenizer.token_bytes(token).startswith(b"\n")


def _batches(order: Sequence[int], lengths: Sequence[int], limit: int) -> Iterator[list[int]]:
    batch: list[int] = []
    total = 0
    for at in order:
        if batch and total + lengths[at] > limit:
            yield batch
            batch, total = [], 0
        batch.append(at)
        total += lengths[at]
    if batch:
        yield batch


def _lines(key: str, file: DocumentFile, seed: int) -> Iterator[Hole]:
    lines = file.text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    prose = _quoted(lines) if file.language.lower() == "python" else set()
    worth = [at for at in range(1, len(lines) - 1) if is_worth_asking(lines[at])]
    worth = [at for at in worth if at not in prose]
    for at in sorted(worth, key=lambda at: digest(seed, "line", key, at)):
        target = lines[at].rstrip("\r\n")
        before, after = file.text[: starts[at]], file.text[starts[at] + len(target) :]
        yield Hole(f"{key}:{at + 1}", file.language, file.header, before, target, after)


def _quoted(lines: Sequence[str]) -> set[int]:
    """Return the lines that begin inside a triple-quoted text of Python, a docstring mostly."""
    found: set[int] = set()
    inside = ""
    for number, line in enumerate(lines):
        if inside:
            found.add(number)
        for mark in _QUOTES.findall(line):
            inside = "" if inside == mark else inside or mark
    return found


def is_worth_asking(line: str) -> bool:
    """Say whether a line is code with content: no blank, bare brace, comment or very long line."""
    return (
        len(_WORDS.findall(line)) >= 4
        and len(line) <= MAX_LINE
        and _COMMENT.match(line) is None
        and line.endswith("\n")
    )


def _spans(key: str, file: DocumentFile, seed: int, num: int) -> Iterator[Hole]:
    for number in range(num):
        rng = random.Random(digest(seed, "span", key, number))
        length = rng.randint(1, max(1, min(MAX_SPAN, len(file.text) // 2)))
        start = rng.randint(0, len(file.text) - length)
        prefix, suffix = file.text[:start], file.text[start + length :]
        target = file.text[start : start + length]
        yield Hole(f"{key}@{start}", file.language, file.header, prefix, target, suffix)


def _spread(sources: Sequence[Iterator[Hole]], num: int) -> list[Hole]:
    """Take one of each source in turn until there are `num` or all are spent."""
    taken: list[Hole] = []
    left = list(sources)
    while left and len(taken) < num:
        still = []
        for source in left:
            hole = next(source, None)
            if hole is not None and len(taken) < num:
                taken.append(hole)
                still.append(source)
        left = still
    return taken


def _last(tokenizer: Tokenizer, text: str, tokens: Sequence[int], num: int) -> str:
    kept = int(tokenizer.token_sizes[list(tokens[len(tokens) - max(num, 0) :])].sum())
    data = text.encode()
    return data[len(data) - kept :].decode(errors="ignore")


def _first(tokenizer: Tokenizer, text: str, tokens: Sequence[int], num: int) -> str:
    kept = int(tokenizer.token_sizes[list(tokens[: max(num, 0)])].sum())
    return text.encode()[:kept].decode(errors="ignore")


def digest(seed: int, *item: str | int) -> int:
    text = "\0".join([str(seed), *(str(part) for part in item)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
