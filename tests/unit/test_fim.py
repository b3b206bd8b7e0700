import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gristmill.tokens.config import Fim
from gristmill.tokens.fim import (
    MASKED_SHARE,
    FimKey,
    Split,
    infill_prompt,
    is_chosen,
    lay_out,
    repository_prompt,
    split_of,
)
from tests.made_corpus import real_files, small_tokenizer


def split(fim: Fim, text: str, path: str, seed: int = 1, epoch: int = 0) -> Split | None:
    return split_of(fim, text, FimKey(seed, epoch, "r", path), "Python")


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
        split_of(fim, "x" * 10**6, FimKey(1, 0, "s", "a.py")),
        split_of(fim, "x" * 10**6, FimKey(1, 0, "r", "a.py", piece=1)),
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


def test_being_chosen_is_what_the_split_goes_by() -> None:
    fim = Fim(rate=0.4, line_share=0.5, syntax_share=0.2)
    for number in range(300):
        key = FimKey(1, 0, "r", str(number))
        assert is_chosen(fim, key) == (split_of(fim, "a = 1\nb = 2\n", key, "Python") is not None)


def test_line_holes_are_whole_lines_and_reach_every_place() -> None:
    text = "a = 1\n\nb = \u4e2d\r\n    c()\rd\x0ce\nlast"
    places = {0, 6, 7, 14, 26, len(text)}
    assert [text[at - 1] for at in sorted(places)[1:-1]] == ["\n"] * 4
    seen = set()
    for number in range(400):
        found = split(Fim(rate=1.0, line_share=1.0), text, str(number))
        assert found is not None and found.kind == "line" and "".join(found.parts(text)) == text
        seen.update(found.cuts)
    assert seen == places


def test_syntax_holes_are_whole_nodes() -> None:
    text = "import os  # \u4e2d\u6587\n\n\ndef first(x):\n    return os.path.join(x, '\xe9')\n"
    holes = set()
    for number in range(400):
        found = split(Fim(rate=1.0, syntax_share=1.0), text, str(number))
        assert found is not None and "".join(found.parts(text)) == text
        if found.kind == "syntax":
            holes.add(found.parts(text)[1])
    assert {
        "import os",
        "# \u4e2d\u6587",
        "os.path.join(x, '\xe9')",
        "return os.path.join(x, '\xe9')",
    } <= holes
    assert {"(x)", "x", "'\xe9'", "first"} <= holes and text not in holes
    for hole in holes:
        assert hole.count("(") == hole.count(")") and hole.strip() == hole


def test_shares_of_holes_are_kept_and_others_fall_back() -> None:
    fim = Fim(rate=1.0, line_share=0.3, syntax_share=0.5)
    text = "def f(x):\n    return x\n"
    found = [split(fim, text, str(number)) for number in range(3000)]
    lines, nodes = (sum(s is not None and s.kind == k for s in found) for k in ("line", "syntax"))
    assert abs(lines - 900) < 4 * math.sqrt(3000 * 0.21)
    # the character after the function's last one is in no node, once in every 24
    assert abs(nodes - 1500 * 23 / 24) < 4 * math.sqrt(3000 * 0.25)
    prose = [split_of(fim, text, FimKey(1, 0, "r", str(n)), "Text") for n in range(500)]
    assert {item.kind for item in prose if item} == {"line", "character"}


def test_plain_suffix_first_gives_each_part_its_sentinel() -> None:
    tokenizer = small_tokenizer()
    special = tokenizer.special
    found = split(Fim(rate=1.0, spm_share=1.0, spm_form="plain"), "abcdef", "x")
    assert found is not None and found.mode == "spm_plain"
    pre, mid, suf = parts = tokenizer.encode_batch(["def f(", "x):\n", "    pass\n"])
    ids = lay_out(Split("spm_plain", (6, 10)), parts, special)
    assert ids == [
        special.fim_hole, *suf, special.fim_begin, *pre, special.fim_end, *mid, special.eos,
    ]  # fmt: skip
    prompt = infill_prompt(tokenizer, "def f(", "    pass\n", mode="spm_plain")
    assert [special.bos, *ids] == [*prompt, *mid, special.eos]


def test_a_repository_prompt_sets_files_apart() -> None:
    tokenizer = small_tokenizer()
    special = tokenizer.special
    files = ["# a.py\nx = 1\n", "# b.py\ny = 2\n"]
    ids = repository_prompt(tokenizer, "o/r", files, "z = ", "\n", context="# c.py\n")
    encode = tokenizer.encode
    assert ids == [
        special.bos, special.repo_name, *encode("o/r\n"),
        special.file_sep, *encode(files[0]), special.file_sep, *encode(files[1]),
        special.file_sep, *encode("# c.py\n"),
        special.fim_begin, *encode("z = "), special.fim_hole, *encode("\n"), special.fim_end,
    ]  # fmt: skip


def test_shares_that_do_not_fit_are_an_error() -> None:
    for values in ({"line_share": 0.6, "syntax_share": 0.6}, {"mode": "msp", "spm_share": 0.5}):
        with pytest.raises(ValidationError):
            Fim(**values)  # type: ignore[arg-type]


PINNED = (551816, 705800)
