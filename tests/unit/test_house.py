"""The house rules that no linter knows."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("platform/gristmill", "actors", "jobs", "cluster")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_standard_library_keeps_its_platform() -> None:
    assert not (ROOT / "platform/__init__.py").exists()
    assert list((ROOT / "platform").glob("*.py")) == [], "platform/ is src/: packages only"
    code = (
        "import platform, sys; sys.exit(not platform.system() or 'gristmill' in platform.__file__)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_imports_go_downwards() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    if not lint.exists():
        pytest.skip("import-linter is not installed in this environment")
    done = subprocess.run([str(lint)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", sorted((ROOT / PACKAGES[0]).rglob("*.py")), ids=_name)
def test_the_library_never_imports_ray_and_never_prints(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        above = {"ray", "actors", "jobs", "cluster"} & {name.split(".")[0] for name in names}
        assert not above, f"{_name(path)}:{node.lineno} imports {above}"  # type: ignore[attr-defined]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            to_stream = {keyword.arg for keyword in node.keywords} & {"file"}
            assert node.func.id != "print" or to_stream, f"{_name(path)}:{node.lineno} prints"


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_files_and_functions_are_short_and_ascii(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_FILE_LINES, "past 400 lines a file is two nouns"
    assert text.isascii(), "use \\uXXXX escapes"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= MAX_FUNCTION_LINES, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_every_module_says_what_it_is_and_promises_nothing(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a module's docstring states its model"
    assert not re.search(r"\b(TODO|FIXME|XXX)\b|raise NotImplementedError", text)
    assert path.stem not in ("utils", "helpers", "misc", "common")


def test_actors_are_thin() -> None:
    for path in (ROOT / "actors").glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 120, _name(path)


def test_jobs_run_by_plain_ray_too() -> None:
    from gristmill.pipeline import STAGES

    for stage in STAGES:
        text = (ROOT / f"jobs/{stage}.py").read_text(encoding="utf-8")
        assert f"python -m jobs.{stage}" in text, f"jobs/{stage}.py shows no cluster command"
        assert "raise SystemExit(main" in text


def test_the_commands_of_the_readme_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)\b", _code_of(readme))) <= targets
    from jobs.__main__ import app

    commands = {info.name for info in app.registered_commands}
    commands |= {group.name for group in app.registered_groups}
    assert set(re.findall(r"\bgristmill ([a-z]+)\b", _code_of(readme))) <= commands


def _code_of(markdown: str) -> str:
    """Return the fenced blocks and inline code of a page."""
    found = re.findall(r"```[a-z]*\n(.*?)```|`([^`\n]+)`", markdown, re.DOTALL)
    return "\n".join("".join(parts) for parts in found)


def test_every_test_file_has_a_name_of_its_own() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert len(names) == len(set(names))
    assert not (ROOT / "tests/unit/__init__.py").exists()


def test_the_projects_own_pages_are_there() -> None:
    for name in ("LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "constraints.txt"):
        assert (ROOT / name).is_file(), name
