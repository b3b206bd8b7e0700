"""Which files the Rust compiler loads for each crate, against the `mod` edges from its root.

    pytest tests/bench/test_imports_rust_truth.py -m truth

Crates are Cargo's (`cargo metadata --no-deps`); the files are those of `rustc --emit=dep-info`, which
loads modules before it misses the dependencies that are not here. A module behind `cfg` is an edge to
us whatever the configuration, so the truth is what some configuration loads: with all features, with
none, and with all features as a test while every condition holds that the package's sources name. A
root file without the words `mod` and `include!` loads nothing and is left out. What stands in a macro
of a dependency (`cfg_if!`) is not loaded by rustc here and counts against us. Compared are pairs (root
file, file), by repository. Some repositories were looked at while the rules were written, the held-out
ones were not.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gristmill.corpus.files import SourceFile
from gristmill.corpus.imports import Edge, Parsed, import_edges, is_config, parse
from tests.bench.repositories import debian, pypi

SEEN = """
ripgrep rust-bat tokenizers==0.22.1 cryptography==46.0.3 pydantic-core==2.41.5 jiter==0.12.0
""".split()  # noqa: SIM905
HELD_OUT = """
fd-find rust-exa maturin==1.10.2 libcst==1.8.6 ast-grep-py==0.40.0 granian==2.5.7
""".split()  # noqa: SIM905
BAR = 0.97
CONDITIONS = frozenset({"windows", "unix", "loom", "miri", "docsrs", "fuzzing", "nightly", "doc"})
pytestmark = [pytest.mark.truth, pytest.mark.timeout(3600)]


def crates(root: Path) -> Iterator[dict[str, Any]]:
    """Yield Cargo's targets with their package's features and edition."""
    covered: set[str] = set()
    for manifest in sorted(root.rglob("Cargo.toml"), key=lambda path: len(path.parts)):
        if str(manifest) in covered:
            continue
        command = ["cargo", "metadata", "--no-deps", "--offline", "--format-version=1"]
        done = subprocess.run(
            [*command, f"--manifest-path={manifest}"], capture_output=True, text=True
        )
        if done.returncode:
            continue
        for package in json.loads(done.stdout)["packages"]:
            if package["manifest_path"] not in covered:
                covered.add(package["manifest_path"])
                for target in package["targets"]:
                    yield target | {
                        "features": sorted(package["features"]),
                        "folder": str(Path(package["manifest_path"]).parent),
                    }


def conditions(folder: Path) -> list[str]:
    """Return options that make every condition true which a package's sources name in a `cfg`."""
    text = b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*.rs"))).decode(
        "utf-8", "replace"
    )
    found: set[str] = set()
    for inside in re.findall(
        r"\bcfg(?:_attr)?!?\(((?:[^()]|\([^()]*\)|\((?:[^()]|\([^()]*\))*\))*)\)", text
    ):
        pairs = re.findall(r'(\w+)\s*=\s*"([^"]*)"', inside)
        found |= {f'--cfg={name}="{value}"' for name, value in pairs if name != "path"}
        bare = re.findall(r'\b(\w+)\b(?!\s*[=("])', re.sub(r'"[^"]*"', '""', inside))
        found |= {f"--cfg={name}" for name in bare if name in CONDITIONS or name.isupper()}
    return sorted(found)


