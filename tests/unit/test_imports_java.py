"""Java: the order in which a simple name is looked up, and which of several source trees is meant."""

from gristmill.corpus.files import SourceFile
from gristmill.corpus.imports import import_edges, parse


def edges(files: dict[str, str]) -> set[tuple[str, str, str]]:
    sources = [SourceFile(path, "Java", text) for path, text in files.items()]
    return {(edge.importer, edge.imported, edge.kind) for edge in import_edges(sources)}


def test_names_declared_in_the_file_are_its_own() -> None:
    text = "package a; class X<T> { class In {} In i; T t; Out o; void f(int Par) { Par.g(); } }"
    parsed = parse("Java", text)
    assert (parsed.package, parsed.declared) == ("a", {"X", "X.In"})
    assert parsed.used == {"Out"}


def test_a_single_type_import_hides_the_package_and_the_package_hides_a_wildcard() -> None:
    files = {
        "a/X.java": "package a; import b.One; import b.*; class X { One o; Two t; Three d; }",
        "a/One.java": "package a; class One {}",
        "a/Two.java": "package a; class Two {}",
        "b/One.java": "package b; public class One {}",
        "b/Two.java": "package b; public class Two {}",
        "b/Three.java": "package b; public class Three {}",
        "b/Four.java": "package b; public class Four {}",
    }
    assert edges(files) == {
        ("a/X.java", "b/One.java", "import"),
        ("a/X.java", "a/Two.java", "same_package"),
        ("a/X.java", "b/Three.java", "import"),
    }


def test_members_strings_and_comments_use_nothing() -> None:
    files = {
        "a/X.java": 'package a; class X { java.util.Map.Entry e; /* Y */ String s = "Y"; int y; }',
        "a/Y.java": "package a; class Y {}",
        "a/Entry.java": "package a; class Entry {}",
        "a/Map.java": "package a; class Map {}",
    }
    assert edges(files) == set()


def test_each_module_means_its_own_class_of_a_name() -> None:
    files = {
        f"{module}/src/{path}.java": f"package a; class {path[-1]} {{ {body} }}"
        for module in ("one", "two")
        for path, body in (
            ("main/java/a/X", "Y y;"),
            ("main/java/a/Y", ""),
            ("test/java/a/Z", "X x;"),
        )
    }
    assert edges(files) == {
        edge
        for module in ("one", "two")
        for edge in (
            (
                f"{module}/src/main/java/a/X.java",
                f"{module}/src/main/java/a/Y.java",
                "same_package",
            ),
            (
                f"{module}/src/test/java/a/Z.java",
                f"{module}/src/main/java/a/X.java",
                "same_package",
            ),
        )
    }


def test_code_never_needs_a_test() -> None:
    files = {
        "src/main/java/a/X.java": "package a; class X { Probe p; }",
        "src/test/java/a/Probe.java": "package a; class Probe {}",
        "src/test/java/a/XTest.java": "package a; class XTest { Probe p; }",
    }
    assert edges(files) == {
        ("src/test/java/a/XTest.java", "src/test/java/a/Probe.java", "same_package")
    }


def test_inherited_member_types_come_before_the_package_and_wildcards() -> None:
    files = {
        "a/X.java": "package a; import b.*; class X extends b.Mid { Entry e; Other o; }",
        "a/Entry.java": "package a; class Entry {}",
        "b/Mid.java": "package b; public class Mid<T> extends Top<T> {}",
        "b/Top.java": "package b; public class Top<T> { public static class Entry {} }",
        "b/Other.java": "package b; public class Other {}",
    }
    assert edges(files) == {
        ("a/X.java", "b/Mid.java", "import"),
        ("a/X.java", "b/Top.java", "same_package"),
        ("a/X.java", "b/Other.java", "import"),
        ("b/Mid.java", "b/Top.java", "same_package"),
    }


def test_inheritance_in_a_circle_ends() -> None:
    files = {
        "a/X.java": "package a; class X extends Y { In i; }",
        "a/Y.java": "package a; class Y extends X { static class In {} }",
    }
    assert edges(files) == {
        ("a/X.java", "a/Y.java", "same_package"),
        ("a/Y.java", "a/X.java", "same_package"),
    }
