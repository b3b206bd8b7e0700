"""The paper's rule filters (section 2.1): each says why it drops a file, or nothing.

Lengths are in characters, lines are split at newlines alone. Boundaries are the paper's: "exceeds" is
strict, so a mean of exactly 100 characters and a line of exactly 1000 stay; "fewer than 25 %" is
strict, so exactly a quarter of letters stays; HTML stays at exactly 20 % and exactly 100 visible
characters; JSON and YAML stay from 50 to 5000 characters inclusive. Endings for which the filter that
the paper followed lifts a rule are in `exceptions`; `rules.by_ending: false` holds all alike.
"""

from collections.abc import Callable

from selectolax.lexbor import LexborHTMLParser

from gristmill.corpus.config import Rules
from gristmill.corpus.exceptions import NONE, Spared, spared

XML_MARK = '<?xml version="'
_XML_WINDOW_CHARS = 100
_MARKUP = {"HTML"}
_DATA = {"JSON", "YAML"}

Verdict = tuple[str, str] | None
"""(reason, detail), or None when the rule has nothing against the file."""


def mean_line(text: str, language: str, rules: Rules, ending: Spared = NONE) -> Verdict:
    """Drop text whose mean line length exceeds the limit."""
    if ending.lines:
        return None
    num_lines = text.count("\n") + (not text.endswith("\n"))
    mean = (len(text) - text.count("\n")) / max(num_lines, 1)
    if mean > rules.max_mean_line_chars:
        return (
            "mean_line",
            f"mean line of {mean:.1f} characters, limit {rules.max_mean_line_chars:g}",
        )
    return None


def max_line(text: str, language: str, rules: Rules, ending: Spared = NONE) -> Verdict:
    """Drop text with a line longer than the limit."""
    limit = ending.max_line_chars or rules.max_line_chars
    if ending.lines or not _exceeds(text, limit):
        return None
    longest = max(map(len, text.split("\n")))
    return "max_line", f"longest line of {longest} characters, limit {limit}"


def alphabetic(text: str, language: str, rules: Rules, ending: Spared = NONE) -> Verdict:
    """Drop text of which too small a share is letters (Unicode's, as `str.isalpha` knows them)."""
    if ending.letters == "any":
        return None
    digits = ending.letters == "alphanumeric"
    num_letters = count_letters(text, digits=digits)
    if num_letters < rules.min_alphabetic_share * len(text):
        share = num_letters / max(len(text), 1)
        what = "letters and digits" if digits else "letters"
        return "alphabetic", f"{share:.1%} {what}, least {rules.min_alphabetic_share:.0%}"
    return None


def xml(text: str, language: str, rules: Rules, ending: Spared = NONE) -> Verdict:
    """Drop XML in disguise: the declaration within the first 100 characters, XSLT excepted."""
    if language != "XSLT" and XML_MARK in text[:_XML_WINDOW_CHARS]:
        return "xml", "XML declaration in the first 100 characters"
    return None


def html(text: str, language: str, rules: Rules, ending: Spared = NONE) -> Verdict:
    """Drop HTML that shows too little text."""
    if language not in _MARKUP:
        return None
    visible = visible_text(text)
    share = len(visible) / max(len(text), 1)
    if share < rules.html_min_visible_share or len(visible) < rules.html_min_visible_chars:
        least = f"{rules.html_min_visible_share:.0%} and {rules.html_min_visible_chars}"
        return "html", f"{share:.1%} visible, {len(visible)} characters; least {least}"
    return None


def data_size(text: str, language: str, rules: Rules, ending: Spared = NONE) -> Verdict:
    """Drop JSON and YAML outside the size that configuration has."""
    if language in _DATA and not rules.data_min_chars <= len(text) <= rules.data_max_chars:
        limits = f"{rules.data_min_chars} to {rules.data_max_chars}"
        return "data_size", f"{len(text)} characters of {language}, wanted {limits}"
    return None


RULES: tuple[Callable[[str, str, Rules, Spared], Verdict], ...] = (
    mean_line,
    max_line,
    alphabetic,
    xml,
    html,
    data_size,
)


def check(text: str, language: str, rules: Rules, path: str = "") -> Verdict:
    """Return the first rule's verdict against the text, or None when all let it pass."""
    ending = spared(path) if rules.by_ending else NONE
    for rule in RULES:
        verdict = rule(text, language, rules, ending)
        if verdict is not None:
            return verdict
    return None


def count_letters(text: str, *, digits: bool = False) -> int:
    """Return how many characters are letters, or letters and digits."""
    data = text.encode()
    letters = _ASCII_ALNUM if digits else _ASCII_LETTERS
    num_letters = len(data) - len(data.translate(None, letters))
    if len(data) > len(text):
        foreign = data.translate(None, _ASCII).decode()
        num_letters += sum(map(str.isalnum if digits else str.isalpha, foreign))
    return num_letters


def _exceeds(text: str, limit: int) -> bool:
    """Return whether some line is longer, in steps of a line's limit rather than line by line."""
    start = 0
    while len(text) - start > limit:
        end = text.rfind("\n", start, start + limit + 1)
        if end < 0:
            return True
        start = end + 1
    return False


def visible_text(text: str) -> str:
    """Return the text that a reader of the page sees: no markup, script, style or comment."""
    tree = LexborHTMLParser(text)
    for node in tree.css("script, style, template, noscript, head"):
        node.decompose()
    root = tree.body or tree.root
    return root.text(separator="", strip=False).strip() if root is not None else ""


_ASCII_LETTERS = bytes(range(65, 91)) + bytes(range(97, 123))
_ASCII_ALNUM = _ASCII_LETTERS + bytes(range(48, 58))
_ASCII = bytes(range(128))
