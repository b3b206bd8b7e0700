import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.tokens.syntax import MAX_BYTES, nodes_at
from tests.made_corpus import real_files

TEXT = "class A:\n    def f(self):\n        return '\u4e2d', 1\n"


def test_nodes_are_nested_and_innermost_first() -> None:
    place = TEXT.index("\u4e2d")
    holes = [TEXT[start:end] for start, end in nodes_at(TEXT, "Python", "a.py", place)]
    assert holes[0] == "\u4e2d" and "'\u4e2d'" in holes and "return '\u4e2d', 1" in holes
    assert holes[-1].startswith("class A")
    assert all(inner in outer and inner != outer for inner, outer in itertools.pairwise(holes))


def test_other_languages_have_nodes_too() -> None:
    for language, path, text, wanted in [
        ("C", "a.c", "int f(void) { return g(1); }\n", "g(1)"),
        ("Go", "a.go", "package a\nfunc f() int { return g(1) }\n", "g(1)"),
        ("TypeScript", "a.ts", "const f = (x: number) => g(1);\n", "g(1)"),
    ]:
        nodes = nodes_at(text, language, path, text.index("g("))
        assert wanted in [text[start:end] for start, end in nodes], language


def test_what_has_no_tree_has_no_nodes() -> None:
    assert nodes_at("a b", "Text", "a.txt", 1) == []
    assert nodes_at("", "Python", "a.py", 0) == []
    assert nodes_at("x = 1\n", "Python", "a.py", 6) == []
    assert nodes_at("x = 1\n" * MAX_BYTES, "Python", "a.py", 1) == []


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200), st.integers(0, 200))
def test_any_text_and_place(text: str, place: int) -> None:
    for start, end in nodes_at(text, "Python", "a.py", place):
        assert 0 <= start <= place < end <= len(text)


def test_nodes_of_real_files_hold_the_place() -> None:
    for path, text in list(real_files().items())[::60]:
        nodes = nodes_at(text, "Python", path, len(text) // 2)
        assert all(start <= len(text) // 2 < end for start, end in nodes)
        assert nodes == sorted(nodes, key=lambda span: span[1] - span[0])
