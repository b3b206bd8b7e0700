"""What compiler configurations say about specifiers."""

import json
from typing import Any

import pytest

from gristmill.corpus.imports.tsconfig import Mapped, TsConfigs


def nearest(configs: dict[str, Any], folder: str = "") -> Mapped:
    texts = {path: json.dumps(value) for path, value in configs.items()}
    return next(TsConfigs(texts, lambda name, _folder: f"packages/{name}").above(folder))


def options(**values: Any) -> dict[str, Any]:
    return {"compilerOptions": values}


@pytest.mark.parametrize(
    ("specifier", "wanted"),
    [
        ("app", ["src/app.ts", "src/app"]),
        ("app/x", ["src/x", "lib/x", "src/app/x"]),
        ("app/deep/x", ["deep/x", "src/app/deep/x"]),
        ("a-app-b", ["src/a-app-b"]),
        ("styles.css", ["src/css/styles", "src/styles.css"]),
    ],
)
def test_the_most_specific_pattern_then_the_base(specifier: str, wanted: list[str]) -> None:
    paths = {
        "app": ["app.ts"],
        "app/*": ["*", "../lib/*"],
        "app/deep/*": ["../deep/*"],
        "*.css": ["css/*"],
    }
    found = nearest({"tsconfig.json": options(baseUrl="src", paths=paths)})
    assert list(found.candidates(specifier)) == wanted


def test_paths_without_a_base_start_where_they_are_written() -> None:
    configs = {
        "tsconfig.base.json": options(paths={"@/*": ["lib/*"]}),
        "apps/web/tsconfig.json": {"extends": "../../tsconfig.base.json"},
    }
    assert list(nearest(configs, "apps/web/src").candidates("@/x")) == ["lib/x"]


def test_paths_start_at_the_base_that_is_inherited() -> None:
    configs = {
        "base.json": options(baseUrl="lib"),
        "tsconfig.json": {"extends": "./base", **options(paths={"@/*": ["*"]})},
    }
    assert list(nearest(configs).candidates("@/x")) == ["lib/x", "lib/@/x"]


def test_later_parents_and_own_options_win() -> None:
    configs = {
        "one.tsconfig.json": options(baseUrl="one", paths={"a": ["a1"]}),
        "two.tsconfig.json": options(baseUrl="two"),
        "tsconfig.json": {"extends": ["./one.tsconfig.json", "./two.tsconfig.json"]},
    }
    found = nearest(configs)
    assert (found.base, list(found.candidates("a"))) == ("two", ["one/a1", "two/a"])


def test_a_package_of_the_repository_can_be_extended() -> None:
    configs = {
        "packages/presets/tsconfig.json": options(baseUrl="${configDir}/src"),
        "tsconfig.json": {"extends": "presets"},
    }
    assert nearest(configs).base == "packages/presets/src"


def test_a_solution_file_stands_for_its_first_project_with_options() -> None:
    configs = {
        "tsconfig.json": {"files": [], "references": [{"path": "node"}, {"path": "./tsconfig.app.json"}]},
        "node/tsconfig.json": options(strict=True),
        "tsconfig.app.json": options(paths={"~/*": ["src/*"]}),
    }  # fmt: skip
    assert list(nearest(configs).candidates("~/x")) == ["src/x"]


def test_roots_lie_over_each_other() -> None:
    found = nearest({"tsconfig.json": options(rootDirs=["src", "./made/src"])})
    assert list(found.overlaid("src/a/b")) == ["made/src/a/b"]
    assert list(found.overlaid("made/src/b")) == ["src/b"]
    assert list(found.overlaid("other/b")) == []


def test_configurations_above_are_asked_in_turn() -> None:
    texts = {"tsconfig.base.json": json.dumps(options(baseUrl=".")), "a/jsconfig.json": "{}"}
    found = TsConfigs(texts, lambda _name, _folder: None).above("a/b")
    assert [one.base for one in found] == [None, ""]


@pytest.mark.parametrize(
    ("folder", "specifier", "wanted"),
    [(".svelte-kit", "$lib/x", "site/src/lib/x"), (".nuxt", "~/x", "site/x")],
)
def test_what_a_framework_would_write_is_known(folder: str, specifier: str, wanted: str) -> None:
    configs = {"site/tsconfig.json": {"extends": f"./{folder}/tsconfig.json"}}
    assert list(nearest(configs, "site/src").candidates(specifier)) == [wanted]


@pytest.mark.parametrize(
    "value",
    [
        {"extends": "./tsconfig.json"},
        {"extends": ["./tsconfig.json"] * 50},
        {"extends": ["./gone", 3, "unknown"]},
        {"compilerOptions": {"baseUrl": 1, "paths": [], "rootDirs": "x"}},
        {"references": [{"path": "."}, 4, {}]},
        {"compilerOptions": None},
    ],
)
def test_what_makes_no_sense_says_nothing(value: Any) -> None:
    assert nearest({"tsconfig.json": value}) == Mapped()
