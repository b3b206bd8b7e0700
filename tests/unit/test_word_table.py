import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.tokens.word_table import MAX_BYTES, WordTable, keys_of

WORDS = st.lists(st.binary(min_size=1, max_size=MAX_BYTES).filter(lambda w: 0 not in w), min_size=1)


def keyed(words: list[bytes]) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    data = np.frombuffer(b"".join(words) + bytes(MAX_BYTES), np.uint8)
    lengths = np.array([len(word) for word in words])
    return keys_of(data, np.cumsum(lengths) - lengths, lengths)


@settings(deadline=None)
@given(WORDS)
def test_keys_are_the_words(words: list[bytes]) -> None:
    first, second = keyed(words)
    pairs = zip(first.tolist(), second.tolist(), strict=True)
    back = [(a | b << 64).to_bytes(16, "little").rstrip(b"\0") for a, b in pairs]
    assert back == words


@settings(max_examples=50, deadline=None)
@given(st.lists(WORDS, max_size=4))
def test_what_was_put_is_found(batches: list[list[bytes]]) -> None:
    table = WordTable()
    known: dict[bytes, int] = {}
    for words in batches:
        found = table.find(keyed(words)).tolist()
        assert found == [known.get(word, -1) for word in words]
        new = sorted(set(words) - set(known))
        entries = [table.add_entry([len(word), *word]) for word in new]
        if new:
            table.put(keyed(new), np.array(entries))
        known |= dict(zip(new, entries, strict=True))
        entries_found = table.find(keyed(words))
        ids, begins = table.ids_of(entries_found)
        each = [ids[a:b].tolist() for a, b in itertools.pairwise(begins)]
        assert each == [[len(word), *word] for word in words]


def test_it_grows() -> None:
    words = [b"%d" % number for number in range(300_000)]
    table = WordTable()
    for start in range(0, len(words), 70_000):
        part = words[start : start + 70_000]
        table.put(keyed(part), np.array([table.add_entry([len(word)]) for word in part]))
    assert np.array_equal(table.find(keyed(words)), np.arange(len(words)))
    assert table.find(keyed([b"x", b"300000"])).tolist() == [-1, -1]
