"""Use trees, and macros that hold items."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.corpus.imports.rust_text import unwrapped, use_leaves


@pytest.mark.parametrize(
    ("tree", "leaves"),
    [
        ("a::b", {("a::b", "b")}),
        ("a::{self, b as c, d::{e, *}}", {("a", "a"), ("a::b", "c"), ("a::d::e", "e"), ("a::d::*", "")}),
        ("::a::{b}", {("::a::b", "b")}),
        ("{a, super::b::C as _}", {("a", "a"), ("super::b::C", "_")}),
        ("*", {("*", "")}),
        (" a :: b ,", {("a::b,", "b,")}),
    ],
)  # fmt: skip
def test_a_use_tree_has_leaves(tree: str, leaves: set[tuple[str, str]]) -> None:
    assert set(use_leaves(tree)) == leaves


def test_items_in_macros_come_into_the_open() -> None:
    text = b'cfg_rt! {\n    mod a; // }\n    const S: &str = "}";\n}\nmod z;\n'
    assert unwrapped(text) == b'         \n    mod a; // }\n    const S: &str = "}";\n \nmod z;\n'
    chosen = b"cfg_if! {\n if #[cfg(a)] {\n mod b;\n } else {\n mod c;\n }\n}\n"
    assert unwrapped(chosen).split() == [b"mod", b"b;", b"mod", b"c;"]
    nested = b"a! {\n mod x;\n b! {\n  use y::z;\n }\n}\n"
    assert unwrapped(nested).split() == [b"mod", b"x;", b"use", b"y::z;"]


def test_other_macros_stay() -> None:
    for text in (
        b"lazy! {\n static ref X: u8 = 1;\n}\n",
        b"let x = m! { mod a; };\n",
        b"m! { mod a; \n",
    ):
        assert unwrapped(text) == text


@given(st.text(alphabet="a!{}()[]\n \"'/*#mod;use:rif", max_size=80))
def test_nothing_moves(text: str) -> None:
    data = text.encode()
    found = unwrapped(data)
    assert len(found) == len(data)
    assert [at for at, byte in enumerate(found) if byte == 10] == [
        at for at, byte in enumerate(data) if byte == 10
    ]
