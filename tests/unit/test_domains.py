"""Which files a domain of prose wants, and a small corpus of all four domains."""

import json
from pathlib import Path

import pytest

from gristmill.corpus.config import CorpusSection, FolderSource, TableSource
from gristmill.corpus.contamination import Benchmarks
from gristmill.corpus.domains import is_code, prose_language
from gristmill.corpus.pieces import plan_pieces, read_piece
from gristmill.corpus.sources import open_sources


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


WORDS = (
    "A question about files: how are they read in parts, and who closes them afterwards? " * 3
    + "\n"
)


def mixture(folder: Path) -> CorpusSection:
    """Return a corpus of all four domains: code, Markdown and answers, prose, TeX."""
    files = {
        "code/app/main.py": "import helper\n\n\ndef run() -> int:\n    return helper.add(1, 2)\n",
        "code/app/helper.py": "def add(a: int, b: int) -> int:\n    return a + b\n",
        "code/app/numbers.py": "1 + 2 + 3\n" * 9,
        "pages/site/guide.md": "# Guide\n" + WORDS,
        "pages/site/build.py": "print('no page')\n",
        "pages/site/deep/reference.rst": "Reference\n=========\n"
        + WORDS
        + "0123456789" * 200
        + "\n",
        "prose/books/one.txt": WORDS.upper(),
        "proofs/arxiv/sum.tex": "\\begin{equation}1+2+3=6\\end{equation}\n" * 9,
    }
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    rows = [
        {"id": 4, "text": WORDS[:120]},
        {"id": 7, "text": ""},
        {"text": WORDS[40:170]},
        {"id": 9},
    ]
    answers = folder / "answers.jsonl"
    answers.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return CorpusSection(
        sources=(
            FolderSource(kind="folder", path=str(folder / "code")),
            FolderSource(kind="folder", path=str(folder / "pages"), domain="code_text"),
            TableSource(kind="table", paths=(str(answers),), domain="code_text"),
            FolderSource(kind="folder", path=str(folder / "prose"), domain="text"),
            FolderSource(kind="folder", path=str(folder / "proofs"), domain="math"),
        )
    )


def test_a_corpus_of_four_domains_is_read(tmp_path: Path) -> None:
    section = mixture(tmp_path)
    found = {}
    for piece in plan_pieces(open_sources(section), section):
        for row in read_piece(piece, section, Benchmarks.load(())).to_pylist():
            found[row["path"]] = (row["language"], row["reason"], row["parsed"] is not None)
    assert found == {
        "main.py": ("Python", "", True),
        "helper.py": ("Python", "", True),
        "numbers.py": ("Python", "alphabetic", True),
        "guide.md": ("Markdown", "", False),
        "build.py": ("", "language", False),
        "deep/reference.rst": ("reStructuredText", "", False),
        "4": ("Text", "", False),
        "7": ("Text", "empty", False),
        "3": ("Text", "", False),
        "answers.jsonl:4": ("", "unreadable", False),
        "one.txt": ("Text", "", False),
        "sum.tex": ("Tex", "", False),
    }
