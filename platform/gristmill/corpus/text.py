"""Bytes -> text, or the reason why they are no text.

Accepted are UTF-8 (with or without its mark), UTF-16 with its mark, and the encoding that a comment
in the first two lines declares (PEP 263; Ruby and Emacs write it the same way). Line ends become a newline. Nothing is guessed: guessed text is
where broken characters come from.
"""

import codecs
import re

_DECLARED = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)", re.M)


def decode(data: bytes) -> tuple[str, str, str]:
    """Return (text, "", "") or ("", reason, detail); reasons are `empty`, `binary`, `encoding`."""
    if not data.strip():
        return "", "empty", f"{len(data)} bytes"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _decode_as(data, "utf-16")
    at = data.find(b"\0")
    if at >= 0:
        return "", "binary", f"NUL at byte {at}"
    text, reason, detail = _decode_as(data, "utf-8-sig")
    if reason:
        declared = _DECLARED.search(b"\n".join(data.splitlines()[:2]))
        if declared is not None:
            return _decode_as(data, declared[1].decode("ascii"))
    return text, reason, detail


def _decode_as(data: bytes, encoding: str) -> tuple[str, str, str]:
    try:
        text = data.decode(encoding)
        text.encode()  # a declared codec can make surrogates, which are no text
    except LookupError:
        return "", "encoding", f"unknown encoding {encoding!r} declared"
    except UnicodeError as error:  # most codecs say where, some (idna, undefined) do not
        where = f" at byte {error.start}" if isinstance(error, UnicodeDecodeError) else ""
        return "", "encoding", f"not {encoding.removesuffix('-sig')}{where}"
    if "\0" in text:
        return "", "binary", "NUL in the text"
    return text.replace("\r\n", "\n").replace("\r", "\n"), "", ""
