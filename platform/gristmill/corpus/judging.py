"""One file: from bytes to source text with its imports, or to the reason why it is left out.

The order is by cost: name, size, licence, bytes, content, the paper's rules, copied and generated files,
redaction of
secrets and addresses in what stays, then the one parse with syntax and quality. The first reason found is the file's reason; the paper's rules
come before ours, so that what they drop can be held against the paper's own figure. A file that is left
out for what it holds (not for what it is) is parsed all the same where that is cheap, because other files
may import it: an empty `__init__.py` is a node of the import graph although it is no training text.

Files of a source whose domain is not `code` are prose (see `domains`): only name, size, licence, encoding
and copies are asked of them.
"""

from dataclasses import dataclass

import xxhash

from gristmill.corpus.config import CorpusSection, Domain
from gristmill.corpus.domains import is_code, prose_language
from gristmill.corpus.generated import Role, generated, minified, role, vendored
from gristmill.corpus.imports import LANGUAGES as PARSED_LANGUAGES
from gristmill.corpus.imports import Parsed, is_config, parse
from gristmill.corpus.imports.model import Signals
from gristmill.corpus.languages import (
    DEFAULT_LANGUAGES,
    is_settled_by_name,
    language_of,
    language_of_name,
)
from gristmill.corpus.licences import is_allowed
from gristmill.corpus.quality import measurer, verdict
from gristmill.corpus.redaction import Span, redact
from gristmill.corpus.rules import check
from gristmill.corpus.text import decode

_STILL_NODES = frozenset(
    """empty alphabetic mean_line generated minified vendored test documentation
    syntax""".split()  # noqa: SIM905
)
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
    role: Role = ""
    """What the path says the file is for."""
    spans: tuple[Span, ...] = ()
    """What was redacted; places are of the text as it was."""

    @property
    def signals(self) -> Signals:
        """Return the quality signals in the order of `quality.SIGNALS`; empty when not measured."""
        return self.parsed.signals if self.parsed is not None else ()


def refused_unread(
    path: str, num_bytes: int, licence: str, section: CorpusSection, domain: Domain = "code"
) -> Judged | None:
    """Return the verdict that needs no bytes (name, size, licence), or None when they must be read."""
    limit = section.rules.max_file_bytes
    if is_code(domain):
        if is_config(path) and num_bytes <= limit:
            return None
        named = language_of_name(path)
        if named is None:
            return Judged(path, "", num_bytes, "language", "no known language by its name")
        if named and not _wanted(named, section) and is_settled_by_name(path):
            detail = f"{named} is not among the languages wanted"
            return Judged(path, named, num_bytes, "language", detail)
    else:
        named = prose_language(path)
        if named is None:
            return Judged(path, "", num_bytes, "language", f"no prose for domain {domain}")
    if num_bytes > limit:
        return Judged(path, named, num_bytes, "too_large", f"{num_bytes} bytes, limit {limit}")
    if not _licence_allowed(licence, section):
        return Judged(path, named, num_bytes, "licence", f"{licence} is not among those wanted")
    return None


def judge(
    path: str, data: bytes, licence: str, section: CorpusSection, domain: Domain = "code"
) -> Judged:
    """Return the verdict on one file."""
    unread = refused_unread(path, len(data), licence, section, domain)
    if unread is not None:
        return unread
    text, reason, detail = decode(data, guess=section.rules.guess_encoding)
    if not is_code(domain):
        return _judged_prose(path, text, reason, detail, len(data), section)
    found = language_of(path, text)
    language = found or language_of_name(path) or ""
    if not reason:
        reason, detail = _content_reason(path, text, found, licence, section)
    spans: tuple[Span, ...] = ()
    if not reason:
        text, spans = redact(text, language, section.redact)
    parsed = None
    if language in PARSED_LANGUAGES and (
        not reason or (reason in _STILL_NODES and len(data) <= _NODE_MAX_BYTES)
    ):
        language, parsed = _parse(language, text, path, section)
        if not reason:
            reason, detail = _tree_reason(language, parsed, section)
    return Judged(
        path=path,
        language=language,
        num_bytes=len(data),
        reason=reason,
        detail=detail,
        text=text,
        content=xxhash.xxh3_64_intdigest(text.encode()) if not reason else 0,
        parsed=parsed,
        config=is_config(path) and bool(text),
        role=role(path),
        spans=spans,
    )


def _judged_prose(
    path: str, text: str, reason: str, detail: str, num_bytes: int, section: CorpusSection
) -> Judged:
    if not reason and section.rules.drop_vendored and (sign := vendored(path)):
        reason, detail = "vendored", f"below {sign}"
    language = prose_language(path) or ""
    spans: tuple[Span, ...] = ()
    if not reason:
        text, spans = redact(text, language, section.redact)
    content = xxhash.xxh3_64_intdigest(text.encode()) if not reason else 0
    return Judged(
        path, language, num_bytes, reason, detail, text, content, role=role(path), spans=spans
    )


def _content_reason(
    path: str, text: str, language: str | None, licence: str, section: CorpusSection
) -> tuple[str, str]:
    if not _licence_allowed(licence, section):
        return "licence", f"{licence} is not among those wanted"
    if not language:
        return "language", "no known language by its name and content"
    if not _wanted(language, section):
        return "language", f"{language} is not among the languages wanted"
    rules = section.rules
    broken = check(text, language, rules, path)
    if broken is not None:
        return broken
    if rules.drop_vendored and (sign := vendored(path)):
        return "vendored", f"below {sign}"
    if rules.drop_minified and (sign := minified(path, text)):
        return "minified", sign
    if rules.drop_generated and (sign := generated(path, text)):
        return "generated", sign
    if rules.drop_tests and role(path) == "test":
        return "test", "a test by its path"
    if rules.drop_documentation and role(path) == "documentation":
        return "documentation", "documentation by its path"
    return "", ""


def _wanted(language: str, section: CorpusSection) -> bool:
    return language in (DEFAULT_LANGUAGES if section.languages is None else section.languages)


def _parse(language: str, text: str, path: str, section: CorpusSection) -> tuple[str, Parsed]:
    """Parse once; a C header that is hardly C is tried as C++, and the better reading is kept."""
    measuring = section.quality.signals
    parsed = parse(language, text, path, measure=measurer(language) if measuring else None)
    limit = section.rules.max_syntax_error_share
    if language != "C" or not path.endswith(".h") or parsed.syntax_error_share <= (limit or 0.0):
        return language, parsed
    other = parse("C++", text, path, measure=measurer("C++") if measuring else None)
    return min(((language, parsed), ("C++", other)), key=lambda pair: pair[1].syntax_error_share)


def _tree_reason(language: str, parsed: Parsed, section: CorpusSection) -> tuple[str, str]:
    limit = section.rules.max_syntax_error_share
    if limit is not None and parsed.failure is not None:
        return "syntax", parsed.failure
    if limit is not None and parsed.syntax_error_share > limit:
        return "syntax", f"{parsed.syntax_error_share:.1%} broken syntax, limit {limit:.0%}"
    return verdict(language, parsed.signals, section.quality)


def _licence_allowed(licence: str, section: CorpusSection) -> bool:
    return is_allowed(licence, section.licences)
