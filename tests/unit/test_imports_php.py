"""PHP: the full form of a name, the path of a `require`, and which of several declarations is meant."""

import json

import pytest

from gristmill.corpus.files import SourceFile
from gristmill.corpus.imports import import_edges, parse
from gristmill.corpus.imports.composer import Autoload
from gristmill.corpus.imports.php_paths import find_required, required_path


def edges(files: dict[str, str], configs: dict[str, str] | None = None) -> set[tuple[str, str]]:
    sources = [SourceFile(path, "PHP", f"<?php\n{text}") for path, text in files.items()]
    return {(edge.importer, edge.imported) for edge in import_edges(sources, configs=configs)}


@pytest.mark.parametrize(
    ("expression", "path"),
    [
        ("__DIR__ . '/a.php'", "@/a.php"),
        ("(__DIR__ . '/../a.php')", "@/../a.php"),
        ("dirname(__FILE__) . '/a.php'", "@/a.php"),
        ("dirname(__DIR__) . '/a.php'", "@/../a.php"),
        ("dirname( __FILE__, 3 ) . '/a.php'", "@/../../a.php"),
        ("dirname(dirname(__FILE__)) . '/a' . '.php'", "@/../a.php"),
        ("'lib/a.php'", "lib/a.php"),
        ("ROOT . 'lib/a.php'", "lib/a.php"),
        ('__DIR__ . "/$name.php"', None),
        ("__DIR__ . '/' . $name", None),
        ("$path", None),
        ("find('a.php')", None),
    ],
)
def test_the_path_of_a_require_is_read_where_its_text_tells(
    expression: str, path: str | None
) -> None:
    assert required_path(expression) == path


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("@/a.php", "x/y/a.php"),
        ("@/../a.php", "x/a.php"),
        ("@/../../../a.php", None),
        ("b.php", "b.php"),
        ("./a.php", "x/y/a.php"),
        ("../b.php", None),
    ],
)
def test_a_path_without_a_start_is_searched_upwards(path: str, found: str | None) -> None:
    assert find_required(path, "x/y/z.php", {"x/y/a.php", "x/a.php", "b.php"}) == found


def test_the_longest_prefix_leads_first_and_broken_files_lead_nowhere() -> None:
    rules = {"psr-4": {"A\\": "src", "A\\B\\": ["b", "c"]}, "psr-0": {"A_": "old"}}
    configs = {"lib/composer.json": json.dumps({"autoload": rules}), "composer.json": "{"}
    autoload = Autoload(configs)
    assert list(autoload.candidates("A\\B\\C")) == ["lib/b/C.php", "lib/c/C.php", "lib/src/B/C.php"]
    assert list(autoload.candidates("A_C")) == ["lib/old/A_C.php"]


def test_names_are_settled_in_their_file() -> None:
    parsed = parse(
        "PHP",
        """<?php
namespace A;
use B\\C as D, E\\F;
new D(); new F\\G(); new H(); new \\I(); new namespace\\J(); D\\k(); l(); strlen('x');
""",
    )
    targets = {one.target for one in parsed.imports}
    assert targets - {"A\\J"} == {"B\\C", "E\\F", "E\\F\\G", "I", "B\\C\\k"}
    assert parsed.used == {"A\\H", "?A\\l()", "?A\\strlen()"}


def test_a_function_of_the_namespace_hides_the_global_one_and_case_does_not_matter() -> None:
    files = {
        "x.php": "namespace N; ONE(); two(); new thing();",
        "n.php": "namespace N; function one() {} class Thing {}",
        "g.php": "function one() {} function two() {}",
    }
    assert edges(files) == {("x.php", "n.php"), ("x.php", "g.php")}
    assert edges(files | {"x.php": "namespace N; one();"}) == {("x.php", "n.php")}


def test_of_two_declarations_composer_decides_then_nearness() -> None:
    files = {
        "one/x.php": "new \\N\\C();",
        "one/C.php": "namespace N; class C {}",
        "two/C.php": "namespace N; class C {}",
    }
    assert edges(files) == {("one/x.php", "one/C.php")}
    configs = {"composer.json": '{"autoload": {"psr-4": {"N\\\\": "two/"}}}'}
    assert edges(files, configs) == {("one/x.php", "two/C.php")}


def test_what_a_file_declares_is_its_own_and_constants_of_classes_are_not_the_namespaces() -> None:
    files = {
        "x.php": "class C { const K = 1; function f() { return new C() . K; } }",
        "c.php": "class C {} class D { const K = 2; }",
        "k.php": "define('K', 3);",
    }
    assert edges(files) == {("x.php", "k.php")}
