import random
from pathlib import Path

import numpy as np
import pytest

from gristmill.corpus.documents import Document
from gristmill.serving.provenance import (
    GRAM,
    WINDOW,
    Grams,
    Index,
    Watcher,
    gram_hashes,
    grams_of,
    winnowed,
)
from tests.made_index import document, write_provenance

CERTAIN = GRAM + WINDOW - 1


def _words(chance: random.Random, num: int) -> str:
    return " ".join(f"w{chance.randrange(10**6)}" for _ in range(num))


def _index(folder: Path, units: list[list[Document]]) -> Index:
    return Index(write_provenance(folder, units))


def test_a_run_of_words_has_one_hash_wherever_it_stands():
    words = [f"w{number}" for number in range(40)]
    hashes = gram_hashes(words)
    assert len(hashes) == 40 - GRAM + 1
    assert list(gram_hashes(words[7:30])) == list(hashes[7 : 30 - GRAM + 1])
    assert len(set(hashes.tolist())) == len(hashes)
    assert len(gram_hashes(words[: GRAM - 1])) == 0


@pytest.mark.parametrize("num", [0, 1, 7, 8, 9, 100])
def test_of_neighbours_one_at_least_is_kept(num):
    kept = winnowed(np.random.default_rng(num).integers(0, 2**63, num).astype(np.uint64))
    gaps = np.diff(np.r_[-1, kept, num]) if num else np.array([])
    assert all(gap <= WINDOW for gap in gaps)
    assert num == 0 or len(kept) >= 1


def test_a_copy_is_found_with_its_repository_and_other_text_is_not(tmp_path):
    chance = random.Random(0)
    texts = [_words(chance, 300) for _ in range(6)]
    index = _index(
        tmp_path,
        [[document("alpha", texts[0], texts[1])], [document("beta", texts[2])], []],
    )
    for which, repository, path in ((1, "alpha", "1.py"), (2, "beta", "0.py")):
        copied = " ".join(texts[which].split()[100:180])
        answer = f"{_words(chance, 30)} {copied} {_words(chance, 30)}"
        (found,) = index.find(answer, 60)
        assert (found.repository, found.path, found.licence) == (repository, path, "MIT")
        assert 80 - 2 * (WINDOW - 1) <= found.num_words <= 80
        assert answer[found.start : found.end] in copied
    assert index.find(_words(chance, 500), CERTAIN) == []
    assert index.find(texts[4], CERTAIN) == []
    assert index.find("", CERTAIN) == []


def test_every_copy_that_is_long_enough_is_found_and_none_is_overstated(tmp_path):
    chance = random.Random(1)
    text = _words(chance, 400)
    index = _index(tmp_path, [[document("alpha", text)]])
    words = text.split()
    for _ in range(150):
        length = chance.randrange(GRAM, 90)
        start = chance.randrange(len(words) - length)
        answer = (
            f"{_words(chance, 9)} {' '.join(words[start : start + length])} {_words(chance, 9)}"
        )
        found = index.find(answer, GRAM)
        assert found or length < CERTAIN
        assert all(one.num_words <= length for one in found)


def test_other_blanks_hide_nothing_but_one_changed_word_parts_a_run(tmp_path):
    text = _words(random.Random(2), 120)
    index = _index(tmp_path, [[document("alpha", text)]])
    words = text.split()
    assert index.find("\n\t".join(words), 100)
    words[60] = "changed"
    assert max(one.num_words for one in index.find(" ".join(words), GRAM)) <= 60


def test_text_of_many_repositories_is_told_with_their_number(tmp_path):
    text = _words(random.Random(3), 100)
    index = _index(tmp_path, [[document(f"r{number}", text) for number in range(6)]])
    found = index.find(text, 64)
    assert len(found) == 4 and {one.num_repositories for one in found} == {6}


def test_a_watch_tells_at_the_end_or_ends_the_answer(tmp_path):
    text = _words(random.Random(4), 200)
    index = _index(tmp_path, [[document("alpha", text)]])
    told = Watcher(index, 50).watch()
    pieces = [text[at : at + 7] for at in range(0, len(text), 7)]
    shown = "".join(told.push(piece) for piece in pieces) + told.push("", last=True)
    assert shown == text and told.sources()[0].num_words >= 200 - 2 * WINDOW

    block = Watcher(index, 50, block=True).watch()
    shown = ""
    for piece in pieces:
        shown += block.push(piece)
        if block.blocked:
            break
    assert block.blocked and block.sources()
    assert index.find(shown, 50) == []  # less than the limit was shown
    fine = Watcher(index, 50, block=True).watch()
    other = _words(random.Random(5), 100)
    assert fine.push(other) + fine.push("", last=True) == other


def test_parts_are_joined_to_the_same_bytes_however_they_were_cut(tmp_path):
    chance = random.Random(6)
    documents = [document(f"r{number}", _words(chance, 80)) for number in range(6)]
    whole, _ = grams_of(documents)
    parts = [grams_of([document])[0] for document in documents]
    one = Grams.join([whole], [0])
    six = Grams.join(parts, list(range(6)))
    for name in ("hashes", "files", "positions"):
        assert np.array_equal(getattr(one, name), getattr(six, name))
