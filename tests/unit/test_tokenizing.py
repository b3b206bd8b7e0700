import pytest

from gristmill.errors import RequestError
from gristmill.serving.exchange import ModelCard
from gristmill.serving.protocols import read
from gristmill.serving.tokenizing import DetokenizeBody, TokenizeBody

CARD = ModelCard("tiny", "completion", "tiny@1", 0, 512, fim=True)


def test_each_form_is_answered_in_its_own():
    native, other = TokenizeBody(content="x"), TokenizeBody(prompt="x")
    assert native.text == other.text == "x"
    assert native.answer([5], CARD) == {"tokens": [5]}
    assert other.answer([5], CARD) == {"count": 1, "max_model_len": 512, "tokens": [5]}


def test_bos_leads_by_default_in_one_form_only():
    assert not TokenizeBody(content="x").adds_bos and TokenizeBody(prompt="x").adds_bos
    assert TokenizeBody(content="x", add_special=True).adds_bos
    assert not TokenizeBody(prompt="x", add_special_tokens=False).adds_bos


@pytest.mark.parametrize(
    "values", [{}, {"content": "x", "prompt": "y"}, {"content": "x", "with_pieces": True}]
)
def test_what_is_not_one_text_is_refused(values):
    with pytest.raises(RequestError):
        read(TokenizeBody, values)


@pytest.mark.parametrize("tokens", [[1.5], ["1"], [True], None])
def test_ids_are_whole_numbers(tokens):
    with pytest.raises(RequestError, match="tokens"):
        read(DetokenizeBody, {"tokens": tokens})
