from pathlib import Path

import pytest

from gristmill.evaluation import heldout
from gristmill.evaluation.benchmark import find
from gristmill.evaluation.examiner import Examiner
from gristmill.model.config import ModelSection
from gristmill.storage import Storage
from gristmill.tokens.bpe import train
from tests.made_corpus import document, write_documents

TEXT = "import os\n\n\ndef total(values):\n    result = 0\n    for value in values:\n        result += value\n    return result\n"


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> heldout.HeldOut:
    corpus = Storage.open(str(tmp_path_factory.mktemp("corpus")))
    texts = {f"a/{number}.py": TEXT * (1 + number % 3) for number in range(5)}
    documents = [document({path: text}, "r", "held_out") for path, text in texts.items()]
    write_documents(corpus, documents)
    return heldout.samples(corpus, 5, 1, num_lines=9)


@pytest.fixture(scope="module")
def examiner() -> Examiner:
    tokenizer = train([TEXT] * 3, 300)
    return Examiner.untrained("initial", tokenizer, ModelSection(size="tiny"), 1, 128, None)


def test_every_item_has_one_outcome(examiner: Examiner, held_out: heldout.HeldOut) -> None:
    lines = examiner.infilling(held_out.lines, 8)
    assert [item.task for item in lines] == [hole.key for hole in held_out.lines]
    assert all("\n" not in item.prediction for item in lines)
    assert all(item.prompt.count("\u2588") == 1 for item in lines)
    files = examiner.loss(held_out.files)
    spans = examiner.fim_bits(held_out.spans)
    assert (len(files), len(spans)) == (5, 5)
    assert all(item.bits > 0 and item.num_bytes > 0 for item in (*files, *spans))


def test_answers_do_not_depend_on_what_else_is_asked(
    examiner: Examiner, held_out: heldout.HeldOut
) -> None:
    together = examiner.infilling(held_out.lines, 8)
    alone = [examiner.infilling([hole], 8)[0] for hole in held_out.lines]
    assert [item.raw for item in together] == [item.raw for item in alone]


def test_the_same_seed_is_the_same_untrained_model(
    examiner: Examiner, held_out: heldout.HeldOut
) -> None:
    section = ModelSection(size="tiny")
    again = Examiner.untrained("initial", examiner.tokenizer, section, 1, 128, None)
    other = Examiner.untrained("initial", examiner.tokenizer, section, 2, 128, None)
    assert again.loss(held_out.files) == examiner.loss(held_out.files)
    assert other.loss(held_out.files) != examiner.loss(held_out.files)


def test_long_prompts_are_cut_to_the_window(examiner: Examiner) -> None:
    known = find("humaneval")
    tasks = list(known.load(None))[:3]
    found = examiner.tasks(tasks, "humaneval")
    assert [item.task for item in found] == ["HumanEval/0", "HumanEval/1", "HumanEval/2"]
    assert all(item.prediction == known.answer(tasks[0], item.raw) for item in found)


def test_a_smaller_context_can_be_asked_for(
    examiner: Examiner, held_out: heldout.HeldOut, tmp_path: Path
) -> None:
    section = ModelSection(size="tiny")
    narrow = Examiner.untrained("initial", examiner.tokenizer, section, 1, 128, 32)
    assert narrow.window == 32
    few = sum(item.num_bytes for item in narrow.loss(held_out.files))
    assert few < sum(item.num_bytes for item in examiner.loss(held_out.files))
