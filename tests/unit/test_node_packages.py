"""What the manifests of a repository say: names, workspaces, `exports`, `imports`, entries."""

import json
from typing import Any

import pytest

from gristmill.corpus.imports.node_packages import NodePackages


def packages(**manifests: dict[str, Any]) -> NodePackages:
    return NodePackages(
        {
            f"{folder}/package.json".lstrip("./"): json.dumps(value)
            for folder, value in manifests.items()
        }
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("package.json", '{"workspaces": ["libs/*"]}'),
        ("package.json", '{"workspaces": {"packages": ["./libs/**", "!libs/b"]}}'),
        ("lerna.json", '{"packages": ["libs/a*"]}'),
        ("pnpm-workspace.yaml", "packages:\n  - 'libs/a'\n  - libs/c/\n"),
    ],
)
def test_a_member_of_a_workspace_goes_before_a_nearer_package_of_its_name(
    name: str, text: str
) -> None:
    manifest = '{"name": "core"}'
    configs = {"libs/a/package.json": manifest, "apps/demo/core/package.json": manifest, name: text}
    assert NodePackages(configs).named("core/x/y", "apps/demo") == ("libs/a", "x/y")
    del configs[name]
    assert NodePackages(configs).named("core/x/y", "apps/demo") == ("apps/demo/core", "x/y")


def test_a_package_knows_itself_by_name() -> None:
    found = packages(a={"name": "same"}, b={"name": "same"})
    assert found.named("same", "b/deep") == ("b", "")
    assert found.named("@scope/other", "b") is None


@pytest.mark.parametrize("text", ["packages: 3", "- a", "{broken: [", "packages: [1, null]"])
def test_a_workspace_that_is_none_has_no_members(text: str) -> None:
    configs = {"pnpm-workspace.yaml": text, "a/package.json": '{"name": "a"}'}
    assert NodePackages(configs).named("a", "b") == ("a", "")


def test_installed_packages_are_found_upwards_and_by_nobody_else() -> None:
    found = NodePackages({"t/node_modules/m/package.json": '{"name": "m", "main": "x.js"}'})
    assert list(found.installed("m/sub", "t/case", ())) == [("t/node_modules/m", "sub")]
    assert list(found.installed("m", "other", ())) == []
    assert found.named("m", "other") is None


@pytest.mark.parametrize(
    ("exports", "subpath", "wanted"),
    [
        ("./a.js", "", ["p/a.js"]),
        ({"browser": "./b.js", "types": "./t.ts", "default": "./d.js"}, "", ["p/t.ts", "p/d.js", "p/b.js"]),
        ({".": {"node": {"import": "./n.mjs"}}}, "", ["p/n.mjs"]),
        ({"./*": ["./one/*.js", "./two/*.js"]}, "x/y", ["p/one/x/y.js", "p/two/x/y.js"]),
        ({"./*": "./a/*", "./x/*": "./b/*"}, "x/y", ["p/b/y"]),
        ({"./x": None}, "x", []),
        ({"./x": "./x.js"}, "y", []),
    ],
)  # fmt: skip
def test_exports(exports: Any, subpath: str, wanted: list[str]) -> None:
    found = list(packages(p={"exports": exports}).targets("p", subpath))
    assert [place for place in found if place != "p/index"] == wanted


def test_conditions_in_conditions_end_somewhere() -> None:
    exports: Any = "./deep.js"
    for _ in range(400):
        exports = {"node": exports}
    assert list(packages(p={"exports": exports}).targets("p", "")) == ["p/index"]


def test_entries_are_tried_in_order() -> None:
    found = packages(p={"source": "s.ts", "types": "t.d.ts", "main": "./m.js", "module": "e.mjs"})
    assert list(found.entries("p")) == ["p/e.mjs", "p/m.js", "p/t.d.ts", "p/s.ts"]


def test_internal_names_belong_to_the_nearest_package() -> None:
    found = packages(
        **{".": {"imports": {"#a": "./outer.js"}}, "p": {"imports": {"#a": {"node": "pkg/x"}}}}
    )
    assert list(found.internal("#a", "p/src")) == [("pkg/x", False)]
    assert list(found.internal("#a", "q")) == [("outer.js", True)]
    assert list(found.internal("#b", "p")) == []
