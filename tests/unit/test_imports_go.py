"""Go: free names, and where a module's packages are."""

from gristmill.corpus.files import SourceFile
from gristmill.corpus.imports import import_edges, parse

WORK = "go 1.19\n\nuse (\n\t. // here\n\t./sub\n)\n"


def pairs(files: dict[str, str], configs: dict[str, str] | None = None) -> set[tuple[str, str]]:
    sources = [SourceFile(path, "Go", text) for path, text in files.items()]
    return {(edge.importer, edge.imported) for edge in import_edges(sources, configs=configs)}


def used(body: str) -> frozenset[str]:
    return parse("Go", "package p\n" + body).used & set("abcdefg") | {
        name for name in parse("Go", "package p\n" + body).used if name.startswith("q.")
    }


def test_what_is_bound_in_a_scope_is_not_used_from_outside() -> None:
    assert used("func F(a int) { b(a) }") == {"b"}
    assert used("func F() { a := 1; _ = a }\nfunc G() { a() }") == {"a"}
    assert used("func F() { if a := b(); a { c() } else { a() }; a() }") == {"a", "b", "c"}
    assert used("func F() { for a, b := range c { _, _ = a, b } }") == {"c"}
    assert used("func F() { a := a.G() }") == {"a"}
    assert used("func F() { func(a int) { _ = a }(b) }") == {"b"}
    assert used("func F(q int) { q.A() }\nfunc G() { q.B() }") == {"q.B"}
    assert used("type T[a any] struct { x a; y b }") == {"b"}
    assert used("var a = T{b: c}\nvar m = map[int]int{d: e}") == {"c", "d", "e"}
    assert used("func (r *a) b(c d) (e f) { return e }") == {"a", "d", "f"}
    assert used("func F() { type a int; var x a; const b = 1; _ = b }") == frozenset()
    assert used("func F(x any) { switch a := x.(type) { case b: _ = a } }") == {"b"}


def test_names_are_read_past_strings_comments_and_dots() -> None:
    assert used("func F() { _ = \"a\" + `b` + 'c'; /* d */ e() } // f") == {"e"}
    assert used("func F(x ...a) { b(x...); c.d() }") == {"a", "b", "c"}
    assert used("func F() { q. // here\n A(); q.\nB(); q.C.D() }") == {"q.A", "q.B", "q.C"}
    assert used("var _ q.T\nvar x = q.U[a]{b: c}\ntype y struct { q.V; d a }") == {
        *("a", "c", "q.T", "q.U", "q.V"),
    }
    assert used("func F() { a: for { continue a }; goto a }") == frozenset()


def test_without_go_mod_the_module_is_what_most_imports_agree_on() -> None:
    files = {
        "main.go": 'package main\nimport ("github.com/u/r/a"; "github.com/u/r/b/c")\n'
        "func main() { a.F(); c.F() }",
        "a/a.go": 'package a\nimport ("github.com/u/r/b/c"; "github.com/x/a")\nfunc F() { c.F() }',
        "b/c/c.go": "package c\nfunc F() {}",
    }
    assert pairs(files) == {
        ("main.go", "a/a.go"),
        ("main.go", "b/c/c.go"),
        ("a/a.go", "b/c/c.go"),
    }


def test_nested_modules_and_the_standard_librarys_own() -> None:
    files = {
        "a/a.go": 'package a\nimport "m.org/x/sub/b"\nvar _ = b.B',
        "sub/b/b.go": 'package b\nimport "m.org/x/a"\nvar B = a.A',
        "sub/c/b/b.go": "package b\nvar B = 1",
    }
    configs = {"go.mod": "module m.org/x\n", "sub/go.mod": "// deep\nmodule m.org/x/sub\n"}
    assert pairs(files, configs) == set()  # each module is built against what the other published
    configs["go.mod"] += "require m.org/x/sub v1.0.0\nreplace m.org/x/sub => ./sub // ours\n"
    assert pairs(files, configs) == {("a/a.go", "sub/b/b.go")}
    del configs["go.mod"]
    assert pairs(files, configs | {"go.mod": "module m.org/x\n", "go.work": WORK}) == {
        ("a/a.go", "sub/b/b.go"),
        ("sub/b/b.go", "a/a.go"),
    }
    std = {
        "src/fmt/f.go": 'package fmt\nimport "io"\nvar _ = io.X',
        "src/io/i.go": "package io\nvar X = 1",
    }
    assert pairs(std, {"src/go.mod": "module std\n"}) == {("src/fmt/f.go", "src/io/i.go")}


def test_a_parameter_is_not_yet_bound_in_its_own_type() -> None:
    assert used("func F(q *q.A) { q.B() }") == {"q.A"}
    assert used("func F() { func(a a) { _ = a }(b) }") == {"a", "b"}


def test_tests_of_the_same_folder_see_what_tests_declare() -> None:
    files = {
        "p/p.go": "package p\nfunc F() {}",
        "p/export_test.go": "package p\nvar G = F",
        "p/x_test.go": 'package p_test\nimport "m.org/p"\nvar _ = p.G',
        "p/y_test.go": "package p_test\nfunc H() {}",
        "q/q_test.go": 'package q\nimport "m.org/p"\nvar _, _ = p.G, p.F',
    }
    assert pairs(files, {"go.mod": "module m.org\n"}) == {
        ("p/export_test.go", "p/p.go"),
        ("p/x_test.go", "p/export_test.go"),
        ("q/q_test.go", "p/p.go"),
    }


def test_files_that_no_build_has_together_need_nothing_of_each_other() -> None:
    files = {
        "a.go": "package p\nvar _ = x",
        "a_linux.go": "package p\nvar _ = x",
        "b_windows.go": "package p\nvar x = 1",
        "b_unix.go": "//go:build unix || (js && wasm)\n\npackage p\nvar x = 1",
    }
    assert pairs(files) == {
        ("a.go", "b_windows.go"),
        ("a.go", "b_unix.go"),
        ("a_linux.go", "b_unix.go"),
    }


def test_an_import_of_which_no_used_name_is_known_is_of_the_packages_main_file() -> None:
    files = {
        "main.go": 'package main\nimport (_ "m.org/all"; "m.org/gen")\nvar _ = gen.Made',
        "all/one.go": "package all\nvar A = 1",
        "all/all.go": "package all\nvar B = 1",
        "gen/doc.go": "package gen",
        "gen/a.go": "package gen",
    }
    configs = {"go.mod": "module m.org\n"}
    assert pairs(files, configs) == {("main.go", "all/all.go"), ("main.go", "gen/doc.go")}
