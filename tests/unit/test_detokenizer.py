from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.inference.detokenizer import Detokenizer

BYTES = [bytes([value]) for value in range(256)]


def _told(pieces: list[bytes], stop: tuple[str, ...] = ()) -> tuple[list[str], bool]:
    detokenizer = Detokenizer(pieces.__getitem__, stop)
    shown: list[str] = []
    for number in range(len(pieces)):
        shown.append(detokenizer.push(number))
        if detokenizer.stopped:
            break
    shown.append(detokenizer.finish())
    return shown, detokenizer.stopped


def test_a_character_is_shown_when_it_is_whole():
    snowman = "\u2603".encode()
    assert _told([b"a", snowman[:1], snowman[1:2], snowman[2:], b"b"])[0] == [
        "a", "", "", "\u2603", "b", "",
    ]  # fmt: skip


def test_an_incomplete_character_at_the_end_is_replaced():
    assert _told([b"a", b"\xe2"])[0] == ["a", "", "\ufffd"]


def test_a_stop_text_across_tokens_is_found_and_not_shown():
    assert _told([b"x\n", b"\n", b"de", b"f y"], ("\n\ndef",)) == (["x", "", "", "", ""], True)


def test_what_only_looks_like_a_stop_is_shown_after_all():
    shown, stopped = _told([b"a\n", b"\nclass"], ("\n\ndef",))
    assert ("".join(shown), stopped) == ("a\n\nclass", False)
    assert shown[0] == "a"


def test_the_first_of_several_stops_counts():
    assert _told([b"abcdef"], ("de", "bc")) == (["a", ""], True)


@given(
    st.text(max_size=60),
    st.lists(st.text(min_size=1, max_size=4), max_size=16),
    st.lists(st.integers(1, 5), max_size=80),
)
@settings(max_examples=200, deadline=None)
def test_pieces_join_to_the_text_before_the_first_stop(text, stops, cuts):
    data = text.encode()
    pieces: list[bytes] = []
    for cut in [*cuts, len(data)]:
        if data:
            pieces.append(data[:cut])
            data = data[cut:]
    shown, stopped = _told(pieces, tuple(stops))
    joined = "".join(shown)
    if not stopped:
        assert joined == text
        assert not any(stop in text for stop in stops)
        return
    assert text.startswith(joined)
    assert not any(stop in joined for stop in stops)
    assert any(text[len(joined) :].startswith(stop) for stop in stops)
