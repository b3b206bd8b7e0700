import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.corpus.documents import Document
from gristmill.corpus.imports.model import Edge
from gristmill.tokens.config import Fim
from gristmill.tokens.file_blocks import Layout
from gristmill.tokens.pieces import Pieces, make_pieces
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


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_a_document_of_exactly_a_row_is_not_cut(rate: float) -> None:
    item = document({"a.py": "# a\nx = 1\n" * 9, "b.py": "# b\ny = 2\n" * 9}, header=False)
    (exact,) = pieces_of([item], 4096, Fim(rate=rate)).lengths.tolist()
    assert pieces_of([item], exact, Fim(rate=rate)).lengths.tolist() == [exact]
    assert len(pieces_of([item], exact - 1, Fim(rate=rate)).lengths) > 1


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


def edges(*pairs: tuple[str, str]) -> list[Edge]:
    return [Edge(a, b, "import", "Python", 1) for a, b in pairs]


def test_a_long_document_is_parted_along_its_imports_first() -> None:
    tokenizer = small_tokenizer()
    special = tokenizer.special
    texts = {f"{name}.py": f"{name} = {n}\n" * 12 for n, name in enumerate("abcde")}
    item = document(texts, header=False)
    sizes = [len(tokenizer.encode(text)) for text in texts.values()]
    room = max(sizes) * 2 + 2
    known = edges(("c.py", "a.py"), ("e.py", "d.py"), ("d.py", "b.py"))
    pieces = make_pieces([item], tokenizer, Layout(room, Fim(rate=0.0), 1, 0), lambda _: known)
    texts_of = [tokenizer.decode(ids) for ids in split_up(pieces)]
    a, b, c, d, e = texts.values()
    assert texts_of in ([a + c, b, d + e], [a + c, b + d, e])
    ends = [ids[-1] == special.eos for ids in split_up(pieces)]
    # each component is a document: its end has an eos, the forced cut inside the second has none
    assert ends == [True, False, True]
    assert pieces.counts.cut_documents == 1 and pieces.counts.components == 2
    whole = make_pieces([item], tokenizer, Layout(2000, Fim(rate=0.0), 1, 0), lambda _: known)
    assert len(whole.lengths) == 1 and whole.counts.components == 0


def test_without_known_edges_files_are_cut_as_they_stand() -> None:
    texts = {f"{name}.py": f"{name} = 1\n" * 12 for name in "abcd"}
    room = 2 * max(len(small_tokenizer().encode(text)) for text in texts.values()) + 2
    pieces = pieces_of([document(texts, header=False)], room, Fim(rate=0.0))
    special = small_tokenizer().special
    assert [ids[-1] == special.eos for ids in split_up(pieces)] == [False, True]


@pytest.mark.parametrize("fim", [Fim(rate=0.5), Fim(rate=1.0, line_share=0.4, syntax_share=0.4)])
@pytest.mark.parametrize("length", [256, 2048])
def test_one_eos_closes_a_document_and_one_each_middle(fim: Fim, length: int) -> None:
    special = small_tokenizer().special
    documents = package_documents("networkx", limit=40)
    for item in documents:
        pieces = pieces_of([item], length, fim)
        parts = split_up(pieces)
        middles = sum(ids.count(special.fim_end) for ids in parts)
        closed_by_middle = _ends_transformed(parts[-1])
        assert sum(ids.count(special.eos) for ids in parts) == middles + (not closed_by_middle)
        assert parts[-1][-1] == special.eos
        if len(parts) == 1:
            assert pieces.counts.cut_documents == pieces.counts.cut_files == 0


def test_kinds_of_holes_are_counted() -> None:
    documents = package_documents("networkx", limit=90)
    fim = Fim(rate=1.0, line_share=0.3, syntax_share=0.6, spm_share=0.5)
    counts = pieces_of(documents, 1024, fim).counts
    assert abs(counts.line_holes / counts.transformed - 0.3) < 0.1
    assert abs(counts.syntax_holes / counts.transformed - 0.6) < 0.1
    assert abs(counts.suffix_first / counts.transformed - 0.5) < 0.1


def test_fim_in_the_last_file_alone_stands_behind_the_others() -> None:
    tokenizer = small_tokenizer()
    special = tokenizer.special
    item = document({"a.py": "x = 1\n", "b.py": "y = 2\n", "c.py": "z = x + y\n"}, "o/r")
    (ids,) = split_up(pieces_of([item], 256, Fim(rate=1.0, files="last")))
    at = ids.index(special.fim_begin)
    lead = [special.bos, special.repo_name, *tokenizer.encode("o/r\n")]
    for path, text in [("a.py", "x = 1\n"), ("b.py", "y = 2\n")]:
        lead += [special.file_sep, *tokenizer.encode(f"# {path}\n"), *tokenizer.encode(text)]
    assert ids[:at] == [*lead, special.file_sep, *tokenizer.encode("# c.py\n")]
    assert ids.count(special.eos) == 1 and ids[-1] == special.eos
    (plain,) = split_up(pieces_of([item], 256, Fim(rate=0.0, files="last")))
    assert plain[: len(ids[:at])] == ids[:at] and plain.count(special.eos) == 1
    alone = document({"a.py": "x = 1\n"}, "o/r")
    each, last = (
        pieces_of([alone], 256, Fim(rate=1.0, files=files)).ids.tolist()
        for files in ("each", "last")
    )
    assert each == last


def test_cut_documents_of_the_last_file_layout_hold_everything() -> None:
    special = small_tokenizer().special
    documents = package_documents("networkx", limit=60)
    for length in (200, 1500, 6000):
        for item in documents:
            if not all(file.text.endswith("\n") for file in item.files):
                continue
            pieces = pieces_of([item], length, Fim(rate=0.7, files="last"))
            assert pieces.lengths.max() <= length
            parts = split_up(pieces)
            for ids in parts:
                assert ids.count(special.fim_begin) == ids.count(special.fim_end) <= 1
                if special.fim_begin in ids:
                    assert ids[-1] == special.eos
            found = [untransformed(ids) for ids in parts]
            text = "".join(
                small_tokenizer().decode(_without_lead(ids, item.repository)) for ids in found
            )
            assert text == text_of(item), (length, item.files[0].path)
            assert special.repo_name not in [token for ids in found for token in ids[1:]]


def _without_lead(ids: list[int], repository: str) -> list[int]:
    special = small_tokenizer().special
    if ids[:1] == [special.repo_name]:
        ids = ids[ids.index(special.file_sep) :]
    return [token for token in ids if token != special.file_sep]


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
