import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.errors import ModelError
from gristmill.storage import Storage
from gristmill.tokens.special import SPECIAL
from gristmill.tokens.tokenizer import Tokenizer
from tests.made_corpus import real_files, small_tokenizer

TEXTS = st.text() | st.lists(
    st.sampled_from([*SPECIAL.values(), "def f(x):\n", "\t", "  ", "\xfc", "1234", "\U0001f600"])
).map("".join)


@settings(max_examples=250, deadline=None)
@given(TEXTS)
def test_any_text_comes_back_and_never_becomes_special(text: str) -> None:
    tokenizer = small_tokenizer()
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert not set(ids) & tokenizer.special.ids()
    assert b"".join(tokenizer.token_bytes(token) for token in ids) == text.encode()
    assert tokenizer.encode_batch([text]) == [ids]
    assert int(tokenizer.token_sizes[ids].sum()) == len(text.encode()) if ids else text == ""


def test_special_strings_can_be_meant() -> None:
    tokenizer = small_tokenizer()
    ids = tokenizer.encode_with_special("a" + SPECIAL["eot"] + "b")
    assert tokenizer.special.eot in ids
    assert tokenizer.decode(ids) == "ab"
    assert tokenizer.decode(ids, skip_special=False) == "a<|EOT|>b"


def test_vocabulary_covers_all_bytes_and_rounds_up() -> None:
    tokenizer = small_tokenizer()
    found = {tokenizer.token_bytes(token) for token in range(tokenizer.num_tokens)}
    assert {bytes([byte]) for byte in range(256)} <= found
    assert tokenizer.num_tokens == 600 + len(SPECIAL)
    assert tokenizer.vocab_rows == 640
    assert min(tokenizer.special.ids()) == 600
    with pytest.raises(IndexError):
        tokenizer.token_bytes(10_000)


def test_transformers_reads_the_folder_with_equal_ids(tmp_path: Path) -> None:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    transformers = pytest.importorskip("transformers")
    tokenizer = small_tokenizer()
    tokenizer.save(tmp_path, max_position=1 << 20)
    theirs = transformers.AutoTokenizer.from_pretrained(str(tmp_path))
    for text in [*list(real_files().values())[::50], "", "ü 中文", "x\r\n\ty 12"]:
        ids = tokenizer.encode(text)
        assert theirs(text, add_special_tokens=False).input_ids == ids
        assert theirs(text).input_ids == [tokenizer.special.bos, *ids]
        assert theirs.decode(ids) == text
    assert theirs.eos_token_id == tokenizer.special.eos
    assert theirs.pad_token_id == tokenizer.special.pad
    assert theirs.bos_token_id == tokenizer.special.bos


def test_a_saved_folder_loads_as_the_same(tmp_path: Path) -> None:
    small_tokenizer().save(Storage.open(str(tmp_path)))
    loaded = Tokenizer.load(tmp_path)
    assert loaded.digest == small_tokenizer().digest
    assert loaded.special == small_tokenizer().special


def test_folders_that_hold_no_tokenizer_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no .*tokenizer\.json"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="can be read"):
        Tokenizer.load(tmp_path)
    values = json.loads(small_tokenizer().text)
    values["added_tokens"] = [t for t in values["added_tokens"] if t["content"] != "<|EOT|>"]
    (tmp_path / "tokenizer.json").write_text(json.dumps(values))
    with pytest.raises(ModelError, match=r"lacks the reserved tokens '<\|EOT\|>'"):
        Tokenizer.load(tmp_path)
