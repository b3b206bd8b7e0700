"""Redaction: placeholders, spans of the original text, and the laws it keeps for any text."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from gristmill.corpus.config import Redact
from gristmill.corpus.redaction import SCHEMA, redact, span_rows

ALL = Redact()
MAIL = "jane.doe" + "@" + "acme-corp.de"


def test_a_span_is_where_the_value_was() -> None:
    text = f"# \u00e9crit par {MAIL}\nhost = '93.184.216.34'\n"
    clean, spans = redact(text, "Python", ALL)
    assert clean == "# \u00e9crit par REDACTED_EMAIL\nhost = 'REDACTED_IP_ADDRESS'\n"
    assert [(span.kind, text[span.start : span.end]) for span in spans] == [
        ("email", MAIL),
        ("ipv4", "93.184.216.34"),
    ]


def test_every_kind_has_its_switch() -> None:
    text = f"{MAIL} 93.184.216.34"
    assert redact(text, "Text", Redact(emails=False))[0] == f"{MAIL} REDACTED_IP_ADDRESS"
    assert redact(text, "Text", Redact(ips=False))[0] == "REDACTED_EMAIL 93.184.216.34"
    assert redact(text, "Text", Redact(secrets=False, emails=False, ips=False)) == (text, ())


def test_a_digest_tells_values_apart_and_tells_nothing_else() -> None:
    _, (one, two, again) = redact(f"a.b{MAIL} {MAIL} a.b{MAIL}", "Text", ALL)
    assert one.digest == again.digest != two.digest
    assert len(one.digest) == 4


def test_spans_are_rows_of_the_table() -> None:
    _, spans = redact(f"x {MAIL}", "Text", ALL)
    (row,) = span_rows("repository", "a.txt", spans)
    assert list(row) == SCHEMA.names
    assert (row["start"], row["end"]) == (2, 2 + len(MAIL))


PIECES = st.sampled_from(
    [
        MAIL,
        "93.184.216.34",
        "2a00:1450:4001:81b::200e",
        "\u00e9\U0001f600",
        "\n",
        "@",
        ":",
        "a.b",
        '"',
    ]
)


@given(st.lists(PIECES | st.text(max_size=8), max_size=12).map(" ".join))
def test_lines_stay_and_redacting_twice_changes_nothing(text: str) -> None:
    clean, spans = redact(text, "Python", ALL)
    assert clean.count("\n") == text.count("\n")
    assert redact(clean, "Python", ALL) == (clean, ())
    kept = [text[a.end : b.start] for a, b in itertools.pairwise(spans)]
    assert all(piece in clean for piece in kept)
    assert all(a.end <= b.start for a, b in itertools.pairwise(spans))
