"""FIM and packing on real documents: every text comes back, the rate is kept, rows are full.

    pytest tests/bench/test_tokens_truth.py -m truth

A hundred thousand files are taken through `make_pieces` and read back from the ids alone, in every
layout; ten thousand documents of one to eight files are packed. Bars: all texts equal, no FIM sample in
two rows, the realised rate within four standard deviations, rows of 4,096 at least 99.5 % full. In rows
of 512, a laptop's, most files are cut, and a cut at a line's end leaves half a line free.
"""

import math
import os
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

import numpy as np
import pytest
from numpy.typing import NDArray

from gristmill.tokens.bpe import train
from gristmill.tokens.config import Fim
from gristmill.tokens.file_blocks import Layout
from gristmill.tokens.fim import FimKey, is_chosen
from gristmill.tokens.packing import pack
from gristmill.tokens.pieces import Counts, make_pieces
from gristmill.tokens.tokenizer import Tokenizer
from tests.bench.real_documents import documents

pytestmark = [pytest.mark.truth, pytest.mark.timeout(3600)]

NUM_DOCUMENTS = int(os.environ.get("GRISTMILL_BENCH_DOCUMENTS", "100000"))
NUM_PACKED = 10_000
FILL_BAR = 0.995
UNIT = 1000
LAYOUTS = [
    Fim(rate=0.5),
    Fim(rate=0.5, spm_share=0.5),
    Fim(rate=0.5, spm_share=1.0, spm_form="plain"),
    Fim(rate=0.5, line_share=0.5, syntax_share=0.5),
    Fim(rate=0.5, mode="msp"),
]
"""The documents take turns."""


@lru_cache(maxsize=1)
def tokenizer() -> Tokenizer:
    return train((item.files[0].text for item in islice(documents(4000), 0, None, 10)), 8192)


class Bytes:
    """The bytes of token ids, all at once."""

    def __init__(self, of: Tokenizer) -> None:
        parts = [of.token_bytes(token) for token in range(of.num_tokens)]
        self.flat = np.frombuffer(b"".join(parts), np.uint8)
        self.ends = np.concatenate([[0], np.cumsum([len(part) for part in parts])])

    def __call__(self, ids: NDArray[np.uint32]) -> bytes:
        start, size = self.ends[ids], np.diff(self.ends)[ids]
        ends = np.cumsum(size)
        where = np.repeat(start - (ends - size), size) + np.arange(int(size.sum()))
        return self.flat[where].tobytes()


def restored(ids: NDArray[np.uint32], of: Tokenizer) -> Iterator[NDArray[np.uint32]]:
    """Yield a piece's ids in reading order, without bos, sentinels and eos, FIM undone."""
    special = of.special
    ids = ids[1:]
    opens = [special.fim_begin, special.fim_hole]
    while len(ids):
        begins = np.flatnonzero(np.isin(ids, opens))
        if not len(begins):
            yield ids[:-1] if ids[-1] == special.eos else ids
            return
        begin = int(begins[0])
        yield ids[:begin]
        end = int(np.flatnonzero(ids == special.fim_end)[0])
        stop = end + int(np.flatnonzero(ids[end:] == special.eos)[0])
        before, after = ids[begin:end], ids[end + 1 : stop]
        yield from _undone(before, after, of)
        ids = ids[stop + 1 :]


def _undone(
    before: NDArray[np.uint32], after: NDArray[np.uint32], of: Tokenizer
) -> Iterator[NDArray[np.uint32]]:
    """Yield the parts of one FIM sample from what stands before and after fim_end."""
    special = of.special
    if before[0] == special.fim_hole:  # plain suffix first: hole suffix begin prefix | middle
        begins = np.flatnonzero(before == special.fim_begin)
        suffix, prefix = before[1 : begins[0]], before[begins[0] + 1 :]
        yield from (prefix, after, suffix)
        return
    kept = np.split(before, np.flatnonzero(before == special.fim_hole))
    holes = np.split(after, np.flatnonzero(after == special.fim_hole))
    kept = [part[1:] for part in kept]  # each begins with its sentinel
    holes = [holes[0], *(part[1:] for part in holes[1:])]
    if len(before) > 1 and before[1] == special.fim_hole and not len(kept[0]) and len(kept) == 2:
        # psm with an empty prefix looks the same as suffix first: both read prefix+middle, suffix
        yield from (after, kept[1])
        return
    for number, part in enumerate(kept):
        yield part
        if number < len(holes):
            yield holes[number]


