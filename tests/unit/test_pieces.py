import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.corpus.documents import Document
from gristmill.tokens.config import Fim
from gristmill.tokens.pieces import Layout, Pieces, make_pieces
from tests.made_corpus import document, package_documents, small_tokenizer


def pieces_of(documents: list[Document], length: int, fim: Fim, epoch: int = 0) -> Pieces:
    return make_pieces(documents, small_tokenizer(), Layout(length, fim, 1, epoch))


def split_up(pieces: Pieces) -> list[list[int]]:
    return [part.tolist() for part in np.split(pieces.ids, np.cumsum(pieces.lengths)[:-1])]


def untransformed(ids: list[int]) -> list[int]:
    """Undo PSM: put each middle back; drop bos, sentinels and the eos that closes a middle."""
    special = small_tokenizer().special
    out: list[int] = []
    at = 0
    while at < len(ids):
        if ids[at] == special.fim_begin:
            hole = ids.index(special.fim_hole, at)
            end = ids.index(special.fim_end, hole)
            stop = ids.index(special.eos, end)
            out += ids[at + 1 : hole] + ids[end + 1 : stop] + ids[hole + 1 : end]
            at = stop + 1
        else:
            out += [ids[at]] if ids[at] not in (special.bos, special.eos) else []
            at += 1
    return out


def text_of(item: Document) -> str:
    texts = [file.header + file.text for file in item.files]
    return "".join(texts)


FILES = st.dictionaries(
    st.sampled_from(["a.py", "b/c.py", "d.py"]),
    st.lists(st.sampled_from(["x = 1\n", "\n", "\u4e2d\u6587 # y\n", "return foo(bar)", "z" * 70]))
    .map("".join)
    .filter(bool),
    min_size=1,
)


@settings(max_examples=150, deadline=None)
@given(FILES, st.integers(24, 120), st.sampled_from([0.0, 0.5, 1.0]), st.booleans())
def test_pieces_fit_and_hold_every_character(
    files: dict[str, str], length: int, rate: float, header: bool
) -> None:
    files = {path: text if text.endswith("\n") else text + "\n" for path, text in files.items()}
    item = document(files, header=header)
    pieces = pieces_of([item], length, Fim(rate=rate))
    assert pieces.lengths.max() <= length and pieces.lengths.min() >= 2
    special = small_tokenizer().special
    parts = split_up(pieces)
    assert all(ids[0] == special.bos and ids.count(special.bos) == 1 for ids in parts)
    assert all(ids.count(special.fim_begin) == ids.count(special.fim_end) for ids in parts)
    assert parts[-1][-1] == special.eos
    text = small_tokenizer().decode([token for ids in parts for token in untransformed(ids)])
    if pieces.counts.headers_left_out:
        assert all(file.text in text for file in item.files)
    else:
        assert text == text_of(item)
    closed = sum(ids.count(special.fim_begin) for ids in parts)
    assert closed == pieces.counts.transformed
    assert sum(ids.count(special.eos) for ids in parts) == closed + (
        parts[-1][-1] == special.eos and not _ends_transformed(parts[-1])
    )


def _ends_transformed(ids: list[int]) -> bool:
    special = small_tokenizer().special
    if special.fim_end not in ids:
        return False
    last = len(ids) - 1 - ids[::-1].index(special.fim_end)
    return ids.index(special.eos, last) == len(ids) - 1


def test_a_document_that_fits_is_one_piece() -> None:
    item = document({"a.py": "# a\nx = 1\n", "b.py": "# b\ny = 2"}, header=False)
    tokenizer = small_tokenizer()
    (ids,) = split_up(pieces_of([item], 64, Fim(rate=0.0)))
    text = "# a\nx = 1\n# b\ny = 2"
    assert ids == [tokenizer.special.bos, *tokenizer.encode(text), tokenizer.special.eos]
    exact = len(ids)
    assert len(pieces_of([item], exact, Fim(rate=0.0)).lengths) == 1
    cut = pieces_of([item], exact - 1, Fim(rate=0.0))
    assert len(cut.lengths) == 2 and cut.counts.cut_documents == 1 and cut.counts.cut_files == 0


def test_files_are_cut_at_line_ends() -> None:
    text = "".join(f"value_{n} = compute({n})\n" for n in range(300))
    pieces = pieces_of([document({"long.py": text})], 128, Fim(rate=0.0))
    assert pieces.counts.cut_files == 1
    newline = small_tokenizer().encode("\n")[0]
    assert all(ids[-1] == newline for ids in split_up(pieces)[:-1])
    assert pieces.lengths[:-1].min() > 128 - 30


@pytest.mark.parametrize(
    "fim", [Fim(rate=1.0), Fim(rate=1.0, mode="msp"), Fim(rate=1.0, spm_share=1)]
)
def test_long_files_are_transformed_piece_by_piece(fim: Fim) -> None:
    documents = package_documents("networkx", limit=60)
    pieces = pieces_of(documents, 1024, fim)
    counts = pieces.counts
    assert counts.cut_files > 20 and pieces.lengths.max() <= 1024
    assert counts.transformed / counts.spans > 0.98
    assert counts.transformed + counts.untransformed == counts.spans


def test_real_documents_come_back_exactly_and_at_the_rate() -> None:
    documents = [item for item in package_documents("networkx", limit=120) if item.split == "train"]
    pieces = pieces_of(documents, 512, Fim(rate=0.5))
    counts = pieces.counts
    spread = 4 * (0.25 / counts.spans) ** 0.5
    assert abs(counts.transformed / counts.spans - 0.5) < spread
    ids = [token for part in split_up(pieces) for token in untransformed(part)]
    joined = "".join(
        file.header + file.text + ("" if last or file.text.endswith("\n") else "\n")
        for item in documents
        for last, file in zip([*[False] * (len(item.files) - 1), True], item.files, strict=True)
    )
    assert small_tokenizer().decode(ids) == joined
    assert counts.tokens == len(pieces.ids) and counts.files == sum(len(d.files) for d in documents)


def test_units_do_not_matter_and_epochs_do() -> None:
    documents = package_documents("networkx", limit=30)
    whole = pieces_of(documents, 256, Fim(rate=0.5))
    halves = [pieces_of(part, 256, Fim(rate=0.5)) for part in (documents[:4], documents[4:])]
    assert np.array_equal(whole.ids, np.concatenate([part.ids for part in halves]))
    assert np.array_equal(whole.lengths, np.concatenate([part.lengths for part in halves]))
    again = pieces_of(documents, 256, Fim(rate=0.5), epoch=1)
    assert not np.array_equal(whole.ids, again.ids)
    plain = [pieces_of(documents, 256, Fim(rate=0.0), epoch=e).ids for e in (0, 1)]
    assert np.array_equal(plain[0], plain[1])


@pytest.mark.parametrize("mode", ["psm", "msp"])
def test_the_guess_at_long_files_never_shows(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = package_documents("networkx", limit=60)
    fim = Fim(rate=0.7, mode=mode)  # type: ignore[arg-type]
    found = []
    for long in (0, 3, 10**6):
        monkeypatch.setattr("gristmill.tokens.pieces._LONG", long)
        found.append(pieces_of(documents, 2048, fim))
    assert np.array_equal(found[0].ids, found[1].ids)
    assert np.array_equal(found[0].ids, found[2].ids)
    assert found[0].counts == found[1].counts == found[2].counts
