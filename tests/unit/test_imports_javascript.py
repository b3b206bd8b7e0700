"""JavaScript and TypeScript: which specifiers a file has, of which kind, and what they mean."""

import pytest

from gristmill.corpus.files import SourceFile
from gristmill.corpus.imports import import_edges, parse


def pairs(files: dict[str, str], configs: dict[str, str] | None = None) -> set[tuple[str, str]]:
    sources = [
        SourceFile(path, "TypeScript" if ".ts" in path else "JavaScript", text)
        for path, text in files.items()
    ]
    return {(edge.importer, edge.imported) for edge in import_edges(sources, configs=configs)}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('import "./x"', "import"),
        ('import a, {type B} from "./x"', "import"),
        ('import {type A, type B as C} from "./x"', "type_only"),
        ('import {type A, b} from "./x"', "import"),
        ('import {} from "./x"', "import"),
        ('import type A from "./x"', "type_only"),
        ('import type from "./x"', "import"),
        ('import type * as A from "./x"', "type_only"),
        ('export type * from "./x"', "type_only"),
        ('export {type A} from "./x"', "type_only"),
        ('export * as a from "./x"', "import"),
        ('import a = require("./x")', "import"),
        ('type A = import("./x").B', "type_only"),
        ('let a: Array<typeof import("./x")>', "type_only"),
        ('const a = require("./x").b', "import"),
        ('await import(/* webpackChunkName: "c" */ "./x")', "import"),
        ('const a = () => import("./x")', "local"),
        ('class A { m() { return require("./x"); } }', "local"),
        ('(() => { require("./x"); })()', "import"),
        ('(function () { require("./x"); }).call(this)', "import"),
        ('function f() { (() => require("./x"))(); }', "local"),
        ("import(`./x`)", "import"),
        ('import a from "./x?raw"', "import"),
        ('export import a = require("./x")', "import"),
        ('const a = require.resolve("./x")', "local"),
        ('declare const a: import("./x").A', "type_only"),
        ('/* licence */\n/// <reference path="x" />\nlet a', "type_only"),
    ],
)
def test_a_statement_gives_its_specifier_and_kind(text: str, kind: str) -> None:
    (found,) = parse("TypeScript", text, "a.ts").imports
    assert (found.target, found.kind) == ("./x", kind)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('import type {A} from "./x"', "type_only"),
        ('import typeof A from "./x"', "type_only"),
        ('import type A from "./x"', "type_only"),
        ('export type {A} from "./x"', "type_only"),
        ('import type from "./x"', "import"),
        ('import type, {a} from "./x"', "import"),
        ('import typed from "./x"', "import"),
        ('const a = async () => await import("./x")', "local"),
    ],
)
def test_flow_and_plain_scripts_are_read_too(text: str, kind: str) -> None:
    (found,) = parse("JavaScript", text, "a.js").imports
    assert (found.target, found.kind) == ("./x", kind)


def test_jsx_in_a_vue_component_is_no_broken_syntax() -> None:
    text = (
        '<script lang="tsx">\nimport a from "./x"\nexport default () => <b c={a}>x</b>\n</script>'
    )
    parsed = parse("Vue", text, "a.vue")
    assert [found.line for found in parsed.imports] == [2]
    assert parsed.syntax_error_share == 0


@pytest.mark.parametrize(
    "text",
    [
        *("import(`./${x}`)", "foo('./x')", "// import './x'", "'require(\"./x\")'"),
        *("require('./x' + y)", "require.resolve.paths('./x')", "module.exports = './x'"),
        'let a\n/// <reference path="x" />',
    ],
)
def test_what_is_no_import_gives_none(text: str) -> None:
    assert parse("JavaScript", text).imports == ()


@pytest.mark.parametrize(
    ("importer", "specifier", "wanted"),
    [
        ("src/a.js", "./b", "src/b.js"),
        ("src/a.ts", "./b", "src/b.ts"),
        ("src/a.ts", "./b.js", "src/b.ts"),
        ("src/a.js", "./b.js", "src/b.js"),
        ("src/a.ts", "./only.js", "src/only.tsx"),
        ("src/a.ts", "./dir", "src/dir/index.ts"),
        ("src/a.ts", "./dir/", "src/dir/index.ts"),
        ("src/dir/c.ts", ".", "src/dir/index.ts"),
        ("src/dir/c.ts", "..", "src/index.js"),
        ("src/a.ts", "./a.service", "src/a.service.ts"),
        ("src/a.js", "./b.mjs", None),
        ("src/a.js", "./typed", "src/typed.js"),
        ("src/a.ts", "./typed", "src/typed.js"),
        ("src/a.ts", "./typed.js", "src/typed.js"),
        ("src/a.ts", "./only-types.js", "src/only-types.d.ts"),
        ("src/a.d.ts", "./b", "src/b.js"),
        ("src/a.mts", "./m.mjs", "src/m.mts"),
        ("src/a.ts", "./nothing", None),
        ("src/a.ts", "../../outside", None),
        ("src/a.ts", "node:fs", None),
        ("src/a.ts", "lodash", None),
    ],
)
def test_relative_specifiers(importer: str, specifier: str, wanted: str | None) -> None:
    names = ["b.js", "b.ts", "only.tsx", "dir/index.ts", "dir/c.ts", "index.js", "a.service.ts"]
    names += ["typed.js", "typed.d.ts", "only-types.d.ts", "m.mts"]
    files = {f"src/{name}": "" for name in names} | {importer: f'import "{specifier}"'}
    assert pairs(files) == ({(importer, wanted)} if wanted else set())


