"""n-grams against a plain reference, whatever the texts and however they lie in a batch."""

import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.corpus.shingles import lettered_words, ngrams, words_of

TEXTS = st.lists(st.text(alphabet="ab_1 .\n\u00e4", max_size=40), max_size=6)


def reference(text: str, num_words: int, pattern: bytes) -> list[tuple[bytes, ...]]:
    words = re.findall(pattern, text.encode())
    return [tuple(words[i : i + num_words]) for i in range(len(words) - num_words + 1)]


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.integers(1, 4), st.booleans())
def test_equal_ngrams_have_equal_hashes_and_others_differ(
    texts: list[str], num_words: int, whitespace: bool
) -> None:
    pattern = rb"[^\x00-\x20]+" if whitespace else rb"[A-Za-z0-9_\x80-\xff]+"
    wanted = [reference(text, num_words, pattern) for text in texts]
    hashes, offsets = ngrams([text.encode() for text in texts], num_words, whitespace=whitespace)
    assert np.diff(offsets).tolist() == [len(grams) for grams in wanted]
    flat = [gram for grams in wanted for gram in grams]
    assert len(set(flat)) == len(set(hashes.tolist()))
    assert len(set(zip(flat, hashes.tolist(), strict=True))) == len(set(flat))


def test_a_text_s_ngrams_do_not_depend_on_its_neighbours() -> None:
    text = b"one two three four five six"
    alone, _ = ngrams([text], 3)
    among, offsets = ngrams([b"x" * 2_000_000, text, b"", b"a b"], 3)
    assert among[offsets[1] : offsets[2]].tolist() == alone.tolist()


def test_lower_case_folds_ascii_letters() -> None:
    assert (
        words_of([b"Hello World"], lower=True).hashes.tolist()
        == words_of([b"hello world"]).hashes.tolist()
    )


@given(TEXTS)
def test_a_word_of_digits_has_no_letter(texts: list[str]) -> None:
    words = [word for text in texts for (word,) in reference(text, 1, rb"[A-Za-z0-9_\x80-\xff]+")]
    told = lettered_words([text.encode() for text in texts])
    assert told.tolist() == [not word.isdigit() for word in words]
