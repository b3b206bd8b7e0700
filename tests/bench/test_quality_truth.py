"""Comment, string and function figures against a query of the whole tree for the same.

    pytest tests/bench/test_quality_truth.py -m truth

The signals take comments and strings from one regular expression a language family, and functions from a
walk through the tree's containers. Truth is tree-sitter's own query over every node. A docstring is a
string here and there; regular expression literals and heredocs are what the expression does not know.
"""

import importlib
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

import pytest
from tree_sitter import Language, Node, Query, QueryCursor

from gristmill.corpus.imports import parse
from gristmill.corpus.imports.model import Signals
from gristmill.corpus.imports.registry import RULES
from gristmill.corpus.quality import SIGNALS, measurer
from tests.bench.repositories import debian, npm, pypi

pytestmark = pytest.mark.truth
BAR = 0.01
"""Mean absolute difference of the shares of comments and strings over a language's files."""
TREES = {
    "Python": ("celery==5.4.0", "*.py", "(comment) @c (string) @s", "(function_definition) @f"),
    "Java": (
        "jsoup",
        "*.java",
        "(line_comment) @c (block_comment) @c (string_literal) @s (character_literal) @s",
        "(method_declaration) @f (constructor_declaration) @f",
    ),
    "C": (
        "libgit2",
        "*.c",
        "(comment) @c (string_literal) @s (char_literal) @s",
        "(function_definition) @f",
    ),
    "Go": (
        "restic",
        "*.go",
        "(comment) @c (interpreted_string_literal) @s (raw_string_literal) @s (rune_literal) @s",
        "(function_declaration) @f (method_declaration) @f",
    ),
    "C++": (
        "re2",
        "*.cc",
        "(comment) @c (string_literal) @s (raw_string_literal) @s (char_literal) @s",
        "(function_definition) @f",
    ),
    "JavaScript": (
        "express@4.21.2",
        "*.js",
        "(comment) @c (string) @s (template_string) @s",
        "(function_declaration) @f (method_definition) @f",
    ),
    "TypeScript": (
        "rxjs@7.8.1",
        "*.ts",
        "(comment) @c (string) @s (template_string) @s",
        "(function_declaration) @f (method_definition) @f",
    ),
}
MAX_FILES = 120


def tree(name: str) -> Path:
    return pypi(name) if "==" in name else npm(name) if "@" in name else debian(name)


@dataclass
class Comparison:
    """Our figures beside a query's over the files of one language."""

    language: str
    query: Query
    comments: list[float] = field(default_factory=list)
    strings: list[float] = field(default_factory=list)
    functions: int = 0
    true_functions: int = 0

    def measure(self, root: Node, data: bytes, num_imports: int) -> Signals:
        signals = measurer(self.language)(root, data, num_imports)
        found = dict(zip(SIGNALS, signals, strict=True))
        nodes = QueryCursor(self.query).captures(root)
        for key, signal, differences in (
            ("c", "comment_share", self.comments),
            ("s", "string_share", self.strings),
        ):
            true = outermost(nodes.get(key, [])) / len(data)
            differences.append(abs(true - (found[signal] or 0.0)))
        self.true_functions += len(nodes.get("f", []))
        self.functions += int(found["functions"] or 0)
        return signals


def compared(language: str) -> Comparison:
    name, pattern, spans, functions = TREES[language]
    paths = [path for path in sorted(tree(name).rglob(pattern)) if path.is_file()]
    grammar = RULES[language].grammar
    assert grammar is not None
    module, function = grammar(language, paths[0].name)
    known = Language(getattr(importlib.import_module(module), function)())
    comparison = Comparison(language, Query(known, f"{spans} {functions}"))
    for path in paths[:: max(1, len(paths) // MAX_FILES)]:
        data = path.read_bytes()
        if data.strip():
            parse(language, data, path.name, measure=comparison.measure)
    return comparison


def test_shares_and_functions_are_the_tree_s(capsys: pytest.CaptureFixture[str]) -> None:
    failed = []
    with capsys.disabled():
        print(f"\n{'language':12}{'files':>6}{'comments':>10}{'strings':>9}  functions")
        for language in TREES:
            found = compared(language)
            comments, strings = (mean(some) for some in (found.comments, found.strings))
            print(
                f"{language:12}{len(found.comments):6}{comments:10.4f}{strings:9.4f}"
                f"  {found.functions}, with inner ones {found.true_functions}"
            )
            if max(comments, strings) > BAR:
                failed.append(language)
    assert not failed


def outermost(nodes: list[Node]) -> int:
    total = end = 0
    for start, stop in sorted((node.start_byte, node.end_byte) for node in nodes):
        total += max(0, stop - max(start, end))
        end = max(end, stop)
    return total
