"""One file: from bytes to source text with its imports, or to the reason why it is left out.

The order is by cost: name, size, bytes, content, the paper's rules, then the one parse. The first
reason found is the file's reason. A file that is left out for what it holds (not for what it is) is
parsed all the same where that is cheap, because other files may import it: an empty `__init__.py` is
a node of the import graph although it is no training text.
"""

from dataclasses import dataclass

import xxhash

from gristmill.corpus.config import CorpusSection
from gristmill.corpus.generated import generated, vendored
from gristmill.corpus.imports import LANGUAGES as PARSED_LANGUAGES
from gristmill.corpus.imports import Parsed, is_config, parse
from gristmill.corpus.languages import DEFAULT_LANGUAGES, language_of, language_of_name
from gristmill.corpus.licences import is_permissive
from gristmill.corpus.rules import check
from gristmill.corpus.text import decode

_STILL_NODES = {"empty", "alphabetic", "mean_line", "generated", "vendored", "syntax"}
_NODE_MAX_BYTES = 200_000


@dataclass(frozen=True)
class Judged:
    """What is known of one file after reading it once. `reason` is empty for a file that stays."""

    path: str
    language: str = ""
    num_bytes: int = 0
    reason: str = ""
    detail: str = ""
    text: str = ""
    content: int = 0
    """64-bit hash of the text."""
    parsed: Parsed | None = None
    config: bool = False
    """Whether import resolution wants the text, whatever the corpus does with the file."""


def refused_unread(
    path: str, num_bytes: int, licence: str, section: CorpusSection
) -> Judged | None:
    """Return the verdict that needs no bytes (name, size, licence), or None when they must be read."""
    if is_config(path) and num_bytes <= section.rules.max_file_bytes:
        return None
    named = language_of_name(path)
    if named is None:
        return Judged(path, "", num_bytes, "language", "no known language by its name")
    if num_bytes > section.rules.max_file_bytes:
        limit = section.rules.max_file_bytes
        return Judged(path, named, num_bytes, "too_large", f"{num_bytes} bytes, limit {limit}")
    if not _licence_allowed(licence, section):
        return Judged(path, named, num_bytes, "licence", f"{licence} is not among those wanted")
    return None


def judge(path: str, data: bytes, licence: str, section: CorpusSection) -> Judged:
    """Return the verdict on one file."""
    unread = refused_unread(path, len(data), licence, section)
    if unread is not None:
        return unread
    text, reason, detail = decode(data)
    language = language_of(path, text) or language_of_name(path) or ""
    config = is_config(path) and not reason
    if not reason:
        reason, detail = _content_reason(path, text, language, licence, section)
    parsed = None
    if language in PARSED_LANGUAGES and (
        not reason or (reason in _STILL_NODES and len(data) <= _NODE_MAX_BYTES)
    ):
        language, parsed = _parse(language, text, path, section)
        if not reason:
            reason, detail = _syntax_reason(parsed, section)
    return Judged(
        path=path,
        language=language,
        num_bytes=len(data),
        reason=reason,
        detail=detail,
        text=text,
        content=xxhash.xxh3_64_intdigest(text.encode()) if not reason else 0,
        parsed=parsed,
        config=config,
    )


def _content_reason(
    path: str, text: str, language: str, licence: str, section: CorpusSection
) -> tuple[str, str]:
    if not _licence_allowed(licence, section):
        return "licence", f"{licence} is not among those wanted"
    if not language or language_of(path, text) is None:
        return "language", "no known language by its name and content"
    wanted = DEFAULT_LANGUAGES if section.languages is None else section.languages
    if language not in wanted:
        return "language", f"{language} is not among the languages wanted"
    rules = section.rules
    if rules.drop_vendored and (sign := vendored(path)):
        return "vendored", f"below {sign}"
    if rules.drop_generated and (sign := generated(path, text)):
        return "generated", sign
    return check(text, language, rules) or ("", "")


def _parse(language: str, text: str, path: str, section: CorpusSection) -> tuple[str, Parsed]:
    """Parse once; a C header that is hardly C is tried as C++, and the better reading is kept."""
    parsed = parse(language, text, path)
    limit = section.rules.max_syntax_error_share
    if language != "C" or not path.endswith(".h") or parsed.syntax_error_share <= (limit or 0.0):
        return language, parsed
    other = parse("C++", text, path)
    return min(((language, parsed), ("C++", other)), key=lambda pair: pair[1].syntax_error_share)


def _syntax_reason(parsed: Parsed, section: CorpusSection) -> tuple[str, str]:
    limit = section.rules.max_syntax_error_share
    if limit is None:
        return "", ""
    if parsed.failure is not None:
        return "syntax", parsed.failure
    if parsed.syntax_error_share > limit:
        return "syntax", f"{parsed.syntax_error_share:.1%} broken syntax, limit {limit:.0%}"
    return "", ""


def _licence_allowed(licence: str, section: CorpusSection) -> bool:
    if section.licences == "any":
        return True
    if section.licences == "permissive":
        return is_permissive(licence)
    return licence in section.licences
