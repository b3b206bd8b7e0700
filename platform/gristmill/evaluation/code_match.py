"""Comparing code as text: CrossCodeEval's statement cut, exact match, edit similarity, identifiers.

The rules are CrossCodeEval's own, oddities kept, because its numbers are what others print: `#` and `//`
start a comment in every language, also inside strings; a statement of Java, TypeScript or C# ends at the
first of `;{}` unless that is its first character. Edit similarity is 100 * ratio, rounded, as fuzzywuzzy
computes it with python-Levenshtein (2 * common / total length; difflib's ratio and 1 - distance / longest
give other numbers on the same texts).
"""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import tree_sitter
import tree_sitter_python

from gristmill.evaluation.estimates import edit_similarity

BRACKETS = ("java", "csharp", "typescript", "javascript", "cpp", "php")
_COMMENT = re.compile(r"#.*|//.*")
_STRING = re.compile(r'"([^"\\]*(\\.[^"\\]*)*)"|\'([^\'\\]*(\\.[^\'\\]*)*)\'')
_WORD = re.compile(r"\w+")
_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


KEYWORDS = {
    "python": frozenset(keyword.kwlist) - {"False", "True"},
    "java": _words(
        "abstract assert boolean break byte case catch char class const continue default do double "
        "else enum extends final finally float for goto if implements import instanceof int "
        "interface long native new package private protected public return short static strictfp "
        "super switch synchronized this throw throws transient try var void volatile while"
    ),
    "typescript": _words(
        "break case catch class const continue debugger default delete do else enum export "
        "extends finally for function if implements import in instanceof interface let new "
        "package private protected public return static super switch this throw try typeof var "
        "void while with yield"
    ),
    "csharp": _words(
        "abstract as base bool break byte case catch char checked class const continue decimal "
        "default delegate do double else enum event explicit extern finally fixed float for "
        "foreach goto if implicit in int interface internal is lock long namespace new null object "
        "operator out override params private protected public readonly ref return sbyte sealed "
        "short sizeof stackalloc static string struct switch this throw try typeof uint ulong "
        "unchecked unsafe ushort using virtual void volatile while"
    ),
}


@dataclass(frozen=True)
class Match:
    """How near a prediction is to its target."""

    exact: bool
    similarity: float
    """0 to 1, in steps of 0.01."""
    identifiers_exact: bool
    """The same identifiers in the same order."""
    identifiers_f1: float


def compare(prediction: str, target: str, language: str) -> Match:
    """Compare a cut prediction with its target after both lost their comments."""
    left, right = _COMMENT.sub("", prediction), _COMMENT.sub("", target)
    exact = _lines(left) == _lines(right)
    similarity = round(100 * edit_similarity(left, right)) / 100 if left.strip() else 0.0
    ours, theirs = identifiers(left, language), identifiers(right, language)
    common = len(set(ours) & set(theirs))
    total = len(set(ours)) + len(set(theirs))
    return Match(exact, similarity, ours == theirs, 2 * common / total if total else 0.0)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


def identifiers(code: str, language: str) -> list[str]:
    """Return the identifiers of code in order, without strings and the language's keywords."""
    known = KEYWORDS.get(language, frozenset())
    words = _WORD.findall(_STRING.sub("", code))
    return [word for word in words if _IDENTIFIER.match(word) and word not in known]


def statement(prompt: str, completion: str, language: str) -> str:
    """Return the first statement of a completion."""
    if language == "python":
        return _python_statement(prompt, completion)
    if language not in BRACKETS:
        return completion.split("\n", 1)[0]
    first = min((at for mark in ";{}" if (at := completion.find(mark)) >= 0), default=0)
    return completion[: first + 1] if first else completion


def _python_statement(prompt: str, completion: str) -> str:
    """Return the shortest start of a completion that parses after the prompt and ends its line."""
    parser = _parser()
    for at, character in enumerate(completion):
        if character == "\n" and at and _parses(parser, prompt + completion[:at]):
            return completion[:at].rstrip()
    return completion


def _parses(parser: tree_sitter.Parser, code: str) -> bool:
    left: list[Any] = [parser.parse(code.encode()).root_node]
    while left:
        node = left.pop()
        if node.type == "ERROR":
            return False
        if node.has_error:
            left += node.children
    return True


@lru_cache(maxsize=1)
def _parser() -> tree_sitter.Parser:
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_python.language()))
