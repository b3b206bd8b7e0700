"""Import edges of installed packages against `ruff analyze graph`, and what each order breaks of them.

    pytest tests/bench/test_imports_truth.py -m truth

Compared are edges between files of the package, from importers in a regular package: ruff does not
know the package of a file in a folder without `__init__.py`, and drops its relative imports.
"""

import importlib.util
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from gristmill.corpus.files import SourceFile
from gristmill.corpus.imports import Edge, import_edges
from gristmill.corpus.order import Order, order, violations

PACKAGES = """
networkx sympy pydantic rich fastapi httpx starlette deepspeed pandas numpy torch/nn torch/distributed
torch/_dynamo ray/data ray/serve ray/train ray/util openai hypothesis matplotlib huggingface_hub
""".split()  # fmt: skip # noqa: SIM905
WAYS: tuple[Order, ...] = ("scc", "paper", "path", "random")
pytestmark = pytest.mark.truth


def copied(name: str, folder: Path) -> list[SourceFile]:
    """Copy the package's Python files, so that nothing beside them is looked up, and read them."""
    top, *inner = name.split("/")
    spec = importlib.util.find_spec(top)
    if spec is None or spec.submodule_search_locations is None:
        pytest.skip(f"{top} is not installed")
    source = Path(spec.submodule_search_locations[0], *inner)
    files = []
    for path in sorted((*source.rglob("*.py"), *source.rglob("*.pyi"))):
        place = Path(name) / path.relative_to(source)
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / place)
        text = path.read_bytes().decode("utf-8", "replace")
        files.append(SourceFile(place.as_posix(), "Python", text))
    return files


def ruffs_edges(folder: Path) -> Iterator[tuple[str, str]]:
    command = ["ruff", "analyze", "graph", "--isolated", "--quiet", "."]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    graph: dict[str, list[str]] = json.loads(done.stdout)
    for importer, targets in graph.items():
        if (folder / importer).parent.joinpath("__init__.py").exists():
            yield from ((importer, target) for target in targets if target != importer)


def test_python_edges_agree_with_ruff_and_orders_break_few(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shares: dict[str, list[float]] = {way: [] for way in WAYS}
    worst = 1.0
    with capsys.disabled():
        print(
            f"\n{'package':20}{'files':>6}{'edges':>7}{'precision':>11}{'recall':>8}{'F1':>8}",
            end="",
        )
        print("".join(f"{way:>8}" for way in WAYS))
        for name in PACKAGES:
            folder = tmp_path / name.replace("/", "-")
            files = copied(name, folder)
            edges = import_edges(files)
            precision, recall, f1 = scores(edges, set(ruffs_edges(folder)), folder)
            worst = min(worst, f1)
            print(
                f"{name:20}{len(files):6}{len(edges):7}{precision:11.4f}{recall:8.4f}{f1:8.4f}",
                end="",
            )
            for way in WAYS:
                ordered = order([file.path for file in files], edges, way)
                share = violations(ordered, edges).share
                shares[way].append(share)
                print(f"{share:8.3f}", end="")
            print()
        print("median share of broken edges:", {way: median(shares[way]) for way in WAYS})
    assert worst >= 0.99
    assert median(shares["scc"]) <= 0.07
    assert median(shares["scc"]) < median(shares["paper"])


def scores(
    edges: list[Edge], truth: set[tuple[str, str]], folder: Path
) -> tuple[float, float, float]:
    ours = {
        (edge.importer, edge.imported)
        for edge in edges
        if (folder / edge.importer).parent.joinpath("__init__.py").exists()
    }
    both = len(ours & truth)
    precision, recall = both / len(ours), both / len(truth)
    return precision, recall, 2 * both / (len(ours) + len(truth))
