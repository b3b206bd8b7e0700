"""An answer made fit for an editor: where it should end, so that Tab leaves whole, wanted code.

The rules look at the text around the cursor and at the answer line by line, as it comes; a line is shown
when it is whole and wanted, and the first line that is not wanted ends the answer (and the work on it).

    extent     text after the cursor on its line: the answer is one line. Text before it: the rest of
               that statement, with the block that it opens. A blank line: a block
    suffix     nothing that already follows the cursor is written again: the rest of the line, the next line
    indent     no line to the left of the block that the cursor is in, but for the bracket that closes it
    keywords   at the left edge one definition is enough: the next `def`, `class`, `func` ends the answer
    repeats    a line written three times in a row is no code
    least_indent  no further line with fewer blanks before it, as llama.cpp's `n_indent`

Blank lines at an answer's end are never shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gristmill.serving.exchange import Rules

CLOSERS = ")]}"
_ONLY_CLOSING = re.compile(r"[\s)\]}'\"`;,:>]*")
_CLOSING_WORD = re.compile(r"[)\]}]|(end|fi|done|esac)\b")
_OPENS = re.compile(r"([{(\[:]|->|=>|\b(do|then|else|begin|repeat)|\|\w*\|)\s*$")
MOST_REPEATS = 3
TAB = 4

_C_LIKE = (
    r"(class|struct|enum|union|typedef|namespace|template|static|extern|public|private|#\s*\w)"
)
_WORDS = {
    "Python": r"(def|class|async def|@|if __name__|import|from)\b|@",
    "JavaScript": r"(export|function|class|async function|const|let|var|import|module\.exports)\b",
    "Go": r"(func|type|var|const|import|package)\b",
    "Rust": r"(pub|fn|struct|enum|impl|trait|mod|use|const|static|#\[)",
    "Java": r"(package|import|public|private|protected|class|interface|enum|abstract|final|@)",
    "C": _C_LIKE,
    "Ruby": r"(def|class|module|require|end)\b",
    "PHP": r"(function|class|interface|trait|namespace|use|abstract|final)\b",
    "Shell": r"(function\b|\w+\s*\(\))",
    "Lua": r"(function|local function)\b",
    "Swift": r"(func|class|struct|enum|protocol|extension|import|public|private|@)",
    "Kotlin": r"(fun|class|object|interface|data class|import|package|private|public|@)",
    "Scala": r"(def|class|object|trait|case class|import|package|val|@)",
    "C#": r"(namespace|using|public|private|class|interface|struct|enum|\[)",
}
_SAME = {
    "TypeScript": "JavaScript",
    "Vue": "JavaScript",
    "Svelte": "JavaScript",
    "C++": "C",
    "CUDA": "C",
    "Objective-C": "C",
    "Groovy": "Java",
    "Jupyter Notebook": "Python",
}
_NAMES = {re.sub(r"\W", "", name).lower(): name for name in (*_WORDS, *_SAME)} | {
    "c": "C",
    "cpp": "C++",
    "cplusplus": "C++",
    "csharp": "C#",
    "c++": "C++",
    "c#": "C#",
    "javascriptreact": "JavaScript",
    "typescriptreact": "TypeScript",
    "shellscript": "Shell",
    "bash": "Shell",
    "sh": "Shell",
}
"""Editors' names of languages."""


def starts_anew(language: str | None) -> re.Pattern[str] | None:
    """Return what something new at the left edge begins with; None for a language without rules."""
    if language is None:
        return None
    name = language if language in _WORDS or language in _SAME else _NAMES.get(language.lower())
    words = _WORDS.get(_SAME.get(name or "", name or ""))
    return re.compile(words) if words else None


def extent_of(prefix: str, suffix: str) -> str:
    """Return `line`, `statement` or `block`: how far an answer at this place should go."""
    line = prefix.rpartition("\n")[2]
    rest = suffix.partition("\n")[0]
    if rest.strip():
        return "line"
    return "statement" if line.strip() else "block"


