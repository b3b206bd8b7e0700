"""Where Go finds an import path."""

import shutil
import subprocess
from pathlib import Path

import pytest

from gristmill.corpus.imports.go_modules import GoModules


def test_replaced_modules_and_vendored_packages_are_seen_by_their_module_only() -> None:
    folders = ["a/x", "b", "b/y", "a/vendor/v.org/z", "c"]
    configs = {
        "a/go.mod": "module m.org/a\nreplace (\n\tm.org/b v1.2.0 => ../b\n\tm.org/z => ../../z\n)",
        "b/go.mod": "module m.org/other\n",
        "c/go.mod": "module m.org/c\n",
    }
    modules = GoModules(folders, configs)
    assert modules.folder("a/x/x.go", "m.org/b/y") == "b/y"
    assert modules.folder("a/x/x.go", "m.org/b") == "b"
    assert modules.folder("a/x/x.go", "v.org/z") == "a/vendor/v.org/z"
    assert modules.folder("a/x/x.go", "../x") == "a/x"
    assert modules.folder("b/y/y.go", "m.org/other") == "b"
    for target in ("m.org/b", "v.org/z", "m.org/a/x", "m.org/c"):
        assert modules.folder("b/y/y.go", target) is None, target


def test_a_module_does_not_hold_the_folders_of_a_module_below_it() -> None:
    configs = {"go.mod": "module m.org/x", "sub/go.mod": "module m.org/x/sub"}
    modules = GoModules(["a", "sub/b"], configs)
    assert modules.folder("a/a.go", "m.org/x/sub/b") is None
    assert modules.folder("sub/b/b.go", "m.org/x/sub/b") == "sub/b"


def test_a_gopath_is_found_by_the_whole_import_path() -> None:
    modules = GoModules(["src/m.org/a", "src/m.org/b"], {})
    modules.guess(["m.org/b", "fmt"])
    assert modules.folder("src/m.org/a/a.go", "m.org/b") == "src/m.org/b"
    assert modules.folder("src/m.org/a/a.go", "fmt") is None


@pytest.mark.skipif(shutil.which("go") is None, reason="no Go here; Debian: apt install golang-go")
def test_go_lists_the_same_packages_of_a_workspace(tmp_path: Path) -> None:
    files = {
        "go.work": "go 1.18\nuse (\n\t./app\n\t./lib\n)\nreplace m.org/old => ./kept\n",
        "app/go.mod": "module m.org/app\ngo 1.18\nrequire m.org/old v0.0.0\n",
        "app/main.go": 'package main\nimport ("m.org/lib/in"; _ "m.org/old")\nfunc main() { in.F() }\n',
        "lib/go.mod": "module m.org/lib\ngo 1.18\n",
        "lib/in/in.go": "package in\nfunc F() {}\n",
        "kept/go.mod": "module m.org/old\ngo 1.18\n",
        "kept/k.go": "package kept\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["go", "list", "-deps", "-f", "{{.ImportPath}} {{.Dir}}", "."],
        cwd=tmp_path / "app",
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "GOPROXY": "off", "GOFLAGS": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    listed = dict(line.split() for line in done.stdout.splitlines())
    configs = {name: text for name, text in files.items() if not name.endswith(".go")}
    modules = GoModules(["app", "lib/in", "kept"], configs)
    for target in ("m.org/lib/in", "m.org/old"):
        found = modules.folder("app/main.go", target)
        assert found is not None and tmp_path / found == Path(listed[target])
