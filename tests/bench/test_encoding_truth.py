"""The encoder against Hugging Face's: the same ids, at least ten times as fast; and what rules cost.

    pytest tests/bench/test_encoding_truth.py -m truth

Seconds are CPU seconds of one process, both encoders take turns, the least of several counts. `new` is a
tokenizer that has seen no word yet, `warm` one that goes over other files of the same projects. Bytes per
token are of three vocabularies: learned under DeepSeek-Coder's split rules (ours), learned of the same
size from the same files under cl100k's rules, and cl100k itself, three times as large.
"""

import time
from collections import Counter
from functools import lru_cache
from itertools import islice

import pytest
import tokenizers
from tokenizers import Regex, models, pre_tokenizers, trainers

from gristmill.tokens.bpe import train
from gristmill.tokens.tokenizer import Tokenizer
from gristmill.tokens.words import pre_tokenizer, words_of
from gristmill.tokens.yardsticks import cl100k_tokens
from tests.bench.real_documents import files

pytestmark = [pytest.mark.truth, pytest.mark.timeout(3600)]

SPEED_BAR = 10.0
VOCAB = 32_000
ROUNDS = 3
CL100K_SPLIT = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)


@lru_cache(maxsize=1)
def pairs() -> list[tuple[str, str]]:
    """(language, text) of every third file at hand, up to 6,000."""
    return [(file.language, file.text) for _, file in islice(files(), 0, 18_000, 3)]


@lru_cache(maxsize=1)
def tokenizer_json() -> str:
    return train((text for _, text in pairs()[::5]), VOCAB).text


def parts(num_bytes: int) -> tuple[list[str], list[str]]:
    """Two disjoint samples of texts that no vocabulary was learned from, of about so many bytes each."""
    samples: tuple[list[str], list[str]] = ([], [])
    for sample, first in zip(samples, (1, 2), strict=True):
        held = 0
        for _, text in pairs()[first::5]:
            if held < num_bytes:
                sample.append(text)
                held += len(text.encode())
    return samples


def seconds(tokenizer: Tokenizer, texts: list[str], *, fast: bool) -> float:
    started = time.process_time()
    if fast:
        tokenizer.encode_arrays(texts)
    else:
        for text in texts:
            tokenizer._encode(text)
    return time.process_time() - started


def test_the_encoder_is_exact_and_ten_times_as_fast(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = parts(6_000_000)
    peer = first[:: max(1, len(first) // 150)]
    peer_bytes = sum(len(text.encode()) for text in peer)
    sizes = [sum(len(text.encode()) for text in texts) for texts in (first, second)]
    best: dict[str, float] = {}
    Tokenizer(tokenizer_json()).encode("\u4e2d")  # the characters' classes: once a process
    for _ in range(ROUNDS):
        tokenizer = Tokenizer(tokenizer_json())
        found = {
            "hugging face": peer_bytes / seconds(tokenizer, peer, fast=False),
            "new": sizes[0] / seconds(tokenizer, first, fast=True),
            "warm": sizes[1] / seconds(tokenizer, second, fast=True),
        }
        best = {name: max(rate, best.get(name, 0.0)) for name, rate in found.items()}
    with capsys.disabled():
        print("\nencoder         MB/s a core   ratio")
        for name, rate in best.items():
            print(f"{name:14} {rate / 1e6:12.2f} {rate / best['hugging face']:7.1f}")
    exact = (
        second[:: max(1, len(second) // 300)] + [text for text in first if not text.isascii()][:60]
    )
    assert Tokenizer(tokenizer_json()).agrees_on(exact)
    assert best["warm"] / best["hugging face"] >= SPEED_BAR


@pytest.mark.parametrize("around", ["{}", "a{}a", " {} ", "-{}-", "\u4e2d {}\u4e2d", "\u2192{}1"])
def test_every_character_is_taken_for_what_it_is(around: str) -> None:
    codes = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    for start in range(0, len(codes), 256):
        text = "\n".join(around.format(chr(code)) for code in codes[start : start + 256])
        places = [place for _, place in pre_tokenizer().pre_tokenize_str(text)]
        assert words_of(text) == [text[a:b] for a, b in places], hex(codes[start])


def learned_under_cl100k_rules(texts: list[str]) -> tokenizers.Tokenizer:
    raw = tokenizers.Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(CL100K_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=[],
        show_progress=False,
    )
    raw.train_from_iterator(texts, trainer=trainer)
    return raw


def test_what_the_rules_cost(capsys: pytest.CaptureFixture[str]) -> None:
    ours = Tokenizer(tokenizer_json())
    theirs = learned_under_cl100k_rules([text for _, text in pairs()[::5]])
    sizes: dict[str, Counter[str]] = {}
    for language, text in pairs()[1::10]:
        size = sizes.setdefault(language, Counter())
        size["bytes"] += len(text.encode())
        size["ours"] += len(ours.encode(text))
        size["words"] += len(words_of(text))
        size["rules"] += len(theirs.encode(text).ids)
        size["cl100k"] += cl100k_tokens(text)
    everything: Counter[str] = Counter()
    for size in sizes.values():
        everything.update(size)
    largest = sorted(sizes.items(), key=lambda item: -item[1]["bytes"])[:10]
    with capsys.disabled():
        print("\nlanguage              MB   ours 32k  (words)  cl100k's rules 32k   cl100k 100k")
        for language, size in [*largest, ("all", everything)]:
            each = {name: size["bytes"] / max(size[name], 1) for name in size}
            print(
                f"{language:18} {size['bytes'] / 1e6:5.2f} {each['ours']:10.3f} {each['words']:8.3f}"
                f" {each['rules']:19.3f} {each['cl100k']:13.3f}"
            )
    assert everything["ours"] >= everything["words"]
