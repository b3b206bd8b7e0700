import json
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.tokens.tokenizer import Tokenizer
from gristmill.tokens.words import WordEncoder, pre_tokenizer, words_of
from tests.made_corpus import real_files, small_tokenizer

ODD = st.sampled_from(
    [
        *map(chr, range(128)),
        " ",
        "\n",
        "\r\n",
        "\t",
        "\xe9",
        "\x85",
        "\xa0",
        "\u4e2d",
        "\u2028",
        "\u3000",
        "\u2192",
        "\u0967",
        "\u2160",
        "\uac00",
        "\u0301",
        "\u20ac",
        "\u2014",
        "\u0378",
        "\U0001f600",
    ]
)


def reference(text: str) -> list[int]:
    return small_tokenizer()._encode(text)


@settings(max_examples=600, deadline=None)
@given(st.lists(ODD).map("".join) | st.text())
def test_words_are_those_of_the_rules(text: str) -> None:
    places = [place for _, place in pre_tokenizer().pre_tokenize_str(text)]
    assert words_of(text) == [text[start:end] for start, end in places]


def test_every_character_is_taken_for_what_it_is() -> None:
    for start in range(0, 0x3100, 64):
        text = "".join(f"a {chr(code)}{chr(code)}a\n" for code in range(start, start + 64))
        places = [place for _, place in pre_tokenizer().pre_tokenize_str(text)]
        assert words_of(text) == [text[first:end] for first, end in places]


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


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(ODD | st.characters(exclude_categories=["Cs"])).map("".join), max_size=6))
def test_texts_of_a_batch_do_not_touch(texts: list[str]) -> None:
    found = small_tokenizer().encode_batch(texts)
    assert found == [reference(text) for text in texts]


def test_long_words_and_many_new_ones() -> None:
    rng = random.Random(1)
    words = ["".join(rng.choices("abcdefgh_", k=rng.randint(1, 40))) for _ in range(30_000)]
    text = "\n".join(f"{' ' * (n % 50)}{word}" for n, word in enumerate(words)) + " " * 200
    assert small_tokenizer().encode(text) == reference(text)
    assert small_tokenizer().encode(text) == reference(text)


def test_chunks_and_forgetting_never_show(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = list(real_files().values())[:30]
    expected = [reference(text) for text in texts]
    monkeypatch.setattr("gristmill.tokens.words.MAX_WORDS", 500)
    monkeypatch.setattr("gristmill.tokens.words.CHUNK_CHARS", 10_000)
    encoder = Tokenizer(small_tokenizer().text)
    assert encoder.encode_batch(texts) == expected
    assert [encoder.encode(text) for text in texts] == expected


def test_words_that_share_a_number_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "gristmill.tokens.words.joined_keys", lambda keys: keys[0] & np.uint64(0xFF)
    )
    text = "alpha axe beta bet b a apple\n" * 3
    assert Tokenizer(small_tokenizer().text).encode(text) == reference(text)
