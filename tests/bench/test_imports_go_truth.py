"""Go import edges of real repositories against `go list` and the type checker of the Go toolchain.

    pytest tests/bench/test_imports_go_truth.py -m truth

Compared with `go list` are pairs (importing file, imported package of this repository): our edges of
kind `import` and `local`, with the folder of their target. Importers are the files that `go list`
knows, under other build constraints too. Which file of a package declares what a file uses is
compared with `go/types` (go_uses.go): pairs (file, file) of imports and of same-package use, between
files that this machine's build constraints choose. Objects of packages that are not here stay unknown
to it. Some repositories were looked at while the rules were written, the held-out ones were not.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from gristmill.corpus.files import SourceFile
from gristmill.corpus.imports import Edge, Parsed, import_edges, is_config, parse
from tests.bench.repositories import debian

SEEN = """
golang-github-spf13-cobra golang-google-grpc golang-golang-x-tools golang-golang-x-net hugo caddy
""".split()  # noqa: SIM905
HELD_OUT = "syncthing restic rclone delve etcd fzf gh nats-server skopeo".split()  # noqa: SIM905
FIELDS = "ImportPath,Name,Dir,GoFiles,CgoFiles,IgnoredGoFiles,TestGoFiles,XTestGoFiles,ImportMap"
BAR = 0.98
pytestmark = [pytest.mark.truth, pytest.mark.timeout(3600)]


@dataclass
class Truth:
    """What the toolchain says of one repository; paths are relative to it."""

    importers: frozenset[str]
    chosen: frozenset[str]
    """The files that this machine's build constraints choose."""
    packages: set[tuple[str, str]] = field(default_factory=set)
    uses: set[tuple[str, str]] = field(default_factory=set)


class Toolchain:
    """`go list` and go_uses.go over the modules of one repository."""

    def __init__(self, root: Path, scratch: Path) -> None:
        scratch.mkdir(exist_ok=True)
        self.root = root.resolve()
        self._scratch = scratch
        self._env = {
            **os.environ,
            "GOFLAGS": "",
            "GOPROXY": "off",
            "GOWORK": "off",
            "GOTOOLCHAIN": "local",
            "GOPATH": str(scratch / "gopath"),
            "GOCACHE": str(scratch / "gocache"),
            "GO111MODULE": "on",
        }

    @cached_property
    def modules(self) -> list[Path]:
        found = sorted(path.parent for path in self.root.rglob("go.mod"))
        return [path for path in found if not {"testdata", "_examples"} & set(path.parts)]

    def listed(self, folder: Path) -> Iterator[dict[str, Any]]:
        command = ["go", "list", *self._modfile(folder), "-e", "-deps", f"-json={FIELDS}", "./..."]
        done = subprocess.run(command, cwd=folder, env=self._env, capture_output=True, text=True)
        decoder, place = json.JSONDecoder(), 0
        while (place := done.stdout.find("{", place)) >= 0:
            package, place = decoder.raw_decode(done.stdout, place)
            yield package | {"Dir": str(Path(package.get("Dir", "/")).resolve())}

    def _modfile(self, folder: Path) -> list[str]:
        """Return the option that leaves modules which are not here out of go.mod.

        Without a registry `go list` would stop at the first. Modules that `replace` finds in this
        repository stay; a vendored tree is listed as it is.
        """
        vendored = (folder / "vendor/modules.txt").exists()
        if vendored or not (folder / "go.mod").exists():
            return []
        text = (folder / "go.mod").read_text()
        lines = [line for line in text.splitlines() if re.match(r"(module|go)\s", line)]
        if lines == ["module std"]:
            return []
        for name, place in re.findall(r"(\S+)(?:\s+v\S+)?\s*=>\s*(\.{1,2}/\S*)", text):
            lines += [f"require {name} v0.0.0", f"replace {name} => {folder / place}"]
        copy = self._scratch / "go.mod"
        copy.write_text("\n".join(lines) + "\n")
        copy.with_suffix(".sum").unlink(missing_ok=True)
        return [f"-modfile={copy}"]

    def inside(self, folder: str) -> str | None:
        """Return a folder's path in the repository, None outside."""
        if not Path(folder).is_relative_to(self.root):
            return None
        place = Path(folder).relative_to(self.root).as_posix()
        return "" if place == "." else place

    def truth(self) -> Truth:
        found = Truth(frozenset(), frozenset())
        for module in self.modules or [self.root]:
            packages = [p for p in self.listed(module) if self.inside(p.get("Dir", "")) is not None]
            one = self._of(packages)
            found = Truth(
                found.importers | one.importers,
                found.chosen | one.chosen,
                found.packages | one.packages,
                found.uses | one.uses,
            )
        return found

    def _of(self, packages: list[dict[str, Any]]) -> Truth:
        def files(package: dict[str, Any], *fields: str) -> list[str]:
            names = [name for field in fields for name in package.get(field) or []]
            return [str(Path(package["Dir"], name)) for name in names]

        asked = [
            {
                "ImportPath": package["ImportPath"],
                "Name": package.get("Name", ""),
                "Files": files(package, "GoFiles", "CgoFiles"),
                "Tests": files(package, "TestGoFiles"),
                "XTests": files(package, "XTestGoFiles"),
                "Ignored": files(package, "IgnoredGoFiles"),
                "ImportMap": package.get("ImportMap") or {},
            }
            for package in packages
        ]
        program = Path(__file__).with_name("go_uses.go")
        done = subprocess.run(
            ["go", "run", str(program)],
            input=json.dumps(asked),
            cwd=program.parent,
            env=self._env | {"GO111MODULE": "off"},
            capture_output=True,
            text=True,
            check=True,
        )
        answer = json.loads(done.stdout)
        folders = {package["ImportPath"]: self.inside(package["Dir"]) for package in packages}
        pairs, chosen = set(), set()
        for package in asked:
            chosen |= {*package["Files"], *package["Tests"], *package["XTests"]}
            for name in [
                *package["Files"],
                *package["Tests"],
                *package["XTests"],
                *package["Ignored"],
            ]:
                for target in answer["imports"][name]:
                    folder = folders.get(package["ImportMap"].get(target, target))
                    if folder is not None:
                        pairs.add((self._file(name), folder))
        return Truth(
            frozenset(map(self._file, answer["imports"])),
            frozenset(map(self._file, chosen)),
            pairs,
            {
                tuple(map(self._file, pair))
                for pair in answer["uses"]
                if pair[1] in answer["imports"]
            },
        )

    def _file(self, name: str) -> str:
        return Path(name).relative_to(self.root).as_posix()


