"""Kotlin: what a name means when several things are called like it."""

from gristmill.corpus.files import SourceFile
from gristmill.corpus.imports import import_edges, parse


def edges(files: dict[str, str]) -> set[tuple[str, str, str]]:
    sources = [
        SourceFile(path, "Java" if path.endswith(".java") else "Kotlin", text)
        for path, text in files.items()
    ]
    return {(edge.importer, edge.imported, edge.kind) for edge in import_edges(sources)}


def test_a_file_declares_types_functions_values_and_marked_extensions() -> None:
    text = """package a.b
class X {
    companion object {
        const val K = 1
    }
    class In
}
object O
typealias T = String
fun f() {}
fun <U> List<U>.g() {}
val v = 1
val X.w: Int
    get() = 1
"""
    parsed = parse("Kotlin", text)
    assert parsed.package == "a.b"
    assert parsed.declared == {"X", "X.Companion", "X.In", "O", "T", "f", "~g", "v", "~w"}


def test_a_single_import_hides_the_package_and_the_package_hides_a_wildcard() -> None:
    files = {
        "a/X.kt": "package a\nimport b.One\nimport b.*\nval x = One()\nval y = two() + three\n",
        "a/More.kt": "package a\nclass One\nfun two() = 1\n",
        "b/More.kt": "package b\nclass One\n",
        "b/Two.kt": "package b\nfun two() = 1\n",
        "b/Three.kt": "package b\nval three = 1\n",
        "b/Four.kt": "package b\nval four = 1\n",
    }
    assert edges(files) == {
        ("a/X.kt", "b/More.kt", "import"),
        ("a/X.kt", "a/More.kt", "same_package"),
        ("a/X.kt", "b/Three.kt", "import"),
    }


def test_a_local_name_hides_a_value_and_not_a_function() -> None:
    files = {
        "a/X.kt": "package a\nfun f(limit: Int): Int {\n    val size = size()\n    return limit\n}\n",
        "a/Limit.kt": "package a\nval limit = 1\n",
        "a/Size.kt": "package a\nfun size() = 1\n",
    }
    assert edges(files) == {("a/X.kt", "a/Size.kt", "same_package")}


def test_what_follows_a_dot_is_an_extension_or_nothing_and_named_arguments_are_nothing() -> None:
    files = {
        "a/X.kt": "package a\nfun f(s: String) = s.plain() + s?.extended() + (s paired 1) + g(named = 1)\n",
        "a/Plain.kt": "package a\nfun plain() = 1\nval named = 1\n",
        "a/Extended.kt": "package a\nfun String.extended() = 1\n",
        "a/Paired.kt": "package a\ninfix fun String.paired(n: Int) = n\n",
    }
    assert edges(files) == {
        ("a/X.kt", "a/Extended.kt", "same_package"),
        ("a/X.kt", "a/Paired.kt", "same_package"),
    }


def test_overloads_in_several_files_are_all_meant() -> None:
    files = {
        "a/X.kt": "package a\nimport b.say\nval x = say(1)\n",
        "b/One.kt": "package b\nfun say(n: Int) = n\n",
        "b/Two.kt": "package b\nfun String.say() = 1\n",
    }
    assert edges(files) == {("a/X.kt", "b/One.kt", "import"), ("a/X.kt", "b/Two.kt", "import")}


def test_java_reaches_functions_through_the_files_class() -> None:
    files = {
        "a/X.java": "package a; class X { int n = ToolsKt.f() + Other.g(); }",
        "a/tools.kt": "package a\nfun f() = 1\n",
        "a/Named.kt": '@file:JvmName("Other")\npackage a\nfun g() = 1\n',
    }
    assert edges(files) == {
        ("a/X.java", "a/tools.kt", "same_package"),
        ("a/X.java", "a/Named.kt", "same_package"),
    }


def test_kotlin_derives_from_java_and_inherits_its_member_types() -> None:
    files = {
        "a/X.kt": "package a\nimport b.Base\nclass X : Base<Int>() {\n    val e: Entry? = null\n}\n",
        "a/Entry.kt": "package a\nclass Entry\n",
        "b/Base.java": "package b; public class Base<T> { public static class Entry {} }",
    }
    assert edges(files) == {
        ("a/X.kt", "b/Base.java", "import"),
        ("a/X.kt", "b/Base.java", "same_package"),
    }
