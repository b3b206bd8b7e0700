import math

from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.tokens.config import Fim
from gristmill.tokens.fim import MASKED_SHARE, Split, infill_prompt, lay_out, split_of
from tests.made_corpus import real_files, small_tokenizer


def split(fim: Fim, text: str, path: str, seed: int = 1, epoch: int = 0) -> Split | None:
    return split_of(fim, len(text), seed=seed, epoch=epoch, repository="r", path=path)


def test_laws_on_a_thousand_real_files() -> None:
    tokenizer = small_tokenizer()
    special = tokenizer.special
    assert len(real_files()) >= 1000
    for path, whole in real_files().items():
        text = whole[:1500]
        found = split(Fim(rate=1.0), text, path)
        assert found is not None and found.mode == "psm"
        pre, mid, suf = found.parts(text)
        assert pre + mid + suf == text
        ids = lay_out(found, tokenizer.encode_batch([pre, mid, suf]), special)
        assert ids.count(special.eos) == 1 and ids[-1] == special.eos
        begin, hole, end = (
            ids.index(token) for token in (special.fim_begin, special.fim_hole, special.fim_end)
        )
        assert begin == 0 < hole < end
        assert tokenizer.decode(ids[1:hole]) == pre
        assert tokenizer.decode(ids[hole + 1 : end]) == suf
        assert tokenizer.decode(ids[end + 1 : -1]) == mid
        assert [special.bos, *ids[: end + 1]] == infill_prompt(tokenizer, pre, suf)


def test_the_rate_lies_within_the_binomial_interval() -> None:
    num = 20_000
    for rate, spm_share in [(0.5, 0.0), (0.5, 0.5), (0.9, 0.25)]:
        fim = Fim(rate=rate, spm_share=spm_share)
        found = [split(fim, "x" * 50, f"{number}.py") for number in range(num)]
        done = [item for item in found if item is not None]
        assert abs(len(done) - num * rate) < 4 * math.sqrt(num * rate * (1 - rate))
        suffix_first = sum(item.mode == "spm" for item in done)
        spread = 4 * math.sqrt(len(done) * spm_share * (1 - spm_share))
        assert abs(suffix_first - len(done) * spm_share) <= spread
    assert all(split(Fim(rate=0.0), "xy", f"{number}") is None for number in range(1000))
    assert all(split(Fim(rate=1.0), "xy", f"{number}") is not None for number in range(1000))


def test_cuts_are_uniform_over_all_places_ends_included() -> None:
    counts = [0] * 6
    for number in range(6000):
        found = split(Fim(rate=1.0), "abcde", str(number))
        assert found is not None
        for cut in found.cuts:
            counts[cut] += 1
    assert sum((count - 2000) ** 2 / 2000 for count in counts) < 25  # chi squared, 5 degrees


def test_the_choice_is_keyed_by_everything_and_pinned() -> None:
    fim = Fim(rate=1.0)
    first = split(fim, "x" * 10**6, "a.py")
    assert first == split(fim, "x" * 10**6, "a.py")
    others = [
        split(fim, "x" * 10**6, "b.py"),
        split(fim, "x" * 10**6, "a.py", seed=2),
        split(fim, "x" * 10**6, "a.py", epoch=1),
        split_of(fim, 10**6, seed=1, epoch=0, repository="s", path="a.py"),
        split_of(fim, 10**6, seed=1, epoch=0, repository="r", path="a.py", piece=1),
    ]
    assert len({first, *others}) == 6
    assert first == Split("psm", PINNED)


def test_a_higher_rate_transforms_the_same_files_and_more() -> None:
    low = {n for n in range(500) if split(Fim(rate=0.3), "abc", str(n))}
    high = {n for n in range(500) if split(Fim(rate=0.6), "abc", str(n))}
    assert low < high


def test_suffix_first_layout_and_its_prompt() -> None:
    tokenizer = small_tokenizer()
    special = tokenizer.special
    parts = tokenizer.encode_batch(["def f(", "x):\n", "    pass\n"])
    pre, mid, suf = parts
    ids = lay_out(Split("spm", (6, 10)), parts, special)
    prompt = infill_prompt(tokenizer, "def f(", "    pass\n", mode="spm")
    assert [special.bos, *ids] == [*prompt, *mid, special.eos]
    assert ids == [
        special.fim_begin, special.fim_hole, *suf, special.fim_end, *pre, *mid, special.eos,
    ]  # fmt: skip


def test_context_stands_before_the_sentinels() -> None:
    tokenizer = small_tokenizer()
    ids = infill_prompt(tokenizer, "a", "<|EOT|>", context="# x.py\n")
    assert ids[: ids.index(tokenizer.special.fim_begin)] == [
        tokenizer.special.bos,
        *tokenizer.encode("# x.py\n"),
    ]
    assert tokenizer.special.eot not in ids


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=6000), st.integers(0, 10**6))
def test_masked_spans_put_the_text_back_together(text: str, number: int) -> None:
    found = split(Fim(rate=1.0, mode="msp"), text, str(number))
    assert found is not None
    parts = found.parts(text)
    assert "".join(parts) == text
    assert len(parts) % 2 == 1
    masked = sum(map(len, parts[1::2]))
    assert masked == round(MASKED_SHARE * len(text))
    ids = lay_out(
        found, [[ord(c) + 1000 for c in part] for part in parts], small_tokenizer().special
    )
    assert len(ids) == len(text) + 2 * len(parts[1::2]) + 2


def test_one_masked_span_is_the_psm_layout() -> None:
    special = small_tokenizer().special
    parts = [[1], [2], [3]]
    assert lay_out(Split("msp", (1, 2)), parts, special) == lay_out(
        Split("psm", (1, 2)), parts, special
    )


PINNED = (551816, 705800)
