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
    ],
)
def test_a_statement_gives_its_specifier_and_kind(text: str, kind: str) -> None:
    (found,) = parse("TypeScript", text, "a.ts").imports
    assert (found.target, found.kind) == ("./x", kind)


@pytest.mark.parametrize(
    "text", ["import(`./${x}`)", "foo('./x')", "// import './x'", "'require(\"./x\")'"]
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
        ("src/a.ts", "./nothing", None),
        ("src/a.ts", "../../outside", None),
        ("src/a.ts", "node:fs", None),
        ("src/a.ts", "lodash", None),
    ],
)
def test_relative_specifiers(importer: str, specifier: str, wanted: str | None) -> None:
    names = ["b.js", "b.ts", "only.tsx", "dir/index.ts", "dir/c.ts", "index.js", "a.service.ts"]
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
