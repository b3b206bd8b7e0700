"""The files that PHP's `require` and `include` expressions mean, as far as their text tells.

A path is read from `__DIR__ . '/x.php'`, `dirname(__FILE__, 2) . '/x.php'`, a literal, or a constant and
a literal (`ROOT . 'x.php'`). `@` starts a path relative to the importer's folder; others are searched
in the importer's folder and in those above it, for the include path is the program's affair.
"""

import re
from collections.abc import Collection
from posixpath import dirname, join, normpath

_HERE = re.compile(r"^(?:__DIR__|dirname\(__FILE__\)|dirname\((__DIR__|__FILE__),(\d+)\))$")
_PARENT = re.compile(r"^dirname\((.*)\)$")
_PARTS = re.compile(r"'([^'$]*)'|\"([^\"$]*)\"")
_CONSTANT = re.compile(r"^[A-Za-z_\\]\w*$")


def required_path(expression: str) -> str | None:
    """Return the path in the argument of a `require`; None where its text does not tell."""
    code = expression.strip()
    while code.startswith("(") and code.endswith(")"):
        code = code[1:-1].strip()
    pieces = _pieces(code)
    path, base = "", ""
    for index, piece in enumerate(pieces):
        literal = _PARTS.fullmatch(piece)
        if literal is not None:
            path += literal[1] or literal[2] or ""
        elif index == 0:
            start = _start("".join(piece.split()))
            if start is None:
                return None
            base = start
        else:
            return None
    if not path.strip("/"):
        return None
    return f"{base}/{path.lstrip('/')}" if base else path


def _pieces(code: str) -> list[str]:
    """Return what stands between the dots that join strings."""
    found = [""]
    quote, depth = "", 0
    for char in code:
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "()":
            depth += 1 if char == "(" else -1
        elif char == "." and not depth:
            found.append("")
            continue
        found[-1] += char
    return [piece.strip() for piece in found]


def _start(code: str) -> str | None:
    """Return `@`, with `/..` for each folder up; an empty text for a constant; None for the rest."""
    here = _HERE.match(code)
    if here is not None:
        above = int(here[2] or 0) - (here[1] == "__FILE__")
        return "@" + "/.." * above
    parent = _PARENT.match(code)
    if parent is not None:
        inner = _start(parent[1])
        return f"{inner}/.." if inner else None
    return "" if _CONSTANT.match(code) else None


def find_required(path: str, importer: str, files: Collection[str]) -> str | None:
    """Return the file that a path of `required_path` means."""
    folder = dirname(importer)
    if path.startswith("@"):
        found = normpath(join(folder, path[1:].lstrip("/")))
        return found if found in files else None
    if path.startswith(".."):
        folders = [folder]
    else:
        folders = [folder]
        while folder:
            folder = dirname(folder)
            folders.append(folder)
    places = (normpath(join(start, path.lstrip("/"))) for start in folders)
    return next((place for place in places if place in files), None)
