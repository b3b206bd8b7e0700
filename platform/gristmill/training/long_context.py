"""Is the long context real? Bits per byte by position, and retrieval across files by distance.

Both look at 1.5 times the length that a model was extended to, before the extension and after it, on files
that were held out:

- positions: files joined to rows of that length; the entropy of each eighth of the extended length, over
  the bytes of its text. Every row is full, so each part sees the same mix of texts.
- retrieval: a first file binds four names to numbers, files that have nothing to do with it follow, and
  the last imports one name and states its number. Right is a greedy choice at every digit; four digits
  guessed blindly cost 13.3 bits. The distance is the tokens between the two places.

A model reads further than it was made for when its bits per byte go on falling, or stay, up to there;
it uses what it read when it finds the number.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from gristmill.corpus.documents import DocumentFile, read_documents
from gristmill.corpus.languages import comment_line
from gristmill.errors import TrainingError
from gristmill.model.attention import PackedAttention
from gristmill.model.llama import Llama
from gristmill.storage import Storage
from gristmill.tokens.tokenizer import Tokenizer
from gristmill.training.cross_entropy import summed_cross_entropy

BEYOND = 1.5
"""How far past the extended length is looked, as a multiple of it."""
PARTS = 8
"""Position buckets of the extended length."""
DISTANCES = (0.125, 0.25, 0.5, 0.75, 0.95, 1.25, 1.45)
"""Tokens between name and question, as multiples of the extended length."""
_NAMES = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron")
_DIGITS = 4


@dataclass(frozen=True)
class Part:
    """A stretch of positions."""

    start: int
    end: int
    bits_per_byte: float


@dataclass(frozen=True)
class Found:
    """How often a number was found at a distance."""

    distance: int
    exact: float
    """Share of the questions answered right."""
    bits: float
    """Mean cost of the number."""


@dataclass(frozen=True)
class LongContext:
    """What was measured of one model."""

    length: int
    """The extended length."""
    positions: tuple[Part, ...]
    retrieval: tuple[Found, ...]

    def values(self) -> dict[str, object]:
        """Return it as JSON values."""
        return asdict(self)

    def summary(self, name: str) -> dict[str, float]:
        """Return the figures of a record: the last parts inside and beyond, and what was found inside."""
        inside = [found.exact for found in self.retrieval if found.distance < self.length]
        return {
            f"bits_per_byte_last_{name}": self.positions[PARTS - 1].bits_per_byte,
            f"bits_per_byte_beyond_{name}": self.positions[-1].bits_per_byte,
            f"retrieved_{name}": sum(inside) / len(inside),
        }


@dataclass(frozen=True)
class Question:
    """A document that ends in a number which a name was bound to `distance` tokens before."""

    distance: int
    ids: tuple[int, ...]
    num_answer: int
    """The last so many ids are the number."""


@dataclass(frozen=True)
class Material:
    """The rows and questions, the same for every model that is asked."""

    length: int
    rows: tuple[tuple[int, ...], ...]
    """Token ids, each 1.5 times `length`."""
    questions: tuple[Question, ...]


def material(corpus: Storage, tokenizer: Tokenizer, length: int, num: int, seed: int) -> Material:
    """Return `num` rows, and as many questions a distance. Raises TrainingError without held-out text."""
    files = [
        file
        for document in sorted(read_documents(corpus, "held_out"), key=lambda d: d.repository)
        for file in document.files
    ]
    stream = _stream(files, tokenizer, corpus)
    longest = int(BEYOND * length)
    bos = tokenizer.special.bos
    rows = tuple((bos, *_take(stream, longest - 1)) for _ in range(num))
    questions = []
    for share in DISTANCES:
        for number in range(num):
            chance = random.Random(f"{seed}:{share}:{number}")
            questions.append(_question(tokenizer, stream, int(share * length), chance))
    return Material(length, rows, tuple(questions))


@torch.inference_mode()
def measure(model: Llama, tokenizer: Tokenizer, asked: Material) -> LongContext:
    """Ask a model that holds whole weights; it is left in the mode it was found in."""
    was_training = model.training
    model.eval()
    width = asked.length // PARTS
    num_parts = int(BEYOND * asked.length) // width
    bits, sizes = torch.zeros(num_parts), torch.zeros(num_parts)
    token_bytes = torch.from_numpy(tokenizer.token_sizes)
    for row in asked.rows:
        entropies = entropies_of(model, row, 1).cpu()
        part = (torch.arange(1, len(row)) // width).clamp_(max=num_parts - 1)
        bits.index_add_(0, part, entropies / math.log(2))
        sizes.index_add_(0, part, token_bytes[torch.tensor(row[1:])].float())
    positions = [
        Part(n * width, (n + 1) * width, float(bits[n] / sizes[n].clamp(min=1)))
        for n in range(num_parts)
    ]
    answers: dict[int, list[tuple[bool, float]]] = {}
    for question in asked.questions:
        answers.setdefault(question.distance, []).append(_answer(model, question))
    retrieval = [
        Found(
            distance,
            sum(right for right, _ in given) / len(given),
            sum(cost for _, cost in given) / len(given),
        )
        for distance, given in answers.items()
    ]
    model.train(was_training)
    return LongContext(asked.length, tuple(positions), tuple(retrieval))


def entropies_of(model: Llama, ids: Sequence[int], first: int) -> Tensor:
    """Return the entropy in nats of each token of one document, from place `first` (at least 1) on."""
    hidden_NC, targets_L = _hidden(model, ids), torch.tensor(ids[first:])
    head_VC = model.lm_head.weight
    places = slice(first - 1, len(ids) - 1)
    _, entropies_L = summed_cross_entropy(
        hidden_NC[places], head_VC, targets_L.to(head_VC.device), 0.0
    )
    return entropies_L


def _hidden(model: Llama, ids: Sequence[int]) -> Tensor:
    device = model.embed_tokens.weight.device
    tokens_N = torch.tensor(ids, device=device)
    attend = PackedAttention((0, len(ids)), device)
    hidden_NC: Tensor = model(tokens_N, torch.arange(len(ids), device=device), attend)
    return hidden_NC


def _answer(model: Llama, question: Question) -> tuple[bool, float]:
    """Say whether the number is the greedy choice at each token, and what it costs in bits."""
    num = question.num_answer
    logits = model.logits(_hidden(model, question.ids)[-num - 1 : -1]).float()
    wanted = torch.tensor(question.ids[-num:], device=logits.device)
    cost = torch.nn.functional.cross_entropy(logits, wanted, reduction="sum")
    return bool((logits.argmax(-1) == wanted).all()), float(cost) / math.log(2)


def _question(
    tokenizer: Tokenizer, stream: Iterator[int], distance: int, chance: random.Random
) -> Question:
    """Return a document of four names and numbers, other files, and a question."""
    names = [f"limit_{name}" for name in chance.sample(_NAMES, 4)]
    values = [str(chance.randrange(10 ** (_DIGITS - 1), 10**_DIGITS)) for _ in names]
    asked = chance.randrange(len(names))
    bound = [f"{name} = {value}\n" for name, value in zip(names, values, strict=True)]
    header = comment_line("Python", "settings.py")
    before = tokenizer.encode(header + "".join(bound[: asked + 1]))
    after = tokenizer.encode("".join(bound[asked + 1 :]))
    question = tokenizer.encode(
        f"{comment_line('Python', 'check.py')}from settings import {names[asked]}\n\n"
        f"assert {names[asked]} == "
    )
    answer = tokenizer.encode(values[asked])
    fill = max(0, distance - len(after) - len(question))
    ids = (*before, *after, *_take(stream, fill), *question, *answer)
    return Question(distance, (tokenizer.special.bos, *ids), len(answer))


def _stream(files: Sequence[DocumentFile], tokenizer: Tokenizer, corpus: Storage) -> Iterator[int]:
    """Yield the files' tokens one after the other, again from the first after the last."""
    if not any(file.text for file in files):
        raise TrainingError(
            f"extend.long_context wants held-out files, and corpus {corpus.url} has none; set "
            "corpus.held_out, or extend.long_context to 0"
        )
    while True:
        for file in files:
            yield from tokenizer.encode(file.header + file.text)


def _take(stream: Iterator[int], num: int) -> list[int]:
    return [next(stream) for _ in range(num)]
