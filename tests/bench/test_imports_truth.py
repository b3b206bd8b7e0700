"""Python import edges against `ruff analyze graph`.

    pytest tests/bench/test_imports_truth.py -m truth

Compared are installed packages, and whole source archives with their tests, scripts and build files:
ruff once with its own defaults, once with the project's settings. Edges are those between files that
ruff looks at, from importers in a regular package: it does not know the package of a file in a folder
without `__init__.py`, and drops its relative imports (flask's `sansio`). F1 over all importers is
printed beside.

Left out of archives, on both sides (`unclear`, counted): imports from another root of a name that several
roots of the repository declare, or that is the standard library's. Python takes the nearest and its own;
ruff takes one root for all (pyramid's 30 tutorials are all given the views of one). With its settings ruff
takes `src` for such a root too, where linters are told folders inside a package (trio), so that column is
printed, not gated. Some archives were looked at while the rules were written, the held-out ones were not.
"""

import importlib.util
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from gristmill.corpus.files import SourceFile
from gristmill.corpus.imports import Edge, import_edges, is_config
from tests.bench.repositories import pypi

PACKAGES = """
networkx sympy pydantic rich fastapi httpx starlette deepspeed pandas numpy torch/nn torch/distributed
torch/_dynamo ray/data ray/serve ray/train ray/util openai hypothesis matplotlib huggingface_hub
""".split()  # fmt: skip # noqa: SIM905
SEEN = """
attrs==24.2.0 flask==3.0.3 pytest==8.3.3 sphinx==8.1.3 celery==5.4.0 azure-core==1.31.0 poetry-core==1.9.1
black==24.10.0 scrapy==2.11.2 twisted==24.7.0 ansible-core==2.17.5 sqlalchemy==2.0.36 mypy==1.13.0
trio==0.26.2 pyramid==2.0.2 pylint==3.3.1
""".split()  # fmt: skip # noqa: SIM905
HELD_OUT = """
google-cloud-storage==2.18.2 datasette==0.65.1 jax==0.4.34 buildbot==4.0.4 django==5.1.2
scikit-learn==1.5.2 dask==2024.9.1 opentelemetry-sdk==1.27.0 fonttools==4.54.1 aiohttp==3.10.10
sentry-sdk==2.16.0 conan==2.8.0 wagtail==6.2.2 coverage==7.6.1 nltk==3.9.1 zope.interface==7.1.1
google-api-core==2.21.0
""".split()  # fmt: skip # noqa: SIM905
BAR = 0.99
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


def test_edges_of_packages_agree_with_ruff(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    worst = 1.0
    with capsys.disabled():
        print(f"\n{'package':20}{'files':>6}{'edges':>7}{'precision':>11}{'recall':>8}{'F1':>8}")
        for name in PACKAGES:
            folder = tmp_path / name.replace("/", "-")
            files = copied(name, folder)
            edges = import_edges(files)
            precision, recall, f1 = scores(edges, set(ruffs_edges(folder)), folder)
            worst = min(worst, f1)
            print(f"{name:20}{len(files):6}{len(edges):7}{precision:11.4f}{recall:8.4f}{f1:8.4f}")
    assert worst >= BAR


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


class Roots:
    """Where the top-level names of one repository are declared."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._packages = {str(Path(path).parent) for path in paths if path.endswith("__init__.py")}
        tops = {self.top(f"{folder}/__init__.py") for folder in self._packages}
        self._declared = Counter(top.name for top in tops)

    def top(self, path: str) -> Path:
        """Return the top-most package above a file, or the module that it is itself."""
        found = Path(path)
        while str(found.parent) in self._packages and str(found.parent) != ".":
            found = found.parent
        return found

    def unclear(self, edges: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return (importer, top-level name) where Python and ruff need not mean the same root."""
        found = set()
        for edge in edges:
            here, there = map(self.top, edge)
            if here.parent != there.parent and (
                self._declared[there.name] > 1 or there.stem in sys.stdlib_module_names
            ):
                found.add((edge[0], there.name))
        return found

    def left_out(self, edge: tuple[str, str], unclear: set[tuple[str, str]]) -> bool:
        """Say whether an edge is of an unclear name."""
        return (edge[0], self.top(edge[1]).name) in unclear


def test_edges_of_source_archives_agree_with_ruff(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    worst = 1.0
    with capsys.disabled():
        for title, requirements in (("seen", SEEN), ("held out", HELD_OUT)):
            print(f"\n{title:30}{'edges':>7}{'precision':>11}{'recall':>8}{'F1':>8}", end="")
            print(f"{'unclear':>9}{'by its settings':>17}{'all importers':>15}")
            for requirement in requirements:
                folder = tmp_path / requirement
                files, configs = unpacked(pypi(requirement), folder)
                roots = Roots(file.path for file in files)
                edges = {(e.importer, e.imported) for e in import_edges(files, configs=configs)}
                own, configured = ruffs_graph(folder, "--isolated"), ruffs_graph(folder)
                unclear = roots.unclear({*edges, *pairs(own)})
                own, configured = (without(graph, roots, unclear) for graph in (own, configured))
                left = {edge for edge in edges if not roots.left_out(edge, unclear)}
                num_edges, precision, recall, f1 = agreement(left, own, folder)
                project = agreement(left, configured, folder)[3]
                every = agreement(left, own)[3]
                worst = min(worst, f1)
                print(f"{requirement:30}{num_edges:7}{precision:11.4f}{recall:8.4f}", end="")
                print(f"{f1:8.4f}{len(edges - left):9}{project:17.4f}{every:15.4f}")
    assert worst >= BAR


def pairs(graph: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    for one, others in graph.items():
        yield from ((one, other) for other in others)


def without(
    graph: dict[str, list[str]], roots: Roots, unclear: set[tuple[str, str]]
) -> dict[str, list[str]]:
    """Return a graph without its unclear edges."""
    return {
        one: [other for other in others if not roots.left_out((one, other), unclear)]
        for one, others in graph.items()
    }


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