@pytest.mark.parametrize(
    ("package", "specifier", "wanted"),
    [
        ('{"name": "@a/b", "main": "lib/x.js"}', "@a/b", "p/lib/x.js"),
        ('{"name": "@a/b"}', "@a/b", "p/src/index.ts"),
        ('{"name": "@a/b", "exports": "./lib/x.js"}', "@a/b", "p/lib/x.js"),
        ('{"name": "@a/b", "exports": {"./y": "./lib/x.js"}}', "@a/b/y", "p/lib/x.js"),
        ('{"name": "@a/b", "exports": {"./f/*": "./lib/*.js"}}', "@a/b/f/x", "p/lib/x.js"),
        (
            '{"name": "@a/b", "exports": {"./f/*": {"import": "./dist/esm/*.mjs"}}}',
            "@a/b/f/index",
            "p/src/index.ts",
        ),
        ('{"name": "@a/b"}', "@a/b/lib/x", "p/lib/x.js"),
        ('{"name": "@a/c"}', "@a/b", None),
        ("{broken", "@a/b", None),
    ],
)
def test_packages_of_the_repository(package: str, specifier: str, wanted: str | None) -> None:
    files = {"p/lib/x.js": "", "p/src/index.ts": "", "q/a.js": f'require("{specifier}")'}
    assert pairs(files, {"p/package.json": package}) == ({("q/a.js", wanted)} if wanted else set())


def test_the_most_specific_path_of_a_configuration_wins() -> None:
    files = {"a.ts": 'import "@/x/y"', "one/x/y.ts": "", "two/y.ts": ""}
    text = '{"compilerOptions": {"paths": {"@/*": ["./one/*"], "@/x/*": ["./two/*"]}}}'
    assert pairs(files, {"tsconfig.json": text}) == {("a.ts", "two/y.ts")}
    looped = '{"extends": "./tsconfig.json", "compilerOptions": {"baseUrl": "two"}}'
    assert pairs({**files, "a.ts": 'import "y"'}, {"tsconfig.json": looped}) == {
        ("a.ts", "two/y.ts")
    }


def test_modules_that_lie_in_the_tree_as_installed_are_found_upwards() -> None:
    files = {"t/a/x.js": 'require("m"); require("file")', "t/node_modules/m/lib/m.js": ""}
    files["node_modules/file.js"] = ""
    configs = {"t/node_modules/m/package.json": '{"name": "m", "main": "lib/m"}'}
    assert pairs(files, configs) == {
        ("t/a/x.js", "node_modules/file.js"),
        ("t/a/x.js", "t/node_modules/m/lib/m.js"),
    }


def test_an_amd_name_lies_below_a_folder_above() -> None:
    files = {"js/app/main.js": 'define(["app/view", "./near", "gone"], f)', "js/app/view.js": ""}
    files["js/app/near.js"] = ""
    assert pairs(files) == {
        ("js/app/main.js", "js/app/view.js"),
        ("js/app/main.js", "js/app/near.js"),
    }
    assert pairs({**files, "js/app/main.js": 'require("app/view")'}) == set()


def test_root_folders_lie_over_each_other() -> None:
    files = {"src/a.ts": 'import "./made"', "out/made.ts": ""}
    text = '{"compilerOptions": {"rootDirs": ["src", "out"]}}'
    assert pairs(files, {"tsconfig.json": text}) == {("src/a.ts", "out/made.ts")}


def test_what_the_grammar_cannot_read_is_found_by_its_words() -> None:
    text = (
        '/** @type {import("./no.js").A} */\n'
        'export class A extends B<import("./c.js").D> {\n'
        '    on(e: import("./e.js").E<import("./f.js").F>): keyof import("./g.js").G;\n'
        "}\n"
        '// import("./no.js")\n'
        'import B from "./b.js";\n'
    )
    found = parse("TypeScript", text, "a.d.ts").imports
    targets = {one.target: one.line for one in found}
    assert targets == {"./b.js": 6, "./c.js": 2, "./e.js": 3, "./f.js": 3, "./g.js": 3}


def test_code_in_a_string_is_none_of_the_file_s_own() -> None:
    text = 'const map = `a: () => import("./no.js"), b: ${import("./b.js")}`;\nlet c = "import(\'./no.js\')";\n'
    for language in ("TypeScript", "JavaScript"):
        assert [one.target for one in parse(language, text, "a.js").imports] == ["./b.js"]
