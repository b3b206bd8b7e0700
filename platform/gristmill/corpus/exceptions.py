"""Where StarCoder's filter, which the paper says its own is like, spares some endings.

The paper states its rules for every language alike; the code that it follows keeps a table by file
ending, made by people who looked at what each rule hit (bigcode-dataset, `preprocessing/
visual_inspection.csv` at bebec92). The endings below are those for which that table lifts a rule that
the paper states, or sets another figure; all other rows of it have the paper's 1000 and 100, and 25 %
of letters or digits. Two of its figures are not taken, because the paper states its own for the same
files: half of JSON and YAML being letters, and their size.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Spared:
    """What does not hold for files of one ending."""

    lines: bool = False
    """Neither the mean nor the longest line is limited."""
    max_line_chars: int | None = None
    """A limit of its own for the longest line."""
    letters: Literal["letters", "alphanumeric", "any"] = "letters"
    """What must make up the least share: letters (the paper), letters and digits, or nothing."""


_LONG_LINES = Spared(lines=True)
_LONG_LINES_DIGITS = Spared(lines=True, letters="alphanumeric")
SPARED: Mapping[str, Spared] = {
    # prose, one paragraph a line
    **dict.fromkeys(("md", "markdown", "mkd", "mkdn", "rst", "rmd"), _LONG_LINES),
    **dict.fromkeys(("tex", "sty", "dtx", "ins", "bib", "bbx", "cbx", "lbx"), _LONG_LINES),
    **dict.fromkeys(("mkii", "mkiv", "mkvi"), _LONG_LINES),
    # long strings and lists that people write
    **dict.fromkeys(("sql", "cmake", "r", "bsv", "matlab", "nb", "ma"), _LONG_LINES),
    # do files break lines by a rule of their own, and hold tables of numbers
    **dict.fromkeys(("do", "ado"), _LONG_LINES_DIGITS),
    # comments that are rows of numbers
    "asm": _LONG_LINES_DIGITS,
    "frm": Spared(lines=True, letters="any"),
    "sas": Spared(letters="any"),
    "fsh": Spared(max_line_chars=500),
}
"""By ending in lower case, without the dot."""
NONE = Spared()


def spared(path: str) -> Spared:
    """Return what a file's ending is spared."""
    return SPARED.get(path.rpartition(".")[2].lower(), NONE)