def loaded(crate: dict[str, Any], root: Path, scratch: Path) -> set[str]:
    """Return the Rust files that rustc loads for a crate in some configuration."""
    features = [f'--cfg=feature="{name}"' for name in crate["features"]]
    ways = [features, [], [*features, *conditions(Path(crate["folder"])), "--cfg=test"]]
    kind = (
        "lib"
        if {"lib", "rlib", "cdylib", "proc-macro", "staticlib"} & set(crate["kind"])
        else "bin"
    )
    listing = scratch / f"{abs(hash(crate['src_path']))}.d"
    found: set[str] = set()
    for way in (way for place, way in enumerate(ways) if way not in ways[:place]):
        listing.unlink(missing_ok=True)
        subprocess.run(
            [
                "rustc",
                f"--edition={crate['edition']}",
                f"--crate-type={kind}",
                f"--emit=dep-info={listing}",
                "--cap-lints=allow",
                "--error-format=short",
                "-Aexplicit_builtin_cfgs_in_flags",
                *way,
                crate["src_path"],
            ],
            cwd=crate["folder"],
            capture_output=True,
            env={
                "PATH": f"{Path(str(shutil.which('rustc'))).parent}:/usr/bin",
                "HOME": str(Path.home()),
            }
            | {"CARGO_MANIFEST_DIR": crate["folder"], "OUT_DIR": str(scratch)},
        )
        if listing.exists():
            first = listing.read_text().partition("\n")[0].partition(": ")[2]
            for name in first.replace("\\ ", "\0").split():
                path = Path(crate["folder"], name.replace("\0", " ")).resolve()
                if path.suffix == ".rs" and path.is_relative_to(root):
                    found.add(path.relative_to(root).as_posix())
    return found


def truth(root: Path, scratch: Path) -> set[tuple[str, str]]:
    def of(crate: dict[str, Any]) -> set[tuple[str, str]]:
        start = Path(crate["src_path"]).resolve()
        if not start.exists() or not start.is_relative_to(root):
            return set()
        if re.search(rb"\bmod\b|\binclude!", start.read_bytes()) is None:
            return set()
        place = start.relative_to(root).as_posix()
        return {(place, path) for path in loaded(crate, root, scratch) if path != place}

    with ThreadPoolExecutor(2) as pool:
        return set().union(*pool.map(of, list(crates(root))))


def read(root: Path) -> tuple[list[SourceFile], dict[str, str]]:
    files, configs = [], {}
    for path in sorted(root.rglob("*")):
        place = path.relative_to(root).as_posix()
        if not path.is_file():
            continue
        if path.suffix == ".rs":
            files.append(SourceFile(place, "Rust", path.read_bytes().decode("utf-8", "replace")))
        elif is_config(place):
            configs[place] = path.read_bytes().decode("utf-8", "replace")
    return files, configs


def reached(edges: list[Edge], parsed: dict[str, Parsed], roots: set[str]) -> set[tuple[str, str]]:
    """Return (root, file) for all files that `mod` and `include!` lead to."""
    modules = {
        (path, found.line)
        for path, one in parsed.items()
        for found in one.imports
        if found.form.partition(" ")[0] in ("mod", "mod!")
    }
    below: dict[str, set[str]] = {}
    for edge in edges:
        if edge.kind in ("module", "include") or (
            edge.kind == "local" and (edge.importer, edge.line) in modules
        ):
            below.setdefault(edge.importer, set()).add(edge.imported)
    found = set()
    for root in roots:
        known, new = {root}, [root]
        while new:
            more = below.get(new.pop(), set()) - known
            known |= more
            new += more
        found |= {(root, path) for path in known - {root}}
    return found


def scores(ours: set[Any], truth: set[Any]) -> tuple[float, float, float]:
    both = len(ours & truth)
    precision, recall = both / max(len(ours), 1), both / max(len(truth), 1)
    return precision, recall, 2 * both / max(len(ours) + len(truth), 1)


def test_the_compiler_loads_the_files_that_mod_leads_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which("rustc") is None or shutil.which("cargo") is None:
        pytest.skip("no Rust toolchain here; Debian: apt install cargo")
    worst = 1.0
    with capsys.disabled():
        print(f"\n{'repository':28}{'files':>6}{'pairs':>7}{'precision':>11}{'recall':>8}{'F1':>8}")
        for name in [*SEEN, *HELD_OUT]:
            root = (pypi(name) if "==" in name else debian(name)).resolve()
            known = truth(root, tmp_path)
            files, configs = read(root)
            parsed = {file.path: parse("Rust", file.text, file.path) for file in files}
            edges = import_edges(files, parsed, configs)
            ours = reached(edges, parsed, {start for start, _ in known})
            precision, recall, f1 = scores(ours, known)
            worst = min(worst, f1)
            label = name + " *" * (name in HELD_OUT)
            print(f"{label:28}{len(files):6}{len(known):7}{precision:11.4f}{recall:8.4f}{f1:8.4f}")
        print("* held out")
    assert worst >= BAR
