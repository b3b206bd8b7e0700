"""The long context's questions: full rows, numbers at their distance, parts that add up to the whole."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from gristmill.errors import TrainingError
from gristmill.model.attention import PackedAttention
from gristmill.model.config import SIZES
from gristmill.model.llama import Llama, LlamaConfig, initialize
from gristmill.storage import Storage
from gristmill.tokens.tokenizer import Tokenizer
from gristmill.training.long_context import (
    BEYOND,
    DISTANCES,
    PARTS,
    Material,
    entropies_of,
    material,
    measure,
)
from gristmill.training.long_context_report import FILE, LongContextReport
from gristmill.training.request import LongContextRequest
from tests.made_corpus import document, write_documents
from tests.model_folder import TEXT, tiny_tokenizer
from tests.training_requests import small_request

LENGTH, NUM = 128, 3


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return tiny_tokenizer()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    found = Storage.open(str(tmp_path_factory.mktemp("corpus")))
    texts = {f"{n}.py": TEXT * (n + 1) for n in range(3)}
    write_documents(found, [document(texts, "a", "held_out"), document({"x.py": "1\n"}, "b")])
    return found


@pytest.fixture(scope="module")
def asked(corpus: Storage, tokenizer: Tokenizer) -> Material:
    return material(corpus, tokenizer, LENGTH, NUM, 1)


@pytest.fixture(scope="module")
def model(tokenizer: Tokenizer) -> Llama:
    made = Llama(LlamaConfig(SIZES["tiny"], tokenizer.vocab_rows, LENGTH, 10000.0))
    initialize(made, 0.1, 1)
    return made


def test_rows_are_full_and_numbers_lie_at_their_distance(
    asked: Material, tokenizer: Tokenizer
) -> None:
    assert [len(row) for row in asked.rows] == [int(BEYOND * LENGTH)] * NUM
    assert len(asked.questions) == NUM * len(DISTANCES)
    for question in asked.questions:
        answer = list(question.ids[-question.num_answer :])
        text = tokenizer.decode(question.ids)
        value = tokenizer.decode(answer)
        name = text.rsplit("assert ", 1)[1].split(" == ")[0]
        assert len(value) == 4
        assert f"{name} = {value}\n" in text
        assert text.count("limit_") == 6
        bound = tokenizer.encode(text.split(f"{name} = {value}\n")[0] + f"{name} = {value}\n")
        between = len(question.ids) - question.num_answer - 1 - len(bound)
        wanted = question.distance
        assert abs(between - wanted) <= 2 or (between > wanted and wanted < 100)


def test_entropies_and_parts_are_those_of_the_whole(
    asked: Material, model: Llama, tokenizer: Tokenizer
) -> None:
    row = asked.rows[0]
    with torch.no_grad():
        hidden = model(torch.tensor(row), torch.arange(len(row)), PackedAttention((0, len(row))))
        wanted = cross_entropy(model.logits(hidden)[:-1], torch.tensor(row[1:]), reduction="none")
        assert torch.allclose(entropies_of(model, row, 1), wanted, atol=1e-4)
        assert torch.allclose(entropies_of(model, row, 100), wanted[99:], atol=1e-4)
    found = measure(model, tokenizer, Material(LENGTH, (row,), asked.questions))
    assert model.training
    assert len(found.positions) == int(BEYOND * PARTS)
    first = found.positions[0]
    bits = float(wanted[: first.end - 1].sum()) / math.log(2)
    num_bytes = int(tokenizer.token_sizes[list(row[1 : first.end])].sum())
    assert first.bits_per_byte == pytest.approx(bits / num_bytes, rel=1e-4)
    assert [item.distance for item in found.retrieval] == [int(d * LENGTH) for d in DISTANCES]
    assert all(item.exact < 0.5 and item.bits > 8 for item in found.retrieval)


class Knowing(Llama):
    """Says one sequence of tokens, whatever it is asked."""

    answer: tuple[int, ...] = ()

    def logits(self, hidden_NC: torch.Tensor) -> torch.Tensor:
        said = torch.zeros(len(hidden_NC), self.config.vocab_rows)
        return said.scatter_(1, torch.tensor(self.answer)[:, None], 50.0)


def test_a_model_that_knows_the_number_is_right(asked: Material, tokenizer: Tokenizer) -> None:
    question = asked.questions[0]
    model = Knowing(LlamaConfig(SIZES["tiny"], tokenizer.vocab_rows, LENGTH, 10000.0))
    initialize(model, 0.1, 1)
    model.answer = question.ids[-question.num_answer :]
    (found,) = measure(model, tokenizer, Material(LENGTH, (), (question,))).retrieval
    assert (found.exact, round(found.bits, 6)) == (1.0, 0.0)


def test_the_report_asks_before_and_after_under_each_rope(
    corpus: Storage, model: Llama, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    far = LongContextRequest(
        corpus=corpus.url, num=1, seed=1, base_rope_theta=10000.0, base_rope_scale=1.0
    )
    request = small_request(tmp_path, "out", steps=1, length=LENGTH)
    assert LongContextReport.of(request, tokenizer) is None
    report = LongContextReport.of(request.model_copy(update={"long_context": far}), tokenizer)
    assert report is not None
    stretched = LlamaConfig(SIZES["tiny"], tokenizer.vocab_rows, LENGTH, 100000.0, 4.0)
    original, model.config = model.config, stretched
    try:
        before = report.look(model, "before")
        assert model.config is stretched
        figures = report.look(model, "after")
    finally:
        model.config = original
    assert figures.items() > before.items()
    values = json.loads(Storage.open(request.output).read_bytes(FILE))
    assert values["before"]["positions"] != values["after"]["positions"]
    assert figures["bits_per_byte_last_after"] > 0


def test_a_corpus_without_held_out_files_is_refused(tmp_path: Path, tokenizer: Tokenizer) -> None:
    empty = Storage.open(str(tmp_path))
    write_documents(empty, [document({"x.py": "1\n"})])
    with pytest.raises(TrainingError, match=r"extend\.long_context wants held-out files"):
        material(empty, tokenizer, LENGTH, 1, 1)
