import json

import pytest

from gristmill.errors import ModelError, RecipeError
from gristmill.tokens.bpe import adopt, sample_key, sample_threshold, train
from gristmill.tokens.special import SPECIAL
from tests.made_corpus import real_files, small_tokenizer


def test_order_of_texts_and_threads_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = list(real_files().values())[:30]
    first = train(texts, 500).text
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    assert train(reversed(texts), 500).text == first


def test_newlines_and_digits_stand_alone() -> None:
    tokenizer = train(["x = 1234\n\n\n    return 99\r\n" * 200], 400)
    for token in sorted(set(range(tokenizer.num_tokens)) - tokenizer.special.ids()):
        data = tokenizer.token_bytes(token)
        assert len(data) == 1 or not set(data) & set(b"\r\n0123456789")


def test_a_small_text_gives_a_small_vocabulary() -> None:
    assert train(["aab aab"], 5000).num_tokens < 300
    with pytest.raises(RecipeError, match="train split is empty"):
        train([], 300)


def test_the_sample_is_the_smallest_keys_that_fill_it() -> None:
    keys = [sample_key(1, f"d{number}", "a.py") for number in range(100)]
    sizes = [10] * 100
    threshold = sample_threshold(keys, sizes, 205)
    assert sum(key <= threshold for key in keys) == 21
    assert sample_threshold(keys[::-1], sizes, 205) == threshold
    assert sample_threshold(keys, sizes, 10**9) == max(keys)
    assert sample_threshold([], [], 10) == -1


def test_a_foreign_tokenizer_is_given_the_reserved_tokens() -> None:
    values = json.loads(small_tokenizer().text)
    values["added_tokens"] = []
    values["pre_tokenizer"] = {
        "type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True,
    }  # fmt: skip
    adopted = adopt(json.dumps(values), "theirs")
    text = "def f():\n\treturn 12 <|EOT|> \xfc"
    assert adopted.decode(adopted.encode(text)) == text
    assert len(adopted.special.ids()) == len(SPECIAL)
    values["normalizer"] = {"type": "Sequence", "normalizers": []}
    assert adopt(json.dumps(values), "theirs").encode(text) == adopted.encode(text)
    values["normalizer"] = {"type": "NFC"}
    with pytest.raises(ModelError, match="normalises text"):
        adopt(json.dumps(values), "theirs")
    values["decoder"] = {"type": "Fuse"}
    with pytest.raises(ModelError, match="only byte-level BPE"):
        adopt(json.dumps(values), "theirs")
    with pytest.raises(ModelError, match="can be read"):
        adopt("[]", "theirs")
