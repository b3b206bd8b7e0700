"""Cargo's targets and dependencies."""

from gristmill.corpus.imports.rust_crates import crates


def test_targets_are_found_where_cargo_looks() -> None:
    files = """
    build.rs src/lib.rs src/main.rs src/other.rs src/bin/one.rs src/bin/two/main.rs
    src/bin/two/more.rs examples/e.rs tests/t.rs tests/common/mod.rs benches/b.rs odd/x.rs
    """.split()  # noqa: SIM905
    manifest = '[package]\nname = "a-b"\n[[bin]]\nname = "x"\npath = "odd/x.rs"\n'
    found = {crate.root: crate for crate in crates(files, {"Cargo.toml": manifest})}
    assert set(found) == set(files) - {"src/other.rs", "src/bin/two/more.rs", "tests/common/mod.rs"}
    assert found["src/lib.rs"].known == {}
    assert found["tests/t.rs"].known == {"a_b": "src/lib.rs"}
    assert found["src/lib.rs"].edition == "2015"


def test_dependencies_are_known_by_their_names() -> None:
    configs = {
        "Cargo.toml": '[workspace.package]\nedition = "2024"\n'
        '[workspace.dependencies]\nc = { path = "c" }\nr = { package = "d-d", path = "d" }\n',
        "a/Cargo.toml": '[package]\nname = "a"\nedition = { workspace = true }\n'
        "[dependencies]\nc.workspace = true\nserde = '1'\n"
        "[dev-dependencies]\nr = { workspace = true }\n"
        "[target.'cfg(unix)'.dependencies]\ne = { path = '../e' }\n",
        "c/Cargo.toml": '[package]\nname = "c"\n[lib]\nname = "see"\npath = "c.rs"\n',
        "d/Cargo.toml": '[package]\nname = "d-d"\n',
        "e/Cargo.toml": '[package]\nname = "e"\n',
        "broken/Cargo.toml": "[package\n",
    }
    files = ["a/src/lib.rs", "c/c.rs", "d/src/lib.rs", "e/src/lib.rs", "broken/src/lib.rs"]
    found = {crate.root: crate for crate in crates(files, configs)}
    assert found["a/src/lib.rs"].known == {
        "see": "c/c.rs",
        "r": "d/src/lib.rs",
        "e": "e/src/lib.rs",
    }
    assert found["a/src/lib.rs"].edition == "2024"
    assert "broken/src/lib.rs" not in found
