"""Rust: use trees, item macros, and what paths mean; a whole workspace is in the fixtures."""

import shutil
import subprocess
from pathlib import Path

import pytest

from gristmill.corpus.files import SourceFile
from gristmill.corpus.imports import import_edges, parse

ATLAS = Path(__file__).parents[1] / "fixtures/imports/rust/atlas"


def pairs(files: dict[str, str], configs: dict[str, str] | None = None) -> set[tuple[str, str]]:
    sources = [SourceFile(path, "Rust", text) for path, text in files.items()]
    return {(edge.importer, edge.imported) for edge in import_edges(sources, configs=configs)}


def test_strings_and_comments_hold_no_paths() -> None:
    found = parse("Rust", '// a::b\n/* c::d */ const S: &str = "e::f"; const T: u8 = g::H;\n')
    assert [one.target for one in found.imports] == ["g::H"]


def test_what_stands_under_cfg_test_is_local() -> None:
    text = "#[cfg(test)]\nmod tests {\n    use super::*;\n    fn f() { a::b(); }\n}\n#[cfg(test)]\nmod t;\nmod m;\n"
    kinds = {one.target: one.kind for one in parse("Rust", text).imports}
    assert kinds == {"super::*": "local", "a::b": "local", "t": "local", "m": "module"}


def test_macros_are_in_scope_below_their_definition_only() -> None:
    files = {
        "src/lib.rs": "mod early;\n#[macro_use]\nmod macros;\nmod late;\n",
        "src/early.rs": "fn f() { log!() }",
        "src/macros.rs": "macro_rules! log { () => {} }",
        "src/late.rs": "fn f() { log!() }",
    }
    loads = {("src/lib.rs", f"src/{name}.rs") for name in ("early", "macros", "late")}
    assert pairs(files) == loads | {("src/late.rs", "src/macros.rs")}


def test_globs_and_re_exports_lead_to_who_declares() -> None:
    files = {
        "src/lib.rs": "pub mod a;\nmod b;\nmod c;\nmod d;\n",
        "src/a.rs": "pub use crate::b::*;\npub use super::c::Kind;\n",
        "src/b.rs": "pub struct One; pub use crate::a::*;",
        "src/c.rs": "pub enum Kind { Left }",
        "src/d.rs": "use crate::a::*;\nuse Kind::*;\nfn f(_: One) -> Kind { Left }",
    }
    found = {pair for pair in pairs(files) if pair[0] == "src/d.rs"}
    assert found == {("src/d.rs", "src/b.rs"), ("src/d.rs", "src/c.rs")}


def test_a_name_that_a_macro_makes_is_of_the_module() -> None:
    files = {
        "src/lib.rs": "mod made;\nmod user;\n",
        "src/made.rs": "thing! { Made }",
        "src/user.rs": "use crate::made::Made;",
    }
    assert ("src/user.rs", "src/made.rs") in pairs(files)


@pytest.mark.skipif(
    shutil.which("cargo") is None, reason="no cargo here; Debian: apt install cargo"
)
def test_the_compiler_accepts_the_workspace(tmp_path: Path) -> None:
    copy = shutil.copytree(ATLAS, tmp_path / "atlas")
    command = ["cargo", "check", "--offline", "--all-targets", "--quiet"]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
