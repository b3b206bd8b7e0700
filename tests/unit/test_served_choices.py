"""`serving.choices`: what happens to a choice between the engine and the asker."""

import time

import pytest

from gristmill.inference.engine import Delta
from gristmill.inference.sampling import TokenLogprob
from gristmill.serving.choices import Choices
from gristmill.serving.exchange import Generation, Rules
from gristmill.serving.provenance import Index, Watcher
from gristmill.tokens.tokenizer import Tokenizer
from tests.made_index import document, write_provenance
from tests.model_folder import tiny_tokenizer

TEXT = " ".join(f"word{number}" for number in range(120))


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return tiny_tokenizer()


def delta(text: str, reason: str | None = None, **more: object) -> Delta:
    return Delta("r", text, (5,), finish_reason=reason, num_prompt=3, **more)


def test_each_choice_ends_by_itself_and_says_nothing_after(tokenizer):
    asked = Generation(prompts=("a", "b"), num_choices=2)
    choices = Choices(asked, [[1], [2]], tokenizer)
    for number in range(4):
        assert choices.has_open
        piece = choices.take(number, delta("x", "stop"))
        assert piece is not None and (piece.index, piece.text) == (number, "x")
    assert not choices.has_open and choices.take(0, delta("y")) is None


def test_rules_end_a_choice_where_the_line_does(tokenizer):
    asked = Generation(prompts=("def f():\n    x = ",), suffix="\n", rules=Rules(extent="line"))
    choices = Choices(asked, [[1]], tokenizer)
    first = choices.take(0, delta("1 + 2\n    y"))
    assert first is not None
    assert (first.text, first.finish_reason) == ("1 + 2", "stop") and not choices.has_open


def test_a_time_budget_ends_what_has_a_whole_line(tokenizer):
    choices = Choices(Generation(prompts=("a",), predict_s=0.001), [[1]], tokenizer)
    assert choices.take(0, delta("no line yet")).finish_reason is None
    time.sleep(0.005)
    assert choices.take(0, delta(" still none")).finish_reason is None
    ended = choices.take(0, delta("\nnow"))
    assert ended.finish_reason == "length" and ended.text == "\nnow"


def test_an_echo_leads_with_the_prompt_and_its_log_probabilities(tokenizer):
    prompt = "def add"
    ids = [tokenizer.special.bos, *tokenizer.encode(prompt)]
    asked = Generation(prompts=(prompt,), echo=True, logprobs=1)
    known = tuple(TokenLogprob(token, -1.0, ((token, -1.0),)) for token in ids[1:])
    found = TokenLogprob(5, -0.5, ((5, -0.5),))
    piece = Choices(asked, [ids], tokenizer).take(
        0, delta("!", prompt_logprobs=known, logprobs=(found,))
    )
    assert piece is not None and piece.text == prompt + "!"
    assert "".join(shown.token for shown in piece.logprobs[:-1]) == prompt
    assert [shown.logprob for shown in piece.logprobs] == [-1.0] * (len(ids) - 1) + [-0.5]


def test_a_prompt_alone_is_scored_without_an_answer(tokenizer):
    asked = Generation(prompts=("def",), echo=True, max_tokens=0)
    ids = [tokenizer.special.bos, *tokenizer.encode("def")]
    piece = Choices(asked, [ids], tokenizer).take(0, delta("dropped", "length"))
    assert piece is not None
    assert (piece.text, piece.num_tokens, piece.finish_reason) == ("def", 0, "length")


@pytest.mark.parametrize("block", [False, True])
def test_text_of_the_corpus_is_told_or_ends_the_answer(tokenizer, tmp_path, block):
    index = Index(write_provenance(tmp_path, [[document("alpha", TEXT)]]))
    watcher = Watcher(index, 40, block=block)
    choices = Choices(Generation(prompts=("a",)), [[1]], tokenizer, watcher)
    shown, last = "", None
    for word in TEXT.split():
        last = choices.take(0, delta(f" {word}"))
        if last is None or last.finish_reason is not None:
            break
        shown += last.text
    if block:
        assert last is not None and last.finish_reason == "content_filter"
        assert len(shown.split()) < 64
    else:
        last = choices.take(0, delta("", "stop"))
        assert shown.split() == TEXT.split()
    assert last is not None and [source.repository for source in last.sources] == ["alpha"]
