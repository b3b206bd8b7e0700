"""How fast files are parsed and resolved, by language, and how long the largest cycles take to order.

    pytest tests/bench/test_imports_speed.py -m truth

Peer: Python's own `ast.parse` and a walk for the imports, on the same files in the same run.
"""

import ast
import importlib.util
import random
import time
from pathlib import Path

import pytest

from gristmill.corpus.files import SourceFile
from gristmill.corpus.imports import LANGUAGES, Edge, import_edges, parse
from gristmill.corpus.languages import language_of
from gristmill.corpus.order import order, violations

PACKAGES = ("networkx", "pandas", "torch", "numpy", "pyarrow", "ray", "playwright", "matplotlib")
MAX_BYTES = 4_000_000
pytestmark = pytest.mark.truth


def sample() -> dict[str, list[SourceFile]]:
    """Return up to `MAX_BYTES` of each language from installed packages."""
    found: dict[str, list[SourceFile]] = {}
    sizes: dict[str, int] = {}
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        folder = Path((spec.submodule_search_locations or ["."])[0]) if spec else Path()
        for path in sorted(folder.rglob("*")) if spec else ():
            if not path.is_file() or path.stat().st_size > 200_000 or path.suffix in {"", ".so"}:
                continue
            text = path.read_bytes().decode("utf-8", "replace")
            language = language_of(path.name, text)
            if language in LANGUAGES and sizes.get(language, 0) < MAX_BYTES:
                sizes[language] = sizes.get(language, 0) + len(text)
                place = path.relative_to(folder.parent).as_posix()
                found.setdefault(language, []).append(SourceFile(place, language, text))
    return found


def test_speed_of_parsing_and_resolving(capsys: pytest.CaptureFixture[str]) -> None:
    seconds: dict[str, float] = {}
    files = sample()
    with capsys.disabled():
        print(
            f"\n{'language':12}{'files':>6}{'MB':>7}{'parse MB/s':>12}{'edges':>7}{'edges/s':>10}"
        )
        for language, some in sorted(files.items()):
            size = sum(len(file.text) for file in some) / 1e6
            started = time.perf_counter()
            parsed = {file.path: parse(language, file.text, file.path) for file in some}
            seconds[language] = time.perf_counter() - started
            started = time.perf_counter()
            edges = import_edges(some, parsed)
            resolving = time.perf_counter() - started
            print(
                f"{language:12}{len(some):6}{size:7.2f}{size / seconds[language]:12.2f}"
                f"{len(edges):7}{len(edges) / resolving:10.0f}"
            )
            assert not [path for path, found in parsed.items() if found.failure]
        started = time.perf_counter()
        for file in files["Python"]:
            tree = ast.parse(file.text)
            _ = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        peer = time.perf_counter() - started
        print(f"Python, ast.parse + walk / ours: {peer / seconds['Python']:.2f}x")
    assert peer / seconds["Python"] >= 0.5


def test_order_is_linear_in_the_cycle(capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(0)
    with capsys.disabled():
        print()
        for size in (1_000, 10_000):
            names = [f"{index:05}" for index in range(size)]
            ring = [(index, (index + 1) % size) for index in range(size)]
            for label, pairs in (
                ("ring", ring),
                (
                    "ring + 3 random edges a file",
                    ring + [(i % size, rng.randrange(size)) for i in range(3 * size)],
                ),
            ):
                edges = [Edge(names[a], names[b], "import", "Python", 1) for a, b in pairs]
                started = time.perf_counter()
                found = order(names, edges)
                taken = time.perf_counter() - started
                share = violations(found, edges).share
                print(f"{size:6} files, {label:30} {taken:6.2f} s, broken {share:.3f}")
    assert taken < 10  # 2 s on an idle core; the figure is printed, a stuck pass is caught
