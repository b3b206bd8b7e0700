"""Which files are tests, and which file a test is named after, in the ways of the languages we know.

Known are folders (`tests/`, `spec/`, `__tests__/`, ...) and names: `test_a.py`, `a_test.go`,
`a.test.ts`, `a-test.c`, `a_unittest.cc`, `ATest.java`, `TestA.java`, `AIT.java`, `ASpec.scala`,
`a_spec.rb`.
"""

import re
from collections.abc import Iterator
from posixpath import basename

_FOLDER = re.compile(
    r"(^|/)(tests?|unit_?tests?|__tests__|testing|testsuite|testdata|specs?|androidTest)/"
)
_WORDS = r"(?:unit_?|browser)?[Tt]ests?"
_BEFORE = re.compile(rf"{_WORDS}[-_.](?P<name>.+)|Test(?P<kind>[A-Z]\w*)")
_AFTER = re.compile(
    rf"(?P<name>.+)[-_.](?:{_WORDS}|spec)|(?P<kind>\w+)(?:Tests?|TestCase|Spec|(?<=[a-z0-9])IT)"
)


def is_test(path: str) -> bool:
    """Return whether a path is that of a test."""
    return _FOLDER.search(path) is not None or any(_stems(path))


def subject_names(path: str) -> Iterator[str]:
    """Yield the file names, in lower case, that the test's name says it tests."""
    extension = basename(path).rpartition(".")[2]
    for stem in _stems(path):
        yield f"{stem}.{extension}".lower()


def _stems(path: str) -> Iterator[str]:
    stem, dot, _extension = basename(path).rpartition(".")
    for pattern in (_BEFORE, _AFTER) if dot else ():
        match = pattern.fullmatch(stem)
        if match is not None:
            yield match["name"] or match["kind"]
