"""The types of a repository: where dotted names are cut, and which file of several is meant."""

import pytest

from gristmill.corpus.imports.model import Import, Parsed
from gristmill.corpus.imports.packages import Types, is_test


def declaring(package: str, *names: str, imports: tuple[Import, ...] = ()) -> Parsed:
    return Parsed("Java", imports, package=package, declared=frozenset(names))


FILES = {
    "one/src/a/b/C.java": declaring("a.b", "C", "C.In"),
    "two/src/a/b/C.java": declaring("a.b", "C"),
    "two/src/a/X.java": declaring("a", "X"),
    "two/test/a/Probe.java": declaring("a", "Probe"),
}


@pytest.mark.parametrize(
    ("target", "meant"),
    [
        ("a.b.C", [("two/src/a/b/C.java", "C")]),
        ("a.b.C.In", [("two/src/a/b/C.java", "C")]),
        ("a.X.member", [("two/src/a/X.java", "X")]),
        ("a.Probe", []),
        ("a.b", []),
        ("X", []),
    ],
)
def test_a_dotted_name_goes_through_the_nearest_type(
    target: str, meant: list[tuple[str, str]]
) -> None:
    assert Types(FILES).places("two/src/a/X.java", target) == meant


def test_tests_are_targets_for_tests() -> None:
    types = Types(FILES)
    assert types.of("two/test/a/Other.java", "a", "Probe") == []
    assert types.of("two/test/a/Probe.java", "a", "Probe") == ["two/test/a/Probe.java"]


@pytest.mark.parametrize(
    ("path", "tested"),
    [
        ("src/main/java/test/Thing.java", False),
        ("src/test/java/a/Thing.java", True),
        ("src/androidTest/kotlin/a/Thing.kt", True),
        ("src/commonTest/kotlin/Thing.kt", True),
        ("src/a/ThingTest.java", False),
    ],
)
def test_a_test_is_known_by_its_folder(path: str, tested: bool) -> None:
    assert is_test(path, declaring("a", "Thing")) is tested


def test_a_test_beside_the_code_is_known_by_its_library() -> None:
    found = declaring("a", "ThingTest", imports=(Import("org.junit.Test", 1),))
    assert is_test("src/a/ThingTest.java", found)