@pytest.mark.parametrize("sequence_length", [2048])
def test_every_text_comes_back(sequence_length: int, capsys: pytest.CaptureFixture[str]) -> None:
    of = tokenizer()
    to_bytes = Bytes(of)
    counts = [Counts() for _ in LAYOUTS]
    wrong: list[str] = []
    torn = seen = 0
    source = documents(NUM_DOCUMENTS)
    for number, unit in enumerate(iter(lambda: list(islice(source, UNIT)), [])):
        which = number % len(LAYOUTS)
        made = make_pieces(unit, of, Layout(sequence_length, LAYOUTS[which], 1234, number))
        counts[which].add(made.counts)
        seen += len(unit)
        found: list[list[NDArray[np.uint32]]] = [[] for _ in unit]
        pieces = np.split(made.ids, np.cumsum(made.lengths)[:-1])
        for owner, ids in zip(made.documents.tolist(), pieces, strict=True):
            begins = int((ids == of.special.fim_begin).sum())
            torn += begins != int((ids == of.special.fim_end).sum()) or len(ids) > sequence_length
            found[owner] += restored(ids, of)
        for item, parts in zip(unit, found, strict=True):
            (file,) = item.files
            if to_bytes(np.concatenate(parts)) != (file.header + file.text).encode():
                wrong.append(file.path)
    if seen < NUM_DOCUMENTS:
        pytest.skip(f"only {seen} of {NUM_DOCUMENTS} files are at hand")
    with capsys.disabled():
        print(f"\n{NUM_DOCUMENTS} documents, rows of {sequence_length}")
        print("layout                 documents   spans  transformed   rate  sd from 0.5  plain")
        for fim, count in zip(LAYOUTS, counts, strict=True):
            away = (count.transformed + count.untransformed - 0.5 * count.spans) / math.sqrt(
                0.25 * max(count.spans, 1)
            )
            print(
                f"{_name(fim):22} {count.documents:9} {count.spans:7} {count.transformed:12} "
                f"{count.transformed / max(count.spans, 1):6.4f} {away:12.2f} "
                f"{count.untransformed:6}"
            )
            assert abs(away) < 4
        print(f"texts that do not come back: {len(wrong)}; samples in two rows: {torn}")
    assert not wrong, wrong[:5]
    assert torn == 0


def _name(fim: Fim) -> str:
    if fim.mode == "msp":
        return "msp"
    if fim.line_share:
        return "lines and syntax nodes"
    return "psm" if not fim.spm_share else f"spm {fim.spm_share} {fim.spm_form}"


def test_files_of_a_document_choose_independently() -> None:
    fim = Fim(rate=0.5)
    patterns = np.zeros(8)
    for item in documents(4000, lambda _: 3):
        if len(item.files) == 3:
            chosen = [is_chosen(fim, FimKey(1, 0, item.repository, f.path)) for f in item.files]
            patterns[sum(bit << place for place, bit in enumerate(chosen))] += 1
    expected = patterns.sum() / 8
    chi = float(((patterns - expected) ** 2 / expected).sum())
    assert chi < 24.3  # 7 degrees of freedom, one in a thousand


@pytest.mark.parametrize(("sequence_length", "bar"), [(512, 0.95), (4096, FILL_BAR)])
def test_rows_are_full(
    sequence_length: int, bar: float, capsys: pytest.CaptureFixture[str]
) -> None:
    of = tokenizer()
    special = of.special
    items = list(documents(NUM_PACKED, lambda number: 1 + number % 4))
    made = make_pieces(items, of, Layout(sequence_length, Fim(), 1234, 0))
    plan = pack(made.lengths, sequence_length)
    sizes = np.concatenate([made.lengths[plan.row(row)] for row in range(plan.num_rows)])
    held = np.add.reduceat(sizes, plan.offsets[:-1])
    assert held.max() <= sequence_length
    assert np.array_equal(np.sort(plan.pieces), np.arange(len(made.lengths)))
    # in a row long enough for all of them nothing is cut: what each document takes, whole
    whole = make_pieces(items, of, Layout(1 << 24, Fim(), 1234, 0))
    assert len(whole.lengths) == len(items)
    pieces_each = np.bincount(made.documents, minlength=len(items))
    assert ((pieces_each == 1) == (whole.lengths <= sequence_length)).all()
    middles = (whole.ids == special.fim_end).sum()
    ends = np.cumsum(whole.lengths) - 1
    closings = (whole.ids == special.eos).sum() - middles
    after_middle = sum(_ends_in_a_middle(ids, of) for ids in np.split(whole.ids, ends[:-1] + 1))
    assert (whole.ids[ends] == special.eos).all() and closings == len(items) - after_middle
    cut = int((pieces_each > 1).sum())
    with capsys.disabled():
        print(
            f"\nrows of {sequence_length}: {len(items)} documents, {cut} longer than a row, "
            f"{len(made.lengths)} pieces in {plan.num_rows} rows, "
            f"{100 * plan.fill:.3f} % full (concatenated: {_sliced(made.lengths, sequence_length)})"
        )
    assert plan.fill >= bar


def _ends_in_a_middle(ids: NDArray[np.uint32], of: Tokenizer) -> bool:
    last = np.flatnonzero(ids == of.special.fim_end)
    if not len(last):
        return False
    return bool((ids[last[-1] :] == of.special.eos).sum() == 1)


def _sliced(lengths: NDArray[np.int64], row: int) -> str:
    """Return how many pieces concatenate-and-cut would tear, of those that fit a row."""
    ends = np.cumsum(lengths)
    torn = ((ends - 1) // row != (ends - lengths) // row).sum()
    return f"{100 * torn / len(lengths):.1f} % of them torn"
