"""Secrets and addresses out of a text, a placeholder in their place, and a span for each.

    text, spans = redact(text, language, section.redact)

Called once a file, right after decoding and the rules and before parsing and hashing, so that every
later step sees one and the same text. The placeholders are words, `REDACTED_KEY`, `REDACTED_EMAIL` and
`REDACTED_IP_ADDRESS`, because a word can stand wherever such a value stood: in a string, a comment, a
shell assignment, a YAML value, HTML text; angle brackets would break the last three. Lines are never
joined or split, and redacting twice changes nothing.

A span says where the value was in the original text and by which rule, never what it was. `digest`
tells equal values apart from different ones: 64 bits of a hash for secrets, which nobody can guess,
but only 16 for addresses, which could otherwise be found by trying all of them.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import pyarrow as pa

from gristmill.corpus.addresses import EMAIL_RULES, IP_RULES
from gristmill.corpus.config import Redact
from gristmill.corpus.credentials import ASSIGNED
from gristmill.corpus.key_shapes import SHAPES
from gristmill.corpus.scanning import Rule, Scanner

SCHEMA = pa.schema(
    [
        ("repository", pa.string()),
        ("path", pa.string()),
        ("kind", pa.string()),
        ("rule", pa.string()),
        ("start", pa.int64()),  # characters of the decoded text before redaction
        ("end", pa.int64()),
        ("digest", pa.string()),
    ]
)
"""The `redactions` table of a corpus artifact."""

KEY, EMAIL, IP_ADDRESS = "REDACTED_KEY", "REDACTED_EMAIL", "REDACTED_IP_ADDRESS"
_PLACEHOLDERS = {"email": EMAIL, "ipv4": IP_ADDRESS, "ipv6": IP_ADDRESS}


@dataclass(frozen=True)
class Span:
    """One redaction: `start` and `end` are characters of the text as it was."""

    kind: str
    rule: str
    start: int
    end: int
    digest: str


def redact(text: str, language: str, switches: Redact) -> tuple[str, tuple[Span, ...]]:
    """Return the text without secrets and addresses, and one span for each, by place.

    Pure and total: any text, any language name. Where findings overlap, the earlier wins, then the
    longer, then the rule that is listed first.
    """
    scanner = _scanner(switches.secrets, switches.emails, switches.ips)
    if scanner is None:
        return text, ()
    found = sorted((hit.start, -hit.end, number) for number, hit in scanner.find(text, language))
    if not found:
        return text, ()
    spans: list[Span] = []
    pieces: list[str] = []
    at = 0
    for start, negative_end, number in found:
        if start < at:
            continue
        rule, end = scanner.rules[number], -negative_end
        pieces += (text[at:start], _PLACEHOLDERS.get(rule.kind, KEY))
        spans.append(Span(rule.kind, rule.name, start, end, _digest(text[start:end], rule.kind)))
        at = end
    pieces.append(text[at:])
    return "".join(pieces), tuple(spans)


def span_rows(repository: str, path: str, spans: Iterable[Span]) -> list[dict[str, str | int]]:
    """Return a file's spans as rows of `SCHEMA`."""
    return [
        {
            "repository": repository,
            "path": path,
            "kind": span.kind,
            "rule": span.rule,
            "start": span.start,
            "end": span.end,
            "digest": span.digest,
        }
        for span in spans
    ]


@cache
def _scanner(secrets: bool, emails: bool, ips: bool) -> Scanner | None:
    rules: list[Rule] = []
    if secrets:
        rules += (*SHAPES, *ASSIGNED)
    if emails:
        rules += EMAIL_RULES
    if ips:
        rules += IP_RULES
    return Scanner(rules) if rules else None


def _digest(value: str, kind: str) -> str:
    size = 2 if kind in _PLACEHOLDERS else 8
    return hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=size).hexdigest()
