"""Test files by the conventions of many languages, and whom they are named after."""

import pytest

from gristmill.corpus.subjects import is_test, subject_names


@pytest.mark.parametrize(
    ("path", "subject"),
    [
        ("pkg/test_parse.py", "parse.py"),
        ("pkg/parse_test.py", "parse.py"),
        ("net/http_test.go", "http.go"),
        ("src/main/FooTest.java", "foo.java"),
        ("src/main/FooTests.java", "foo.java"),
        ("src/main/TestFoo.java", "foo.java"),
        ("src/main/FooIT.java", "foo.java"),
        ("src/FooTestCase.php", "foo.php"),
        ("src/FooSpec.scala", "foo.scala"),
        ("src/foo.test.ts", "foo.ts"),
        ("src/foo.spec.tsx", "foo.tsx"),
        ("lib/foo_test.cc", "foo.cc"),
        ("lib/foo-test.cpp", "foo.cpp"),
        ("lib/foo_unittest.cc", "foo.cc"),
        ("lib/test-foo.c", "foo.c"),
        ("app/foo_spec.rb", "foo.rb"),
        ("Foo.Tests/FooTests.cs", "foo.cs"),
        ("src/foo_tests.rs", "foo.rs"),
    ],
)
def test_a_name_says_what_is_tested(path: str, subject: str) -> None:
    assert is_test(path)
    assert subject in list(subject_names(path))


@pytest.mark.parametrize(
    "path",
    ["tests/data.py", "spec/helper.rb", "a/test/Foo.java", "src/__tests__/x.js", "unittests/a.cpp"],
)
def test_a_folder_makes_a_test(path: str) -> None:
    assert is_test(path)
    assert list(subject_names(path)) == []


@pytest.mark.parametrize(
    "path",
    ["contest.py", "latest.go", "src/Audit.java", "attest/a.c", "protest.rb", "src/testimony.rs",
     "pkg/test.py", "inspect.py", "Testable", "src/UNIT.cs"],
)  # fmt: skip
def test_other_names_are_no_tests(path: str) -> None:
    assert not is_test(path)
