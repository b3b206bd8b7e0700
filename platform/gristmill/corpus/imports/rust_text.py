"""Rust as text: use trees, and item macros that the grammar reads only as tokens.

`cfg_rt! { pub mod task; use crate::x; }` holds items, but to the grammar what is inside is no syntax.
Such a macro is unwrapped before the parse: its name and brackets become blanks, and so do the
`if #[cfg(...)] {` and `} else {` of `cfg_if!`. Only macros at the start of a line that hold a `mod` or
`use` item are; the length and the line ends of the file stay.
"""

import re
from collections.abc import Iterator

_MACRO = re.compile(rb"(?m)^[ \t]*((?:\w+::)*\w+![ \t]*[{(])")
_HOLDS = re.compile(rb"(?m)\bmod\s+\w+\s*;|^\s*(?:pub(?:\([^)]*\))?\s+)?use\s+[\w:{]")
_ITEM = re.compile(
    rb"\s*(?:#!?\[|//|/\*|if\s+#\[|(?:pub|use|mod|fn|impl|struct|enum|const|static|type|trait|extern"
    rb"|unsafe|async|macro_rules|union)\b)"
)
_BRANCH = re.compile(rb"\s*(?:else\s*)?(?:if\s+#\[)?")
_SKIPPED = re.compile(
    rb"//[^\n]*|/\*.*?\*/|\bb?r(#*)\".*?\"\1|b?\"(?:\\.|[^\"\\])*\"|b?'(?:\\.[^']*|[^\\'])'|[(){}\[\]]",
    re.DOTALL,
)
_MAX_UNWRAPPED = 1000
_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"\s+as\s+")


def unwrapped(data: bytes) -> bytes:
    """Return the file with the items of its item macros in the open; same length, same lines."""
    if b"!" not in data or _HOLDS.search(data) is None:
        return data
    source = bytearray(data)
    place = 0
    for _ in range(_MAX_UNWRAPPED):
        match = _MACRO.search(source, place)
        if match is None:
            break
        place = match.end()
        end = _closing(source, match.end() - 1)
        inside = bytes(source[match.end() : end])
        if end < 0 or _HOLDS.search(inside) is None or _ITEM.match(inside) is None:
            continue
        _blank(source, match.start(1), match.end())
        _blank(source, end, end + 1)
        after = re.compile(rb"[ \t]*;").match(source, end + 1)
        if after is not None:
            _blank(source, *after.span())
        if re.match(rb"\s*if\s+#\[", inside):
            _open_branches(source, match.end(), end)
    return bytes(source)


def _open_branches(source: bytearray, start: int, end: int) -> None:
    """Blank the conditions and braces of `if #[cfg(a)] { items } else { items }`."""
    place = start
    while place < end:
        match = _BRANCH.match(source, place)
        if match is None or match.end() == place:
            return
        head = match.end()
        if source[head - 2 : head] == b"#[":
            closing = _closing(source, head - 1)
            if closing < 0:
                return
            head = closing + 1
        brace = source.find(b"{", head, end)
        closing = _closing(source, brace) if brace >= 0 else -1
        if closing < 0 or source[head:brace].strip():
            return
        _blank(source, place, brace + 1)
        _blank(source, closing, closing + 1)
        place = closing + 1


def _closing(source: bytearray, opening: int) -> int:
    """Return where the bracket at `opening` is closed, -1 if nowhere."""
    depth = 0
    for match in _SKIPPED.finditer(source, opening):
        token = match[0]
        if token in (b"(", b"[", b"{"):
            depth += 1
        elif token in (b")", b"]", b"}"):
            depth -= 1
            if depth == 0:
                return match.start()
    return -1


def _blank(source: bytearray, start: int, end: int) -> None:
    source[start:end] = bytes(byte if byte in b"\r\n" else 32 for byte in source[start:end])


def use_leaves(tree: str) -> Iterator[tuple[str, str]]:
    """Yield (path, name given to it) of each leaf of a use tree, as in `use <tree>;`.

    The path of a glob ends in `*` and has no name; `self` in braces is the path before them; `as _`
    gives the name `_`.
    """
    yield from _leaves(_SPACE.sub(" ", tree).strip(), "")


def _leaves(tree: str, prefix: str) -> Iterator[tuple[str, str]]:
    head, brace, rest = tree.partition("{")
    if brace:
        base = _joined(
            prefix, head.strip().removesuffix("::").strip(), head.strip().startswith("::")
        )
        for part in _split(rest.rpartition("}")[0]):
            if part:
                yield from _leaves(part, base)
        return
    path, _as, alias = (part.strip() for part in _WORD.sub("\0", tree, count=1).partition("\0"))
    path = path.replace(" ", "")
    path = prefix if path == "self" and prefix else _joined(prefix, path, path.startswith("::"))
    last = path.rpartition("::")[2]
    if path and not path.endswith("::"):
        yield path, "" if last == "*" else alias or last


def _joined(prefix: str, path: str, absolute: bool) -> str:
    if absolute and not prefix:
        return path if path.startswith("::") else f"::{path}"
    return "::".join(part for part in (prefix, path.removeprefix("::")) if part)


def _split(inside: str) -> Iterator[str]:
    depth = start = 0
    for place, char in enumerate(inside):
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            yield inside[start:place].strip()
            start = place + 1
    yield inside[start:].strip()
