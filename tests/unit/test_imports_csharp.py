"""C#: which namespaces are in sight, and what is meant without being named in full."""

from gristmill.corpus.files import SourceFile
from gristmill.corpus.imports import import_edges, parse


def edges(files: dict[str, str], configs: dict[str, str] | None = None) -> set[tuple[str, str]]:
    sources = [SourceFile(path, "C#", text) for path, text in files.items()]
    return {(edge.importer, edge.imported) for edge in import_edges(sources, configs=configs)}


def test_a_file_declares_relative_to_its_only_namespace_or_to_the_global_one() -> None:
    one = parse("C#", "namespace A.B { class X { enum E {} delegate void D(); } struct Y {} }")
    assert (one.package, one.declared) == ("A.B", {"X", "X.E", "X.D", "Y"})
    two = parse("C#", "class O {} namespace A { namespace B { class X {} } interface I {} }")
    assert (two.package, two.declared) == ("", {"O", "A.B/X", "A/I"})


def test_inner_namespaces_come_before_outer_ones_and_those_before_usings() -> None:
    files = {
        "X.cs": "using U; namespace A.B { class X { One a; Two b; Three c; } }",
        "B.cs": "namespace A.B { class One {} }",
        "A.cs": "namespace A { class One {} class Two {} }",
        "U.cs": "namespace U { class Two {} }",
        "V.cs": "namespace U { class Three {} }",
    }
    assert edges(files) == {("X.cs", "B.cs"), ("X.cs", "A.cs"), ("X.cs", "V.cs")}


def test_a_namespace_may_be_named_from_where_one_stands() -> None:
    files = {
        "X.cs": "namespace A.B { class X { C.Y y = new A.D.Z(); object o = C.W.Make(); } }",
        "Y.cs": "namespace A.B.C { class Y {} }",
        "Z.cs": "namespace A.D { class Z {} }",
        "W.cs": "namespace A.B.C { class W { } class V { } }",
    }
    assert edges(files) == {("X.cs", "Y.cs"), ("X.cs", "Z.cs"), ("X.cs", "W.cs")}


def test_members_variables_and_comments_name_no_type() -> None:
    files = {
        "X.cs": 'class X { int Size; int F(X x) { /* Note */ var Note2 = "Note"; x.Note = Size; return x.Size; } }',
        "Note.cs": "class Note {} class Note2 {}",
        "Size.cs": "class Size {}",
    }
    assert edges(files) == set()


def test_extension_methods_are_found_by_name_where_their_namespace_is_in_sight() -> None:
    files = {
        "X.cs": "using E; class X { int F(int n) => n.Seen() + n.Unseen() + n.Plain(); }",
        "Seen.cs": "namespace E { static class S { public static int Seen(this int n) => n; } }",
        "Unseen.cs": "namespace F { static class S { public static int Unseen(this int n) => n; } }",
        "Plain.cs": "namespace E { static class P { public static int Plain(int n) => n; } }",
    }
    assert edges(files) == {("X.cs", "Seen.cs")}


def test_parts_of_a_partial_type_need_each_other() -> None:
    files = {
        "a/X.cs": "partial class X { }",
        "b/X.Designer.cs": "partial class X { }",
        "Y.cs": "class Y : X { }",
    }
    assert edges(files) == {
        ("a/X.cs", "b/X.Designer.cs"),
        ("b/X.Designer.cs", "a/X.cs"),
        ("Y.cs", "a/X.cs"),
        ("Y.cs", "b/X.Designer.cs"),
    }


def test_attributes_are_named_with_and_without_their_ending() -> None:
    files = {
        "X.cs": "[Short] [LongAttribute] [N.Inner(1)] class X { }",
        "Short.cs": "class ShortAttribute : System.Attribute { }",
        "Long.cs": "class LongAttribute : System.Attribute { }",
        "Inner.cs": "namespace N { class InnerAttribute : System.Attribute { } }",
    }
    assert edges(files) >= {("X.cs", "Short.cs"), ("X.cs", "Long.cs")}


def test_global_usings_hold_for_their_project_alone() -> None:
    files = {
        "one/Usings.cs": "global using N;",
        "one/X.cs": "class X { Y y; }",
        "two/X.cs": "class Z { Y y; }",
        "lib/Y.cs": "namespace N; public class Y { }",
    }
    configs = {f"{name}/{name}.csproj": "<Project />" for name in ("one", "two", "lib")}
    assert edges(files, configs) == {("one/X.cs", "lib/Y.cs")}
    configs["Directory.Build.props"] = '<Project><Using Include="N" /></Project>'
    assert edges(files, configs) == {("one/X.cs", "lib/Y.cs"), ("two/X.cs", "lib/Y.cs")}


def test_code_does_not_need_its_tests() -> None:
    files = {
        "Shop/X.cs": "namespace S { class X { Probe p; } }",
        "Shop.Tests/Probe.cs": "namespace S { class Probe { X x; } }",
    }
    assert edges(files) == {("Shop.Tests/Probe.cs", "Shop/X.cs")}
