"""Readability and modularity of one source file: signals, and apart from them the limits of a recipe.

The paper drops code "of poor readability and low modularity" and says not how. Here every file that is
parsed gets the figures of `SIGNALS`, kept and dropped files alike; none drops a file unless the recipe
sets a limit for it (`corpus.quality.limits`, by language), and each can be switched off by name
(`corpus.quality.ignore`), so that its effect can be ablated. The choice follows what published filters
found useful: shares of comments, text, numbers and repeated lines, the length of names and words (BigCode,
OpenCoder's code rules); functions, their length and the share of imports (OpenCoder: functions at most
0.2 a line and imports at most 0.3 of the lines of Python).

What is a function comes from the one tree that imports come from, walked through its containers only;
comments and strings from one pass of a regular expression for the language family: a query of the tree
for them costs a quarter of the parse, the pass a twelfth, and they agree (`tests/bench/
test_quality_truth.py`).
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import get_args

import numpy as np
from tree_sitter import Node

from gristmill.corpus.config import Quality, Signal
from gristmill.corpus.imports.model import Measure, Signals

SIGNALS: tuple[Signal, ...] = get_args(Signal)
"""Of bytes: comment_share, string_share. Of words outside comments and strings: number_share; of those
that are no numbers: mean_name_chars, short_name_share (one character), longest_word_chars. Of lines
longer than a brace: repeated_line_share; of those that are not blank: longest_function_share, import_share. Functions are the outermost
ones and methods."""
READABILITY = frozenset(SIGNALS[: SIGNALS.index("functions")])
# After the first character, which a set finds fast; loops are unrolled, because `re` is slow to choose.
_STRING = rb'(?<=")[^"\\\n]*(?:\\.[^"\\\n]*)*"'
_LONG_STRING = rb'(?<=")[^"\\]*(?:\\[\s\S][^"\\]*)*"'
_QUOTED = rb"(?<=')[^'\\\n]*(?:\\.[^'\\\n]*)*'"
_CHARACTER = rb"(?<=')(?:[^'\\\n]|\\[^\n][^'\n]{0,9})'"
_TRIPLE = rb'(?<=")""[^"]*(?:"(?!"")[^"]*)*"""'
_TRIPLE_QUOTED = rb"(?<=')''[^']*(?:'(?!'')[^']*)*'''"
_TEMPLATE = rb"(?<=`)[^`\\]*(?:\\[\s\S][^`\\]*)*`"
_BLOCK = rb"\*[^*]*\*+(?:[^/*][^*]*\*+)*/"
_SLASHES = rb"(?<=/)(/[^\n]*|" + _BLOCK + rb")"
_HASH = rb"(?<=(?<![^\s;])#)([^\n]*)"


def _family(first: bytes, *kinds: bytes) -> re.Pattern[bytes]:
    return re.compile(b"[" + first + b"](?:" + b"|".join(kinds) + b")")


_FAMILIES = {
    "python": _family(rb"\"'#", _TRIPLE, _TRIPLE_QUOTED, _STRING, _QUOTED, rb"(?<=#)([^\n]*)"),
    "hash": _family(rb"\"'#", _STRING, _QUOTED, _HASH),
    "slash": _family(rb"\"'/", _STRING, _QUOTED, _SLASHES),
    "script": _family(rb"\"'`/", _STRING, _QUOTED, _TEMPLATE, _SLASHES),
    "rust": _family(rb"\"'/", _LONG_STRING, _CHARACTER, _SLASHES),
    "triple": _family(rb"\"'/", _TRIPLE, _STRING, _CHARACTER, _SLASHES),
    "php": _family(
        rb"\"'/#",
        _LONG_STRING,
        _QUOTED,
        rb"((?<=#)(?!\[)[^\n]*|(?<=/)/[^\n]*|(?<=/)" + _BLOCK + rb")",
    ),
    "lua": _family(
        rb"\"'\[\-",
        _STRING,
        _QUOTED,
        rb"(?<=-)(-\[\[[\s\S]*?\]\]|-[^\n]*)",
        rb"(?<=\[)\[[\s\S]*?\]\]",
    ),
}
_FAMILY = {
    "Python": "python",
    "Ruby": "hash",
    "Shell": "hash",
    "JavaScript": "script",
    "TypeScript": "script",
    "Vue": "script",
    "Svelte": "script",
    "Go": "script",
    "Rust": "rust",
    "Kotlin": "triple",
    "Scala": "triple",
    "Java": "triple",
    "Swift": "triple",
    "PHP": "php",
    "Lua": "lua",
}
"""Others are read as C is."""
_BRACE_CHARS = 3
"""Shorter lines (`});`) repeat in good code too."""
_FUNCTIONS = frozenset(
    """function_definition function_declaration function_item function_statement local_function
    local_function_statement generator_function_declaration method_definition method_declaration
    method singleton_method constructor_declaration compact_constructor_declaration
    destructor_declaration init_declaration deinit_declaration secondary_constructor
    subroutine rpc arrow_function function_expression generator_function""".split()  # noqa: SIM905
)
_CONTAINER = re.compile(
    r"program|source_file|translation_unit|compilation_unit|module|chunk|script|document"
    r"|.*(?:class|struct|union|interface|trait|impl|enum|object|record|extension|protocol|package"
    r"|namespace|mod|service|template|linkage|actor)(?:_\w+)?"
    r"|(?:\w+_)?body(?:_\w+)?|\w*declaration_list|decorated_definition|export_statement|preproc_\w+"
    r"|block|if_statement|expression_statement|assignment_expression|assignment|ERROR"
    r"|lexical_declaration|variable_declaration|variable_declarator"
)
_WORD = bytes(
    (chr(code).isascii() and chr(code).isalnum()) or code == 95 or code >= 128
    for code in range(256)
)
"""1 for a byte of a word, 0 for any other."""


