"""Whole repositories in small: the edges that the languages' rules give, written down by hand."""

import random
import re
import subprocess
from pathlib import Path

import pytest

from gristmill.corpus.files import SourceFile
from gristmill.corpus.imports import Edge, edge_row, import_edges, is_config, parse
from gristmill.corpus.languages import language_of_name

FIXTURES = Path(__file__).parents[1] / "fixtures" / "imports"
EXPECTED = sorted(FIXTURES.glob("*/*.edges"))


def read(repository: Path) -> tuple[list[SourceFile], dict[str, str]]:
    texts = {
        path.relative_to(repository).as_posix(): path.read_text()
        for path in sorted(repository.rglob("*"))
        if path.is_file()
    }
    named = {
        path: language_of_name(path) or "C"
        for path in texts
        if language_of_name(path) or not is_config(path)
    }
    files = [SourceFile(path, language, texts[path]) for path, language in named.items()]
    return files, {path: text for path, text in texts.items() if is_config(path)}


def written(edge: Edge) -> str:
    return f"{edge.importer} -> {edge.imported} {edge.kind} {edge.line or '-'}"


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda path: path.stem)
def test_a_repository_has_the_edges_that_its_language_gives_it(expected: Path) -> None:
    files, configs = read(expected.with_suffix(""))
    found = [written(edge) for edge in import_edges(files, configs=configs)]
    assert sorted(found) == sorted(expected.read_text().splitlines())


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda path: path.stem)
def test_edges_depend_neither_on_the_order_of_files_nor_on_who_parsed_them(expected: Path) -> None:
    files, configs = read(expected.with_suffix(""))
    edges = import_edges(files, configs=configs)
    shuffled = random.Random(1).sample(files, len(files))
    parsed = {file.path: parse(file.language, file.text.encode(), file.path) for file in files}
    backwards = dict(reversed(configs.items()))
    assert import_edges(shuffled, parsed, backwards) == edges == sorted(edges, key=written_key)
    keys = [(edge.importer, edge.imported, edge.kind) for edge in edges]
    assert len(set(keys)) == len(keys)
    assert all(edge.importer != edge.imported for edge in edges)


def written_key(edge: Edge) -> tuple[str, str, str]:
    return edge.importer, edge.imported, edge.kind


def test_every_language_has_a_repository() -> None:
    languages = {file.language for path in EXPECTED for file in read(path.with_suffix(""))[0]}
    assert {"Python", "JavaScript", "TypeScript", "Java", "Go", "C", "C++", "CUDA"} <= languages
    assert {"Rust", "Swift", "Lua", "Shell", "Protocol Buffer"} <= languages


def test_of_two_statements_with_one_target_the_first_line_is_kept() -> None:
    files = [
        SourceFile("p/__init__.py", "Python", ""),
        SourceFile("p/a.py", "Python", "from p import b\nimport p.b\ndef f():\n    import p.b\n"),
        SourceFile("p/b.py", "Python", "import p.b\n"),
    ]
    assert [written(edge) for edge in import_edges(files)] == [
        "p/a.py -> p/b.py import 1",
        "p/a.py -> p/b.py local 4",
    ]


def test_an_edge_becomes_a_row_of_the_artifacts_table() -> None:
    edge = Edge("a.go", "b.go", "same_package", "Go", None)
    assert edge_row("acme/server", edge) == {
        "repository": "acme/server",
        "importer": "a.go",
        "imported": "b.go",
        "language": "Go",
        "kind": "same_package",
        "line": None,
    }


def test_configuration_files_are_known_by_name() -> None:
    wanted = ["a/package.json", "go.mod", "tsconfig.json", "x/tsconfig.base.json", "pyproject.toml"]
    assert all(is_config(path) for path in wanted)
    assert not any(is_config(path) for path in ["a.json", "go.sum", "tsconfig.ts", "package.json5"])


def _pairs(repository: str, but: set[str] = frozenset()) -> set[tuple[str, str]]:
    lines = (FIXTURES / f"{repository}.edges").read_text().splitlines()
    words = [line.split() for line in lines]
    return {(importer, imported) for importer, _, imported, kind, _ in words if kind not in but}


@pytest.mark.toolchain
def test_gcc_reaches_the_same_headers() -> None:
    pairs = _pairs("c/engine")
    for source in ["src/main.c", "src/gfx/draw.c", "tools/gen.c"]:
        command = [
            "gcc",
            "-MM",
            "-MG",
            "-DHAVE_CONFIG",
            "-DMISSING=<stdio.h>",
            "-Iinclude",
            "-Isrc",
        ]
        rule = subprocess.run(
            [*command, source],
            cwd=FIXTURES / "c/engine",
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        reached, new = {source}, {source}
        while new:
            new = {imported for importer, imported in pairs if importer in new} - reached
            reached |= new
        words = rule.replace("\\\n", " ").split()[1:]
        assert {re.sub(r"\w+/\.\./", "", word) for word in words} == reached


@pytest.mark.jdk
def test_the_java_compiler_sees_the_same_uses(tmp_path: Path) -> None:
    shop = FIXTURES / "java/shop"
    sources = sorted(path for path in shop.rglob("*.java") if "src/main" in path.as_posix())
    subprocess.run(["javac", "-d", tmp_path, *map(str, sources)], check=True)
    listing = subprocess.run(
        ["jdeps", "-v", tmp_path], capture_output=True, text=True, check=True
    ).stdout
    home = {
        path.relative_to(shop).as_posix().split("java/")[1][:-5].replace("/", "."): path
        for path in sources
    }
    home["com.acme.app.Sidekick"] = home["com.acme.app.Helpers"]

    def file(name: str) -> str:
        return home[name.partition("$")[0]].relative_to(shop).as_posix()

    uses = re.findall(r"^ +(com\.acme\S+) +-> (com\.acme\S+)", listing, re.MULTILINE)
    seen = {(file(user), file(used)) for user, used in uses}
    ours = {pair for pair in _pairs("java/shop") if "src/test" not in pair[0]}
    # erased by the compiler: a bound of a type parameter, an annotation, an import for List<Line>
    erased = {
        ("core/src/main/java/com/acme/core/Order.java", f"core/src/main/java/com/acme/core/{name}")
        for name in ("Customer.java", "Marked.java")
    } | {(file("com.acme.app.Main"), file("com.acme.core.Order"))}
    assert {pair for pair in seen if pair[0] != pair[1]} == ours - erased
