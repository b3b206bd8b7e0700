"""Bytes -> text, or the reason why they are no text.

Accepted are UTF-8 (with or without its mark), UTF-16 and UTF-32 with their mark, and the encoding that
a comment in the first two lines declares (PEP 263; Ruby and Emacs write it the same way). Line ends
become a newline.

What is left is guessed only where the guess is safe: charset-normalizer reads the lines that are not
ASCII under twelve encodings that source code came in before UTF-8, and its best one must read more
like a language than every other whose text differs, by `_MARGIN` of its coherence; an encoding of
several bytes a character must have some characters to show. Of files made from real sentences in 22
languages (1 to 40 of them as comments of a program, in their legacy encodings) that accepts a third,
all of them right; the plain best guess is right for seven in ten and wrong for most of the rest
(`tests/bench/test_text_truth.py`), and broken characters are worse than a file less.
"""

import codecs
import re

from charset_normalizer import from_bytes

_DECLARED = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)", re.M)
_MARKS = (  # UTF-32's first: its little-endian mark begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LEGACY = [
    "cp1252", "cp1250", "iso8859_2", "cp1251", "koi8_r", "cp1253", "cp1254",
    "cp932", "euc_jp", "euc_kr", "gb18030", "big5",
]  # fmt: skip
_MARGIN = 0.3
_GUESS_BYTES = 20_000
_WIDE = frozenset({"cp932", "euc_jp", "euc_kr", "gb18030", "big5"})
_WIDE_LEAST_BYTES = 24
_ASCII = bytes(range(128))


def decode(data: bytes, *, guess: bool = True) -> tuple[str, str, str]:
    """Return (text, "", "") or ("", reason, detail); reasons are `empty`, `binary`, `encoding`."""
    if not data.strip():
        return "", "empty", f"{len(data)} bytes"
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decode_as(data, encoding)
    at = data.find(b"\0")
    if at >= 0:
        return "", "binary", f"NUL at byte {at}"
    text, reason, detail = _decode_as(data, "utf-8-sig")
    if reason:
        declared = _DECLARED.search(b"\n".join(data.splitlines()[:2]))
        if declared is not None:
            return _decode_as(data, declared[1].decode("ascii"))
        guessed = _guess(data) if guess else None
        if guessed is not None:
            return _decode_as(data, guessed)
    return text, reason, detail


def _guess(data: bytes) -> str | None:
    """Return the one legacy encoding that the bytes can safely be read in, or None."""
    lines = b"\n".join(line for line in data.splitlines() if not line.isascii())[:_GUESS_BYTES]
    found = list(from_bytes(lines, cp_isolation=_LEGACY, threshold=0.2))
    if not found:
        return None
    best, *others = found
    if best.encoding in _WIDE and len(lines.translate(None, _ASCII)) < _WIDE_LEAST_BYTES:
        return None
    text = lines.decode(best.encoding, "replace")
    for other in others:
        near = best.coherence - other.coherence < _MARGIN
        if near and lines.decode(other.encoding, "replace") != text:
            return None
    return str(best.encoding)


def _decode_as(data: bytes, encoding: str) -> tuple[str, str, str]:
    try:
        text = data.decode(encoding)
        if not encoding.startswith("utf-8"):
            text.encode()  # a declared codec can make surrogates, which are no text
    except LookupError:
        return "", "encoding", f"unknown encoding {encoding!r} declared"
    except UnicodeError as error:  # most codecs say where, some (idna, undefined) do not
        where = f" at byte {error.start}" if isinstance(error, UnicodeDecodeError) else ""
        return "", "encoding", f"not {encoding.removesuffix('-sig')}{where}"
    if "\0" in text:
        return "", "binary", "NUL in the text"
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text, "", ""