def measurer(language: str) -> Measure:
    """Return what measures one tree of the language: (root, data, number of imports) -> signals."""
    pattern = _FAMILIES[_FAMILY.get(language, "slash")]

    def measure(root: Node, data: bytes, num_imports: int) -> Signals:
        lines = data.translate(None, b" \t\r\f").split(b"\n")
        num_lines = len(lines) - lines.count(b"")
        if not num_lines:
            return (None,) * len(SIGNALS)
        long = [line for line in lines if len(line) > _BRACE_CHARS]
        code, comments, strings = _without(pattern, data)
        functions = [last - first + 1 for first, last in _functions(root)]
        return (
            comments / len(data),
            strings / len(data),
            *_words(code),
            1 - len(set(long)) / len(long) if long else None,
            float(len(functions)),
            sum(functions) / len(functions) if functions else None,
            min(1.0, max(functions) / num_lines) if functions else None,
            num_imports / num_lines,
        )

    return measure


def as_row(signals: Signals) -> Mapping[str, float | None] | None:
    """Return the signals by name, as the columns hold them, or None when nothing was measured."""
    return dict(zip(SIGNALS, signals, strict=True)) if signals else None


def verdict(language: str, signals: Signals, quality: Quality) -> tuple[str, str]:
    """Return (`readability` or `modularity`, detail) for the first limit that is broken, or ("", "").

    A language's own limit for a signal takes the place of the one for `all`.
    """
    if not signals or not quality.limits:
        return "", ""
    for name, value in zip(SIGNALS, signals, strict=True):
        limit = quality.limit(language, name)
        if value is None or limit is None:
            continue
        reason = "readability" if name in READABILITY else "modularity"
        if limit.min is not None and value < limit.min:
            return reason, f"{name} {value:.3g}, least {limit.min:g}"
        if limit.max is not None and value > limit.max:
            return reason, f"{name} {value:.3g}, limit {limit.max:g}"
    return "", ""


def _without(pattern: re.Pattern[bytes], data: bytes) -> tuple[bytes, int, int]:
    """Return the code alone, and how many bytes are comments and strings."""
    parts = pattern.split(data)  # code, comment or None for a string, code, ...
    comments = sum(len(part) + 1 for part in parts[1::2] if part is not None)
    code = b" ".join(parts[::2])
    return code, comments, len(data) - comments - len(code) + len(parts) // 2


def _words(code: bytes) -> tuple[float | None, float | None, float | None, float | None]:
    """Return number_share, mean_name_chars, short_name_share, longest_word_chars."""
    flags = np.frombuffer(b"\0" + code.translate(_WORD) + b"\0", dtype=np.uint8)
    edges = np.flatnonzero(flags[1:] != flags[:-1])
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    if not len(starts):
        return None, None, None, None
    first = np.frombuffer(code, dtype=np.uint8)[starts]
    numbers = (first >= 48) & (first <= 57)
    num_numbers = int(numbers.sum())
    longest = float(lengths.max())
    names = lengths[~numbers]
    if not len(names):
        return 1.0, None, None, longest
    return (
        num_numbers / len(starts),
        float(names.mean()),
        float((names == 1).mean()),
        longest,
    )


def _functions(root: Node) -> Iterator[tuple[int, int]]:
    """Yield the first and last row of each function that is in no other."""
    waiting = [root]
    while waiting:
        for node in waiting.pop().named_children:
            kind = node.type
            if kind in _FUNCTIONS:
                yield node.start_point[0], node.end_point[0]
            elif _contains(kind):
                waiting.append(node)


@cache
def _contains(kind: str) -> bool:
    return _CONTAINER.fullmatch(kind) is not None