def read(root: Path) -> tuple[list[SourceFile], dict[str, str]]:
    """Return the Go files and the configuration files of a tree."""
    files, configs = [], {}
    for path in sorted(root.rglob("*")):
        place = path.relative_to(root).as_posix()
        if not path.is_file() or path.is_symlink():
            continue
        if path.suffix == ".go":
            files.append(SourceFile(place, "Go", path.read_bytes().decode("utf-8", "replace")))
        elif is_config(place):
            configs[place] = path.read_bytes().decode("utf-8", "replace")
    return files, configs


def folder_pairs(edges: list[Edge], truth: Truth) -> set[tuple[str, str]]:
    return {
        (edge.importer, edge.imported.rpartition("/")[0])
        for edge in edges
        if edge.kind in ("import", "local") and edge.importer in truth.importers
    }


def file_pairs(
    edges: list[Edge], truth: Truth, parsed: Mapping[str, Parsed]
) -> set[tuple[str, str]]:
    """Return our pairs; a blank import names no object, so the type checker has none for it."""
    blank = {
        (path, found.line)
        for path, one in parsed.items()
        for found in one.imports
        if found.names == ("_",)
    }
    return {
        (edge.importer, edge.imported)
        for edge in edges
        if {edge.importer, edge.imported} <= truth.chosen
        and (edge.importer, edge.line) not in blank
    }


def scores(ours: set[Any], truth: set[Any]) -> tuple[float, float, float]:
    both = len(ours & truth)
    precision, recall = both / max(len(ours), 1), both / max(len(truth), 1)
    return precision, recall, 2 * both / max(len(ours) + len(truth), 1)


def trees() -> Iterator[tuple[str, Path, bool]]:
    for name in SEEN:
        yield name, debian(name), False
    done = subprocess.run(["go", "env", "GOROOT"], capture_output=True, text=True, check=True)
    yield "the standard library", Path(done.stdout.strip(), "src"), False
    for name in HELD_OUT:
        yield name, debian(name), True


def test_go_edges_agree_with_go_list_and_the_type_checker(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which("go") is None:
        pytest.skip("no Go toolchain here; Debian: apt install golang-go")
    worst = 1.0
    with capsys.disabled():
        print(f"\n{'':36}(file, package)               (file, file)")
        print(f"{'repository':28}{'files':>6}", end="")
        print(2 * f"{'pairs':>8}{'precision':>10}{'recall':>7}{'F1':>7}")
        for name, root, held_out in trees():
            truth = Toolchain(root, tmp_path).truth()
            files, configs = read(root.resolve())
            parsed = {file.path: parse("Go", file.text, file.path) for file in files}
            edges = import_edges(files, parsed, configs)
            print(f"{name + ' *' * held_out:28}{len(files):6}", end="")
            for pairs, known in (
                (folder_pairs(edges, truth), truth.packages),
                (file_pairs(edges, truth, parsed), truth.uses),
            ):
                precision, recall, f1 = scores(pairs, known)
                print(f"{len(known):8}{precision:10.4f}{recall:7.4f}{f1:7.4f}", end="")
                if known is truth.packages:
                    worst = min(worst, f1)
            print()
        print("* held out")
    assert worst >= BAR
