"""One file's verdict."""

import pytest

from gristmill.corpus.config import CorpusSection, InstalledSource
from gristmill.corpus.judging import judge, refused_unread

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
