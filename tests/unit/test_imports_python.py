"""Python: names, dots, roots; and small installed packages against `ruff analyze graph`."""

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from gristmill.corpus.files import SourceFile
from gristmill.corpus.imports import import_edges, parse


def pairs(files: dict[str, str], configs: dict[str, str] | None = None) -> set[tuple[str, str]]:
    sources = [SourceFile(path, "Python", text) for path, text in files.items()]
    return {(edge.importer, edge.imported) for edge in import_edges(sources, configs=configs)}


@pytest.mark.parametrize(
    ("text", "target", "names"),
    [
        ("import a", "a", ()),
        ("import a.b.c as d", "a.b.c", ()),
        ("from a import b", "a", ("b",)),
        ("from a import b as c, d", "a", ("b", "d")),
        ("from . import b", ".", ("b",)),
        ("from .. a import b", "..a", ("b",)),
        ("from ...a.b import (\n    c,  # first\n    d as e,\n)", "...a.b", ("c", "d")),
        ("from a import \\\n    b, \\\n    c", "a", ("b", "c")),
        ("from a import *", "a", ("*",)),
        ("from a import(b)", "a", ("b",)),
        ("from\ta\timport\tb", "a", ("b",)),
    ],
)
def test_a_statement_is_read_whole(text: str, target: str, names: tuple[str, ...]) -> None:
    (found,) = parse("Python", text + "\n").imports
    assert (found.target, found.names, found.line) == (target, names, 1)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("if typing.TYPE_CHECKING:\n    import a", "type_only"),
        ("if not TYPE_CHECKING:\n    import a", "import"),
        ("if not TYPE_CHECKING:\n    pass\nelse:\n    import a", "type_only"),
        ("if TYPE_CHECKING or x:\n    import a", "import"),
        ("def f():\n    if TYPE_CHECKING:\n        import a", "type_only"),
        ("async def f():\n    with x:\n        import a", "local"),
        ("class C:\n    import a", "import"),
        ("try:\n    import a\nexcept ImportError:\n    pass", "import"),
    ],
)
def test_where_a_statement_stands_gives_its_kind(text: str, kind: str) -> None:
    (found,) = parse("Python", text + "\n").imports
    assert found.kind == kind


def test_a_build_file_names_the_folder_of_packages() -> None:
    files = {"code/lib/pkg/__init__.py": "", "code/lib/pkg/a.py": "", "run/x.py": "import pkg.a"}
    edge = {("run/x.py", "code/lib/pkg/a.py")}
    texts = {
        "pyproject.toml": '[tool.setuptools.packages.find]\nwhere = ["code/lib"]',
        "code/pyproject.toml": '[tool.setuptools]\npackage-dir = {"" = "lib"}',
        "setup.py": 'setup(package_dir={"": "code/lib"})',
        "setup.cfg": "[options]\npackage_dir =\n    =code/lib\n",
    }
    namespace = {path: text for path, text in files.items() if "__init__" not in path}
    assert pairs(namespace) == set()
    for path, text in texts.items():
        assert pairs(namespace, {path: text}) == edge
    assert pairs(files) == edge  # a package at the top of its folder names its root itself
    assert pairs(namespace, {"pyproject.toml": "[tool"}) == set()


def test_the_nearest_of_two_packages_of_one_name_is_meant() -> None:
    files = {f"{side}/util/{name}.py": "" for side in ("one", "two") for name in ("__init__", "a")}
    files |= {"one/tests/x.py": "from util import a", "two/tests/x.py": "import util.a"}
    assert pairs(files) == {
        ("one/tests/x.py", "one/util/a.py"),
        ("two/tests/x.py", "two/util/a.py"),
    }


def test_bundled_stubs_are_nobodys_modules_but_their_own() -> None:
    files = {
        "tool/__init__.py": "",
        "tool/check.py": "import typing_extensions\n",
        "tool/typeshed/stdlib/asyncio/__init__.pyi": "",
        "tool/typeshed/stdlib/typing_extensions.pyi": "",
    }
    assert pairs(files) == set()


def test_what_a_folder_of_bundled_packages_holds_can_be_imported() -> None:
    files = {
        "pkg/__init__.py": "",
        "pkg/main.py": "import yaml",
        "pkg/_vendor/yaml/__init__.py": "from yaml import nodes",
        "pkg/_vendor/yaml/nodes.py": "",
    }
    assert pairs(files) == {
        ("pkg/main.py", "pkg/_vendor/yaml/__init__.py"),
        ("pkg/_vendor/yaml/__init__.py", "pkg/_vendor/yaml/nodes.py"),
    }


def test_a_test_sees_what_lies_above_it() -> None:
    files = {"tests/utils.py": "", "tests/deep/more/test_a.py": "import utils", "utils/x.py": ""}
    files |= {"tests/pkg/__init__.py": "import gone.utils"}
    assert pairs(files) == {("tests/deep/more/test_a.py", "tests/utils.py")}


def test_names_of_the_standard_library_mean_it() -> None:
    files = {
        "pkg/__init__.py": "",
        "pkg/queue.py": "import queue, sys",
        "tests/queue/__init__.py": "",
        "tests/sys.py": "import json, sys",
        "json/__init__.py": "",
        "script/a.py": "import queue, sys",
        "script/queue.py": "",
        "script/sys.py": "",
    }
    assert pairs(files) == {("script/a.py", "script/queue.py")}


@pytest.mark.parametrize("name", ["httpx", "rich", "fastapi"])
def test_edges_agree_with_ruff(name: str, tmp_path: Path) -> None:
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.submodule_search_locations is not None
    source = Path(spec.submodule_search_locations[0])
    files = {}
    for path in sorted(source.rglob("*.py")):
        place = Path(name) / path.relative_to(source)
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, tmp_path / place)
        files[place.as_posix()] = path.read_text()
    done = subprocess.run(
        ["ruff", "analyze", "graph", "--isolated", "--quiet", "."],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    graph: dict[str, list[str]] = json.loads(done.stdout)
    truth = {(one, other) for one, others in graph.items() for other in others if one != other}
    ours = pairs(files)
    assert len(truth) > 50
    assert 2 * len(ours & truth) / (len(ours) + len(truth)) >= 0.99
