import gzip
import hashlib
import importlib.util
from pathlib import Path

from gristmill.tokens.yardsticks import Tally, cl100k_tokens, tally_of
from tests.made_corpus import real_files, small_tokenizer


def test_the_ranks_are_those_openai_publishes() -> None:
    spec = importlib.util.find_spec("bpe_openai")
    assert spec is not None and spec.origin is not None
    data = (Path(spec.origin).parent / "data" / "cl100k_base.tiktoken.gz").read_bytes()
    published = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
    assert hashlib.sha256(gzip.decompress(data)).hexdigest() == published


def test_cl100k_counts_what_tiktoken_counts() -> None:
    # counted by tiktoken 0.14.0 with the same ranks
    assert cl100k_tokens("hello world") == 2
    assert cl100k_tokens(" def f(x):\n    return x") == 7
    assert cl100k_tokens("<|endoftext|>") == 7


def test_languages_are_told_apart_and_words_bound_tokens() -> None:
    texts = list(real_files().values())[:40]
    pairs = [("Python" if n % 3 else "C", text) for n, text in enumerate(texts)]
    found = tally_of(pairs, small_tokenizer())
    assert set(found) == {"C", "Python"}
    total = Tally()
    for tally in found.values():
        total.add(tally)
        figures = tally.figures()
        assert figures["bytes_per_token"] <= figures["deepseek_coder_bytes_per_word"]
    assert total.num_bytes == sum(len(text.encode()) for text in texts)
    assert total.tokens == sum(len(small_tokenizer().encode(text)) for text in texts)
    assert Tally().figures()["bytes_per_token"] == 0