class Shaper:
    """The rules at work on one answer. `push` its text; what comes back may be shown."""

    def __init__(self, rules: Rules, prefix: str, suffix: str, language: str | None = None) -> None:
        self._rules = rules
        line = prefix.rpartition("\n")[2]
        self._extent = extent_of(prefix, suffix) if rules.extent == "auto" else rules.extent
        self._base = _indent(line)
        self._typed = line
        self._rest = suffix.partition("\n")[0].rstrip()
        following = suffix.partition("\n")[2].split("\n")
        self._next = next((text.rstrip() for text in following if text.strip()), "")
        self._anew = starts_anew(language) if rules.keywords else None
        self._closed = False
        """The bracket that closes the cursor's block was written."""
        self._waiting = ""
        self._blanks = ""
        self._lines: list[str] = []
        """Shown, the first as it stands in the document, with what was typed before it."""
        self.ended = False

    def push(self, text: str, *, last: bool = False) -> str:
        """Add text and return what may be shown now; afterwards `ended` says whether that is all."""
        if self.ended:
            return ""
        self._waiting += text
        shown = ""
        while not self.ended:
            line, newline, rest = self._waiting.partition("\n")
            if not newline:
                break
            self._waiting = rest
            shown += self._take(line, "\n")
        if last and not self.ended:
            shown += self._take(self._waiting, "")
            self.ended = True
        return shown

    def _take(self, line: str, newline: str) -> str:
        """Return a whole line as it may be shown, with the blank lines before it."""
        first = not self._lines
        whole = self._typed + line if first and not self._blanks else line
        if not line.strip() and not (first and not self._blanks and self._typed.strip()):
            self._blanks += line + newline
            return ""
        if not self._wanted(line, whole, first and not self._blanks):
            self.ended = True
            return ""
        if first and not self._blanks:
            line = self._without_rest(line)
        self._lines.append(whole)
        if self._extent == "line" and whole.strip() and line.strip():
            self.ended = True
        text = line.rstrip()
        shown = self._blanks + text
        self._blanks = line[len(text) :] + newline  # shown once more follows
        return shown

    def _wanted(self, line: str, whole: str, continues: bool) -> bool:
        if continues:
            return True
        if len(line) - len(line.lstrip(" \t")) < self._rules.least_indent:
            return False
        if self._rules.suffix and self._next and _same(line, self._next):
            return False
        if self._rules.repeats:
            latest = [text.strip() for text in self._lines[-MOST_REPEATS + 1 :]]
            if len(latest) == MOST_REPEATS - 1 and set(latest) == {line.strip()}:
                return False
        if self._rules.keywords and self._anew is not None and self._base == 0:
            written = any(text.strip() for text in self._lines)
            if written and self._extent == "block" and self._anew.match(line) and self._has_body():
                return False
        return not self._rules.indent or self._inside(line)

    def _has_body(self) -> bool:
        """Say whether what was written is more than decorators, imports and comments."""
        return any(_indent(text) for text in self._lines) or len(self._lines) > 1

    def _inside(self, line: str) -> bool:
        """Say whether a line that is not the first belongs to the cursor's block or statement."""
        if self._closed:
            return False
        indent = _indent(line)
        closing = _CLOSING_WORD.match(line.lstrip())
        before = self._lines[-1] if self._lines else self._typed
        opened = bool(_OPENS.search(before)) or _indent(before) > self._base
        if self._extent == "statement":
            if indent > self._base:
                return opened
            return bool(closing) and indent == self._base and opened
        if indent >= self._base:
            return True
        if closing and self._base and not self._next.lstrip().startswith(closing.group()):
            self._closed = True
            return bool(self._lines)
        return False

    def _without_rest(self, line: str) -> str:
        """Return the cursor's line without what follows the cursor already."""
        rest = self._rest.strip()
        stripped = line.rstrip()
        if not (self._rules.suffix and rest and stripped.endswith(rest)):
            return line
        kept = stripped[: len(stripped) - len(rest)]
        if _ONLY_CLOSING.fullmatch(rest) and not _closes_too_much(self._typed + stripped, rest):
            return line
        return kept


def _closes_too_much(line: str, rest: str) -> bool:
    """Say whether a line and the brackets after the cursor close more than the line opens."""
    pairs = (("(", ")"), ("[", "]"), ("{", "}"))
    whole = line + rest
    return any(
        whole.count(closing) > whole.count(opening) for opening, closing in pairs
    ) or not any(sign in rest for sign in CLOSERS)


def _same(line: str, following: str) -> bool:
    """Say whether a line is the one that follows; a short one must be indented alike."""
    if len(following.strip()) < MOST_REPEATS:
        return line.rstrip() == following
    return line.strip() == following.strip()


def _indent(line: str) -> int:
    width = 0
    for sign in line:
        if sign == " ":
            width += 1
        elif sign == "\t":
            width += TAB
        else:
            break
    return width


def shown_by(rules: Rules, prefix: str, suffix: str, pieces: Sequence[str]) -> str:
    """Return a whole answer as it would be shown."""
    shaper = Shaper(rules, prefix, suffix)
    shown = "".join(shaper.push(piece) for piece in pieces)
    return shown + shaper.push("", last=True)
