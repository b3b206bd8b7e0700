"""One file's verdict."""

import pytest

from gristmill.corpus.config import (
    CorpusSection,
    Domain,
    InstalledSource,
    Limit,
    Quality,
    Rules,
)
from gristmill.corpus.judging import judge, refused_unread
from gristmill.corpus.quality import SIGNALS

SOURCES = (InstalledSource(kind="installed", names=()),)
SECTION = CorpusSection(sources=SOURCES)
GOOD = b"import os\n\n\ndef name() -> str:\n    return os.name\n"


def test_a_good_file_stays_with_its_imports_and_hash() -> None:
    judged = judge("a.py", GOOD, "MIT", SECTION)
    assert (judged.reason, judged.language, judged.text) == ("", "Python", GOOD.decode())
    assert judged.parsed is not None and judged.parsed.imports[0].target == "os"
    assert judged.content != 0


def test_line_ends_do_not_change_the_hash() -> None:
    windows = judge("a.py", GOOD.replace(b"\n", b"\r\n"), "MIT", SECTION)
    assert windows.content == judge("b.py", GOOD, "MIT", SECTION).content


@pytest.mark.parametrize(
    ("path", "data", "reason"),
    [
        ("a.bin", GOOD, "language"),
        ("tool", b"no shebang here\n", "language"),
        ("a.toml", b"name = 'words in a file'\n", "language"),
        ("a.py", b"a\0b", "binary"),
        ("a.py", b"a = '\xff'", "encoding"),
        ("a.py", b"", "empty"),
        ("a.py", b"x" * 1_048_577, "too_large"),
        ("a/vendor/b.py", GOOD, "vendored"),
        ("a_pb2.py", GOOD, "generated"),
        ("a.py", b"1 + 2 + 3\n" * 9, "alphabetic"),
        ("a.py", b"def (((:\n    return ]]\nclass : :\n" * 5, "syntax"),
    ],
)
def test_what_goes_says_why(path: str, data: bytes, reason: str) -> None:
    judged = judge(path, data, "MIT", SECTION)
    assert judged.reason == reason and judged.detail


def test_an_empty_module_is_still_a_node_of_the_import_graph() -> None:
    assert judge("pkg/__init__.py", b"", "MIT", SECTION).parsed is not None


def test_config_files_are_read_for_resolution_only() -> None:
    judged = judge("go.mod", b"module example.org/a\n", "MIT", SECTION)
    assert (judged.reason, judged.config) == ("language", True)
    assert judged.text.startswith("module")


def test_a_header_that_is_hardly_c_is_read_as_cpp() -> None:
    text = b"Point::Point(int a) : Base(a), b(a) {}\n" * 5
    assert judge("a.h", text, "MIT", SECTION).language == "C++"


def test_licences_are_filtered_by_expression() -> None:
    permissive = CorpusSection(sources=SOURCES, licences="permissive")
    assert judge("a.py", GOOD, "MIT", permissive).reason == ""
    assert judge("a.py", GOOD, "GPL-3.0-only", permissive).reason == "licence"
    named = CorpusSection(sources=SOURCES, licences=("GPL-3.0-only",))
    assert judge("a.py", GOOD, "GPL-3.0-only", named).reason == ""


def test_languages_can_be_chosen() -> None:
    only = CorpusSection(sources=SOURCES, languages=("TOML",))
    assert judge("a.toml", b"name = 'words in a file'\n", "MIT", only).reason == ""
    assert judge("a.py", GOOD, "MIT", only).reason == "language"


def test_names_and_sizes_are_refused_without_reading() -> None:
    assert refused_unread("a.py", 10, "MIT", SECTION) is None
    refused = refused_unread("a.so", 10, "MIT", SECTION)
    assert refused is not None and refused.reason == "language"
    assert refused_unread("package.json", 10, "MIT", SECTION) is None


def with_rules(**values: object) -> CorpusSection:
    return CorpusSection(sources=SOURCES, rules=Rules.model_validate(values))


def test_a_file_has_its_role_and_its_signals() -> None:
    judged = judge("tests/test_a.py", GOOD, "MIT", SECTION)
    assert (judged.reason, judged.role) == ("", "test")
    assert len(judged.signals) == len(SIGNALS)
    assert judge("docs/a.py", GOOD, "MIT", SECTION).role == "documentation"
    assert judge("a.py", GOOD, "MIT", SECTION).role == ""


def test_dropped_files_are_measured_where_they_are_parsed() -> None:
    assert judge("vendor/a.py", GOOD, "MIT", SECTION).signals
    assert not judge("a.css", b"a { color: red }\n", "MIT", SECTION).signals


def test_signals_can_be_switched_off() -> None:
    off = CorpusSection(sources=SOURCES, quality=Quality(signals=False))
    assert judge("a.py", GOOD, "MIT", off).signals == ()


