"""Which files a domain of prose wants."""

import pytest

from gristmill.corpus.domains import is_code, prose_language


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("a/b.md", "Markdown"),
        ("a.rst", "reStructuredText"),
        ("a.adoc", "AsciiDoc"),
        ("a.org", "Org"),
        ("a.pod", "Pod"),
        ("a.tex", "Tex"),
        ("a.txt", "Text"),
        ("README", "Text"),
        ("question/42", "Text"),
        ("42.question", "Text"),
        ("a.py", None),
        ("a.json", None),
        ("a.csv", None),
        ("Makefile", None),
    ],
)
def test_prose_by_name(path: str, wanted: str | None) -> None:
    assert prose_language(path) == wanted


def test_only_one_domain_is_code() -> None:
    assert is_code("code")
    assert not any(is_code(domain) for domain in ("code_text", "text", "math"))
