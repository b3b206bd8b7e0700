"""What Rust paths name."""

from gristmill.corpus.imports import parse
from gristmill.corpus.imports.rust_crates import Crate
from gristmill.corpus.imports.rust_modules import ModuleTree
from gristmill.corpus.imports.rust_names import RustNames

FILES = {
    "lib.rs": "pub mod a; mod b; pub use a::deep; pub struct Top; pub use loop1 as loop2; use loop2 as loop1;",
    "a.rs": "pub mod deep { pub struct Thing; pub fn b() {} } pub use crate::b::*;",
    "b.rs": "pub struct Both; pub use crate::a::*;",
    "main.rs": "use lib::deep::Thing;",
}


def names(edition: str) -> tuple[ModuleTree, RustNames]:
    parsed = {path: parse("Rust", text, path) for path, text in FILES.items()}
    crates = [Crate("lib.rs", edition), Crate("main.rs", edition, {"lib": "lib.rs"})]
    tree = ModuleTree(parsed, crates)
    return tree, RustNames(tree)


def test_paths_start_anywhere() -> None:
    tree, found = names("2021")
    root = tree.roots["lib.rs"]
    a, main = root.children["a"], tree.roots["main.rs"]
    assert found.files(a, "crate::Top") == found.files(a, "super::Top") == ["lib.rs"]
    assert found.files(a, "self::deep::Thing") == found.files(a, "deep::Thing::new") == ["a.rs"]
    assert found.files(a.children["deep"], "super::super::b") == ["b.rs"]
    assert found.files(main, "lib::deep::b") == found.files(main, "::lib::a::deep") == ["a.rs"]
    assert found.files(main, "Thing") == ["a.rs"]
    assert (
        found.files(a, "std::vec") == found.files(a, "Top") == found.files(root, "super::x") == []
    )


def test_globs_that_go_in_circles_and_aliases_of_nothing_end() -> None:
    tree, found = names("2021")
    root = tree.roots["lib.rs"]
    assert found.files(root, "a::Both") == ["b.rs"]
    assert found.files(root, "b::deep::Thing") == ["a.rs"]
    assert found.files(root, "loop1") == []
    assert found.globbed(root, "a", ["Both", "Nothing"]) == ["b.rs"]
    assert found.globbed(root, "a", ["Nothing"]) == ["a.rs"]


def test_the_edition_of_2015_uses_from_the_root() -> None:
    tree, found = names("2015")
    a = tree.roots["lib.rs"].children["a"]
    assert found.files(a, "b::Both", used=True) == found.files(a, "::b::Both") == ["b.rs"]
    assert names("2021")[1].files(a, "b::Both") == []
