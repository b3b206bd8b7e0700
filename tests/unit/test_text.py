"""Bytes to text, or the reason why not."""

import pytest

from gristmill.corpus.text import decode


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"a = 1\n", "a = 1\n"),
        (b"\xef\xbb\xbfa\n", "a\n"),
        (b"a\r\nb\rc\n", "a\nb\nc\n"),
        ("\u00e4\n".encode("utf-16"), "\u00e4\n"),
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
        (b"# coding: no-such\n\xff", "encoding", "unknown encoding 'no-such' declared"),
        (b"\xff\xfea", "encoding", "not utf-16 at byte 2"),
        (b"# coding: undefined\n\xff", "encoding", "not undefined"),
        (b"# coding: idna\n\xff..", "encoding", "not idna at byte 15"),
        (b"# coding: raw_unicode_escape\n\xff \\ud800", "encoding", "not raw_unicode_escape"),
    ],
)
def test_what_is_no_text_says_why(data: bytes, reason: str, detail: str) -> None:
    assert decode(data) == ("", reason, detail)