def test_a_limit_of_the_recipe_drops_by_a_signal() -> None:
    strict = Quality(limits={"Python": {"comment_share": Limit(min=0.1)}})
    section = CorpusSection(sources=SOURCES, quality=strict)
    judged = judge("a.py", GOOD, "MIT", section)
    assert (judged.reason, judged.detail) == ("readability", "comment_share 0, least 0.1")
    assert judged.parsed is not None
    assert judge("a.c", b"int add(int a) { return a + 1; }\n", "MIT", section).reason == ""


@pytest.mark.parametrize(
    ("path", "key", "reason"),
    [
        ("tests/a.py", "drop_tests", "test"),
        ("examples/a.py", "drop_documentation", "documentation"),
    ],
)
def test_tests_and_documentation_go_where_a_recipe_says_so(
    path: str, key: str, reason: str
) -> None:
    assert judge(path, GOOD, "MIT", SECTION).reason == ""
    assert judge(path, GOOD, "MIT", with_rules(**{key: True})).reason == reason


def test_minified_scripts_say_so() -> None:
    assert judge("a.min.js", b"var a = 1;\n", "MIT", SECTION).reason == "minified"
    assert judge("a.min.js", b"var a = 1;\n", "MIT", with_rules(drop_minified=False)).reason == ""


def test_the_paper_s_rules_come_before_ours() -> None:
    assert judge("vendor/a.py", b"1 + 2 + 3\n" * 9, "MIT", SECTION).reason == "alphabetic"


def test_a_legacy_encoding_is_read_where_that_is_safe() -> None:
    line = (
        "# \u042d\u0442\u043e \u043a\u043e\u043c\u043c\u0435\u043d\u0442\u0430\u0440\u0438\u0439"
        " \u043e \u0442\u043e\u043c, \u043a\u0430\u043a \u0440\u0430\u0431\u043e\u0442\u0430\u0435\u0442"
        " \u043f\u0440\u043e\u0433\u0440\u0430\u043c\u043c\u0430"
    )
    data = f"{line}\nimport os\n".encode("cp1251")
    assert judge("a.py", data, "MIT", SECTION).text.startswith(line)
    assert judge("a.py", data, "MIT", with_rules(guess_encoding=False)).reason == "encoding"


def test_languages_that_nobody_wants_are_refused_without_reading() -> None:
    refused = refused_unread("a.toml", 10, "MIT", SECTION)
    assert refused is not None and refused.detail == "TOML is not among the languages wanted"
    assert refused_unread("a.h", 10, "MIT", SECTION) is None
    only_cpp = CorpusSection(sources=SOURCES, languages=("C++",))
    assert refused_unread("a.h", 10, "MIT", only_cpp) is None  # its content may say C++


PROSE = (
    b"How does one read a file in small parts? Open it, then loop over its lines: 0 1 2 3 4 5 6 7\n"
)


@pytest.mark.parametrize(
    ("path", "domain", "language"),
    [
        ("docs/guide.md", "code_text", "Markdown"),
        ("docs/guide.rst", "code_text", "reStructuredText"),
        ("answers/11227809", "code_text", "Text"),
        ("11227809.answer", "code_text", "Text"),
        ("book.txt", "text", "Text"),
        ("README", "text", "Text"),
        ("proof.tex", "math", "Tex"),
    ],
)
def test_prose_stays_without_rules_for_code(path: str, domain: Domain, language: str) -> None:
    data = PROSE + b"1" * 2000 + b"\n"  # a long line, hardly any letters
    judged = judge(path, data, "MIT", SECTION, domain)
    assert (judged.reason, judged.language, judged.parsed) == ("", language, None)
    assert judged.text == data.decode() and judged.content
    assert refused_unread(path, len(data), "MIT", SECTION, domain) is None


@pytest.mark.parametrize(
    ("path", "data", "reason"),
    [
        ("a.py", PROSE, "language"),
        ("style.css", PROSE, "language"),
        ("picture.svg", PROSE, "language"),
        ("package.json", PROSE, "language"),
        ("a.md", b"", "empty"),
        ("a.md", b"a\0b", "binary"),
        ("node_modules/x/README.md", PROSE, "vendored"),
        ("a.md", b"x" * 1_048_577, "too_large"),
    ],
)
def test_what_is_no_prose_says_why(path: str, data: bytes, reason: str) -> None:
    judged = judge(path, data, "MIT", SECTION, "code_text")
    assert judged.reason == reason and judged.detail and not judged.config


def test_licences_hold_in_every_domain() -> None:
    permissive = CorpusSection(sources=SOURCES, licences="permissive")
    assert judge("a.md", PROSE, "GPL-3.0-only", permissive, "text").reason == "licence"


def test_markdown_is_code_s_too() -> None:
    assert judge("README.md", PROSE, "MIT", SECTION).language == "Markdown"
