"""Go's names by tokens, against the tree's own identifiers."""

import pytest

from gristmill.corpus.imports.go_names import used_names
from gristmill.corpus.imports.parsing import unlimited_root
from gristmill.corpus.imports.scopes import Bound


def names(text: str, bound: dict[bytes, Bound] | None = None) -> tuple[set[str], set[str]]:
    data = text.encode()
    root = unlimited_root("Go", data)
    assert root is not None
    return used_names(root, data, bound or {}, set(), set())


@pytest.mark.parametrize(
    ("text", "plain", "members"),
    [
        ("package p\nvar x = y.z\n", {"x", "y"}, {"y.z"}),
        ("package p\nvar x q.T = `y` // z\n", {"x", "q"}, {"q.T"}),
        ('package p\nvar x = []y{1, \'z\', "\\"w"}\n', {"x", "y"}, set()),
        ("package p\nvar \u00e9 = \u00fc.z /* w */\n", {"\u00e9", "\u00fc"}, {"\u00fc.z"}),
        ("package p\nvar x = 0x1F + 1e5 + y\n", {"x", "y"}, set()),
    ],
)
def test_names_and_members(text: str, plain: set[str], members: set[str]) -> None:
    assert names(text) == (plain, members)


def test_a_bound_place_is_no_use() -> None:
    text = "package p\nfunc f() { x() }\nfunc g() { x() }\n"
    first = text.index("x()")
    assert "x" in names(text, {b"x": Bound([(0, first + 1)])})[0]
    assert "x" not in names(text, {b"x": Bound([(0, first + 1), (first, len(text))])})[0]
