"""Bytes to text, or the reason why not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.corpus.text import decode


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"a = 1\n", "a = 1\n"),
        (b"\xef\xbb\xbfa\n", "a\n"),
        (b"a\r\nb\rc\n", "a\nb\nc\n"),
        ("\u00e4\n".encode("utf-16"), "\u00e4\n"),
        (b"\xfe\xff" + "\u00e4\n".encode("utf-16-be"), "\u00e4\n"),
        ("\u00e4\n".encode("utf-32"), "\u00e4\n"),
        (b"# -*- coding: latin-1 -*-\nx = '\xe4'\n", "# -*- coding: latin-1 -*-\nx = '\u00e4'\n"),
    ],
)
def test_text_is_decoded(data: bytes, wanted: str) -> None:
    assert decode(data) == (wanted, "", "")


@pytest.mark.parametrize(
    ("data", "reason", "detail"),
    [
        (b" \n\t", "empty", "3 bytes"),
        (b"ab\0c", "binary", "NUL at byte 2"),
        (b"ab\xff\n", "encoding", "not utf-8 at byte 2"),
        ("ab\n".encode("utf-16-le"), "binary", "NUL at byte 1"),
        (b"# coding: no-such\n\xff", "encoding", "unknown encoding 'no-such' declared"),
        (b"\xff\xfea", "encoding", "not utf-16 at byte 2"),
        (b"# coding: undefined\n\xff", "encoding", "not undefined"),
        (b"# coding: idna\n\xff..", "encoding", "not idna at byte 15"),
        (b"# coding: raw_unicode_escape\n\xff \\ud800", "encoding", "not raw_unicode_escape"),
    ],
)
def test_what_is_no_text_says_why(data: bytes, reason: str, detail: str) -> None:
    assert decode(data) == ("", reason, detail)


GERMAN = "# Die gr\u00f6\u00dften F\u00fc\u00dfe geh\u00f6ren den m\u00fcden B\u00e4ren, die sp\u00e4t \u00fcber Br\u00fccken gehen\nx = 1\n"
RUSSIAN = "# \u042d\u0442\u043e \u043a\u043e\u043c\u043c\u0435\u043d\u0442\u0430\u0440\u0438\u0439 \u043e \u0442\u043e\u043c, \u043a\u0430\u043a \u0440\u0430\u0431\u043e\u0442\u0430\u0435\u0442 \u043f\u0440\u043e\u0433\u0440\u0430\u043c\u043c\u0430\nx = 1\n"


@pytest.mark.parametrize("encoding", ["cp1251", "koi8-r"])
def test_a_legacy_encoding_is_guessed_where_it_is_safe(encoding: str) -> None:
    assert decode(RUSSIAN.encode(encoding)) == (RUSSIAN, "", "")


def test_a_guess_can_be_forbidden() -> None:
    assert decode(RUSSIAN.encode("cp1251"), guess=False)[1] == "encoding"


@pytest.mark.parametrize("encoding", ["cp1252", "cp1250", "iso8859-15", "mac-roman"])
def test_a_guess_is_right_or_not_made(encoding: str) -> None:
    assert decode(GERMAN.encode(encoding))[0] in (GERMAN, "")


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=1, max_size=200))
def test_any_bytes_are_text_or_have_a_reason(data: bytes) -> None:
    text, reason, detail = decode(data)
    assert bool(reason) == bool(detail) and not (text and reason)
    assert "\0" not in text and "\r" not in text
    assert text.encode().decode() == text
