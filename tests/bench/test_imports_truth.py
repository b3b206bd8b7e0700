"""Python import edges against `ruff analyze graph`, and what each order breaks of them.

    pytest tests/bench/test_imports_truth.py -m truth

Compared are installed packages, and whole source archives with their tests, scripts and build files:
ruff once with its own defaults, once with the project's settings. Edges are those between files that
ruff looks at, from importers in a regular package: it does not know the package of a file in a folder
without `__init__.py`, and drops its relative imports (flask's `sansio`). F1 over all importers is
printed beside. Some archives were looked at while the rules were written, the held-out ones were not.
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
from gristmill.corpus.imports import Edge, import_edges, is_config
from gristmill.corpus.order import Order, order, violations
from tests.bench.repositories import pypi

PACKAGES = """
networkx sympy pydantic rich fastapi httpx starlette deepspeed pandas numpy torch/nn torch/distributed
torch/_dynamo ray/data ray/serve ray/train ray/util openai hypothesis matplotlib huggingface_hub
""".split()  # fmt: skip # noqa: SIM905
SEEN = """
attrs==24.2.0 flask==3.0.3 pytest==8.3.3 sphinx==8.1.3 celery==5.4.0 azure-core==1.31.0 poetry-core==1.9.1
black==24.10.0 scrapy==2.11.2 twisted==24.7.0 ansible-core==2.17.5 sqlalchemy==2.0.36
""".split()  # fmt: skip # noqa: SIM905
HELD_OUT = """
google-cloud-storage==2.18.2 datasette==0.65.1 trio==0.26.2 jax==0.4.34 buildbot==4.0.4 django==5.1.2
scikit-learn==1.5.2 dask==2024.9.1 opentelemetry-sdk==1.27.0
""".split()  # fmt: skip # noqa: SIM905
BAR = 0.99
WAYS: tuple[Order, ...] = ("scc", "paper", "path", "random")
pytestmark = [pytest.mark.truth, pytest.mark.timeout(3600)]


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


def ruffs_graph(folder: Path, *options: str) -> dict[str, list[str]]:
    command = ["ruff", "analyze", "graph", *options, "--quiet", "."]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    graph: dict[str, list[str]] = json.loads(done.stdout)
    return graph


def ruffs_edges(folder: Path) -> Iterator[tuple[str, str]]:
    for importer, targets in ruffs_graph(folder, "--isolated").items():
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
    assert worst >= BAR
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


def unpacked(source: Path, folder: Path) -> tuple[list[SourceFile], dict[str, str]]:
    """Copy the Python and build files of a source archive, and read them."""
    files: list[SourceFile] = []
    configs: dict[str, str] = {}
    for path in sorted(source.rglob("*")):
        place = path.relative_to(source)
        known = path.suffix in {".py", ".pyi"} or is_config(place.as_posix())
        if not known or path.is_symlink() or not path.is_file():
            continue
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / place)
        text = path.read_bytes().decode("utf-8", "replace")
        if path.suffix in {".py", ".pyi"}:
            files.append(SourceFile(place.as_posix(), "Python", text))
        if is_config(place.as_posix()):
            configs[place.as_posix()] = text
    return files, configs


def test_edges_of_source_archives_agree_with_ruff(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    worst = 1.0
    with capsys.disabled():
        for title, requirements in (("seen", SEEN), ("held out", HELD_OUT)):
            print(f"\n{title:30}{'edges':>7}{'precision':>11}{'recall':>8}{'F1':>8}", end="")
            print(f"{'by its settings':>17}{'all importers':>15}")
            for requirement in requirements:
                folder = tmp_path / requirement
                files, configs = unpacked(pypi(requirement), folder)
                edges = {(e.importer, e.imported) for e in import_edges(files, configs=configs)}
                own = ruffs_graph(folder, "--isolated")
                num_edges, precision, recall, f1 = agreement(edges, own, folder)
                project = agreement(edges, ruffs_graph(folder), folder)[3]
                every = agreement(edges, own)[3]
                worst = min(worst, f1, project)
                print(f"{requirement:30}{num_edges:7}{precision:11.4f}{recall:8.4f}", end="")
                print(f"{f1:8.4f}{project:17.4f}{every:15.4f}")
    assert worst >= BAR


def agreement(
    edges: set[tuple[str, str]], graph: dict[str, list[str]], packages_of: Path | None = None
) -> tuple[int, float, float, float]:
    """Return ruff's number of edges, precision, recall and F1; with a folder, of its packages alone."""

    def compared(importer: str) -> bool:
        if packages_of is None:
            return importer in graph
        return importer in graph and (packages_of / importer).with_name("__init__.py").exists()

    truth = {(one, other) for one, others in graph.items() for other in others if one != other}
    truth = {(one, other) for one, other in truth if compared(one) and other in graph}
    ours = {(one, other) for one, other in edges if compared(one) and other in graph}
    both = len(ours & truth)
    return (
        len(truth),
        both / max(len(ours), 1),
        both / max(len(truth), 1),
        2 * both / max(len(ours) + len(truth), 1),
    )
