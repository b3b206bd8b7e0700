"""Loss per byte under a tiny model."""

import math
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from gristmill.corpus.config import Score
from gristmill.corpus.scoring import SCORES, Scorer, verdict
from gristmill.evaluation.heldout import HeldOutFile
from gristmill.model.attention import PackedAttention, positions_of
from tests.model_folder import TEXT, tiny_model


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    return Scorer.load(tiny_model(tmp_path_factory.mktemp("model")), device="cpu")


def file(text: str, header: str = "") -> HeldOutFile:
    return HeldOutFile("k", "Python", header, text)


def test_the_score_is_cross_entropy_in_bits_by_bytes(scorer: Scorer) -> None:
    tokens = [scorer.tokenizer.special.bos, *scorer.tokenizer.encode(TEXT)]
    bounds = [0, len(tokens)]
    with torch.inference_mode():
        hidden = scorer.model(torch.tensor(tokens), positions_of(bounds), PackedAttention(bounds))
        logits = scorer.model.logits(hidden)[:, : scorer.tokenizer.num_tokens].float()
        loss = torch.nn.functional.cross_entropy(
            logits[:-1], torch.tensor(tokens[1:]), reduction="sum"
        )
    wanted = float(loss) / math.log(2) / len(TEXT.encode())
    assert scorer.score([file(TEXT)]) == [pytest.approx(wanted, abs=1e-3)]


def test_files_do_not_see_each_other_and_keep_their_order(scorer: Scorer) -> None:
    texts = [TEXT, "x = 1\n", TEXT[:60], "z" * 40]
    together = scorer.score([file(text) for text in texts])
    assert together == [scorer.score([file(text)])[0] for text in texts]


def test_an_empty_text_has_no_score(scorer: Scorer) -> None:
    assert scorer.score([file(""), file("a = 1\n")])[0] is None
    assert scorer.score([]) == []


def test_the_window_bounds_what_is_read(scorer: Scorer) -> None:
    short = Scorer(scorer.model, scorer.tokenizer, 16)
    head = scorer.tokenizer.decode(scorer.tokenizer.encode(TEXT)[:15])
    assert short.score([file(TEXT)]) == scorer.score([file(head)])
    assert Scorer(scorer.model, scorer.tokenizer, 10**6).context_tokens == 512


def test_the_header_is_read_but_not_counted(scorer: Scorer) -> None:
    plain, headed = scorer.score([file("a = 1\n"), file("a = 1\n", "# pkg/a.py\n")])
    assert plain != headed and headed is not None


def test_a_table_of_files_becomes_a_table_of_scores(scorer: Scorer) -> None:
    rows = {
        "repository": ["r", "r"],
        "path": ["a.py", "b.txt"],
        "language": ["Python", ""],
        "text": ["a = 1\n", "words\n"],
    }
    scores = scorer.score_table(pa.table(rows))
    assert scores.schema == SCORES and scores["path"].to_pylist() == rows["path"]
    alone = scorer.score([file("a = 1\n", "# a.py\n")])[0]
    assert scores["loss_per_byte"].to_pylist()[0] == alone
    assert scorer.score_table(pa.table(rows).slice(0, 0)).num_rows == 0


@pytest.mark.parametrize(
    ("value", "stays"), [(0.99, False), (1.0, True), (4.0, True), (4.01, False), (None, True)]
)
def test_limits_are_inside(value: float | None, stays: bool) -> None:
    section = Score(model="m", max_loss_per_byte=4.0, min_loss_per_byte=1.0)
    reason, detail = verdict(value, section)
    assert (reason == "") == stays and bool(reason) == bool(detail)


def test_without_limits_nothing_is_dropped() -> None:
    assert verdict(99.0, Score(model="m")) == ("", "")


def test_a_path_is_no_identity(tmp_path: Path) -> None:
    assert Score(model=str(tmp_path)).identity() == Score(model="elsewhere").identity()
