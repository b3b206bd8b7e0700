"""Where `mod` looks for files."""

from gristmill.corpus.imports import parse
from gristmill.corpus.imports.rust_crates import Crate
from gristmill.corpus.imports.rust_modules import ModuleTree


def loads(files: dict[str, str]) -> dict[str, set[str]]:
    parsed = {path: parse("Rust", text, path) for path, text in files.items()}
    tree = ModuleTree(parsed, [Crate("src/lib.rs")])
    found: dict[str, set[str]] = {}
    for (path, _target), targets in tree.loads.items():
        found.setdefault(path, set()).update(targets)
    return found


def test_both_layouts_inline_modules_and_path_attributes() -> None:
    files = {
        "src/lib.rs": 'mod a; mod b; mod i { mod c; #[path = "p.rs"] mod q; }\n'
        '#[path = "odd/name.rs"] mod d;\nmod r#type;',
        "src/a.rs": 'mod x; mod j { #[path = "k.rs"] mod y; }',
        "src/a/x.rs": "",
        "src/a/j/k.rs": "",
        "src/b/mod.rs": "mod x;",
        "src/b/x.rs": "",
        "src/i/c.rs": "",
        "src/i/p.rs": "",
        "src/odd/name.rs": "mod z;",
        "src/odd/z.rs": "",
        "src/odd/name/z.rs": "",
        "src/type.rs": "",
    }
    assert loads(files) == {
        "src/lib.rs": {
            "src/a.rs",
            "src/b/mod.rs",
            "src/i/c.rs",
            "src/i/p.rs",
            "src/odd/name.rs",
            "src/type.rs",
        },
        "src/a.rs": {"src/a/x.rs", "src/a/j/k.rs"},
        "src/b/mod.rs": {"src/b/x.rs"},
        "src/odd/name.rs": {"src/odd/z.rs"},
    }


def test_what_cfg_chooses_between_is_all_loaded() -> None:
    files = {
        "src/lib.rs": '#[cfg_attr(unix, path = "unix.rs")]\n#[cfg_attr(windows, path = "win.rs")]\nmod os;',
        "src/unix.rs": "",
        "src/win.rs": "",
        "src/os.rs": "",
    }
    assert loads(files) == {"src/lib.rs": {"src/unix.rs", "src/win.rs", "src/os.rs"}}


def test_files_that_load_each_other_end() -> None:
    files = {"src/lib.rs": '#[path = "a.rs"] mod a;', "src/a.rs": '#[path = "lib.rs"] mod l;'}
    assert loads(files) == {"src/lib.rs": {"src/a.rs"}, "src/a.rs": set()}
