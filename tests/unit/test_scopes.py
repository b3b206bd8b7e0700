"""Where names are bound: the union of spans is what the spans say one by one."""

from hypothesis import given
from hypothesis import strategies as st

from gristmill.corpus.imports.scopes import Bound

SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).map(sorted).map(tuple))


@given(SPANS, st.integers(-1, 31))
def test_a_place_is_bound_where_any_span_holds_it(spans: list[tuple[int, int]], place: int) -> None:
    assert (place in Bound(spans)) == any(start <= place < end for start, end in spans)
