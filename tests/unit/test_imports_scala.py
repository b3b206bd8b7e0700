"""Scala: packages in sight, imports that start from what is in sight, what a package object holds."""

import pytest

from gristmill.corpus.files import SourceFile
from gristmill.corpus.imports import import_edges, parse
from gristmill.corpus.imports.scala_text import import_clauses, plain_name, qualified_name


def edges(files: dict[str, str]) -> set[tuple[str, str, str]]:
    sources = [SourceFile(path, "Scala", text) for path, text in files.items()]
    return {(edge.importer, edge.imported, edge.kind) for edge in import_edges(sources)}


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("import a.b.C", [("a.b.C", (), "")]),
        ("import a.{B, C => D, E => _}", [("a.B", (), ""), ("a.C", ("D",), "")]),
        ("import a._, b.C", [("a", (), "*"), ("b.C", (), "")]),
        ("import a.{B as C, *}", [("a.B", ("C",), ""), ("a", (), "*")]),
        ("import a.b as c", [("a.b", ("c",), "")]),
        ("import a.{given Ordering[Int]}", [("a", (), "*")]),
        ("import _root_.a.`type`.B // c", [("a.type.B", (), "")]),
    ],
)
def test_an_import_names_each_of_its_selectors(
    statement: str, found: list[tuple[str, tuple[str, ...], str]]
) -> None:
    assert [(one.target, one.names, one.form) for one in import_clauses(statement, 1)] == found


def test_names_are_read_plainly() -> None:
    assert plain_name("_root_.a . b[C[D], E]") == "a.b"
    assert qualified_name("_root_.a.b.C.d.E") == "a.b.C"
    assert qualified_name("a.b.c") is None


def test_what_a_package_object_holds_belongs_to_its_package() -> None:
    text = """package a
package object b {
  val v = 1
  type T = Int
}
class X {
  class In
}
package c {
  object O
}
"""
    parsed = parse("Scala", text)
    assert (parsed.package, parsed.declared) == ("a", {"X", "X.In", "b/v", "b/T", "c/O"})


def test_chained_clauses_have_both_packages_in_sight_and_a_dotted_one_has_not() -> None:
    files = {
        "a/b/X.scala": "package a\npackage b\nclass X extends Up\n",
        "a/b/Y.scala": "package a.b\nclass Y extends Up\n",
        "a/Up.scala": "package a\nclass Up\n",
    }
    assert edges(files) == {("a/b/X.scala", "a/Up.scala", "same_package")}


def test_an_import_starts_from_a_package_an_object_or_an_import_in_sight() -> None:
    files = {
        "a/X.scala": "package a\nimport b.O\nimport O.v\nimport P._\nclass X { v + w }\n",
        "a/b/O.scala": "package a.b\nobject O { val v = 1 }\n",
        "a/P.scala": "package a\nobject P { val w = 1 }\n",
        "b/O.scala": "package b\nobject O { val v = 1 }\n",
    }
    assert edges(files) == {
        ("a/X.scala", "a/b/O.scala", "import"),
        ("a/X.scala", "a/P.scala", "import"),
    }


def test_a_wildcard_takes_what_is_used_and_the_package_does_not_have() -> None:
    files = {
        "a/X.scala": "package a\nimport b._\nclass X(one: One) extends Two\n",
        "a/One.scala": "package a\nclass One\n",
        "b/One.scala": "package b\nclass One\n",
        "b/Two.scala": "package b\ntrait Two\n",
        "b/Three.scala": "package b\ntrait Three\n",
    }
    assert edges(files) == {
        ("a/X.scala", "a/One.scala", "same_package"),
        ("a/X.scala", "b/Two.scala", "import"),
    }


def test_an_extension_is_meant_by_a_name_after_a_dot() -> None:
    files = {
        "X.scala": "package a\nval x = 1.twice + thrice\n",
        "Y.scala": "package a\nextension (n: Int) def twice = n + n\n",
        "Z.scala": "package a\nobject Z { def thrice = 3 }\n",
    }
    assert edges(files) == {("X.scala", "Y.scala", "same_package")}
