import json

from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.tokens.words import WordEncoder
from tests.made_corpus import real_files, small_tokenizer

ODD = st.sampled_from(
    [*map(chr, range(128)), " ", "\n", "\r\n", "\t", "\xe9", "\x85", "\xa0", "\u4e2d"]
)


def reference(text: str) -> list[int]:
    return small_tokenizer()._encode(text)


@settings(max_examples=600, deadline=None)
@given(st.lists(ODD).map("".join) | st.text())
def test_words_give_the_tokenizers_ids(text: str) -> None:
    assert small_tokenizer().encode(text) == reference(text)


def test_real_files_get_the_tokenizers_ids() -> None:
    texts = list(real_files().values())[::40]
    assert any(not text.isascii() for text in real_files().values())
    texts += [text for text in real_files().values() if not text.isascii()][:5]
    assert small_tokenizer().encode_batch(texts) == [reference(text) for text in texts]


def test_another_split_sequence_is_not_served() -> None:
    values = json.loads(small_tokenizer().text)
    assert WordEncoder.of(values, reference) is not None
    values["pre_tokenizer"]["pretokenizers"].pop(0)
    assert WordEncoder.of(values, reference) is None
