"""Texts come back by number, from memory and from disk, whatever slices they came in."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from gristmill.corpus.texts import Texts


@given(
    st.lists(st.lists(st.one_of(st.none(), st.text(max_size=30)), max_size=6), max_size=5),
    st.integers(0, 3),
    st.sampled_from([1, 1000]),
)
def test_what_was_added_is_read(
    columns: list[list[str | None]], skip: int, held_bytes: int
) -> None:
    wanted: list[bytes] = []
    with Texts(held_bytes) as texts:
        for column in columns:
            array = pa.chunked_array([pa.array(column, pa.large_string())]).slice(skip)
            numbers = texts.add(array)
            values = [(text or "").encode() for text in column[skip:]]
            assert list(numbers) == list(range(len(wanted), len(wanted) + len(values)))
            wanted += values
            assert [texts.read(number) for number in range(len(wanted))] == wanted
        assert [texts.size(number) for number in range(len(wanted))] == [*map(len, wanted)]
