"""What dependency-cruiser says of a repository's JavaScript and TypeScript files.

It is installed once, with the compilers of TypeScript, Vue and Svelte beside it, below the folder of
the truth benches. It reads packages as they are installed, so the copy of the tree that it sees has
the links in `node_modules` that an install of the workspace would make. Where a package's entry is made
by its build, which is not in a source tree, the specifier stays unresolved: see `Truth.undecided`.
"""

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from tests.bench.repositories import ROOT

PACKAGES = "dependency-cruiser@17.4.3 typescript@5.9.3 @vue/compiler-sfc@3.5.45 svelte@5.57.3"
ENDINGS = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts", ".vue", ".svelte")
CONFIGS = ("tsconfig.json", "jsconfig.json")
MANIFESTS = ("package.json", "pnpm-workspace.yaml", "lerna.json")
MAX_BYTES = 1_000_000
_SCRIPT = Path(__file__).with_name("cruise.mjs")


@dataclass(frozen=True)
class Truth:
    """What the tool says; paths are relative to the repository."""

    importers: frozenset[str]
    """The files that it could read."""
    edges: frozenset[tuple[str, str]]
    unresolved: frozenset[tuple[str, str]]
    """(importer, specifier) that it could not resolve."""
    unreadable: frozenset[str]
    """Components that their compiler refuses."""

    def undecided(self, packages: dict[str, list[str]], edge: tuple[str, str]) -> bool:
        """Return whether an edge enters a package of the repository under a name that the tool could
        not resolve, because only a build or an install would make what the name means."""
        importer, imported = edge
        return any(
            imported.startswith(f"{folder}/" if folder else "")
            for source, specifier in self.unresolved
            if source == importer and not specifier.startswith(".")
            for folder in packages.get(_package_name(specifier), ())
        )


def _package_name(specifier: str) -> str:
    return "/".join(specifier.split("/")[: 2 if specifier.startswith("@") else 1])


def cruised(root: Path, scratch: Path, scripts: bool = False) -> Truth:
    """Return the truth about a tree that `linked` has prepared.

    With `scripts`, JavaScript is read for AMD too.
    """
    tool = _tool()
    groups: dict[str | None, list[str]] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if name.endswith(ENDINGS) and path.is_file() and "node_modules" not in path.parts:
            groups.setdefault(_config_above(root, path), []).append(name)
    plan, answer = scratch / "plan.json", scratch / "answer.json"
    listed = [{"config": config, "files": files} for config, files in groups.items()]
    plan.write_text(
        json.dumps({"tool": str(tool), "root": str(root), "groups": listed, "scripts": scripts})
    )
    command = ["node", "--max-old-space-size=6000", str(_SCRIPT), str(plan), str(answer)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    said: dict[str, list[Any]] = json.loads(answer.read_text())
    unreadable = frozenset(said["unreadable"])
    return Truth(
        frozenset(file for files in groups.values() for file in files) - unreadable,
        frozenset((importer, imported) for importer, imported in said["edges"]),
        frozenset((importer, specifier) for importer, specifier in said["unresolved"]),
        unreadable,
    )


def _config_above(root: Path, path: Path) -> str | None:
    for folder in path.relative_to(root).parents:
        for name in CONFIGS:
            if (root / folder / name).exists():
                return (folder / name).as_posix()
    return None


def _tool() -> Path:
    folder = ROOT / "tools" / "dependency-cruiser-17"
    if not (folder / "ready").exists():
        if shutil.which("npm") is None:
            pytest.skip("npm is missing: dependency-cruiser cannot be installed")
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--silent", "--ignore-scripts", "--no-audit", "--prefix", "."]
        done = subprocess.run(
            [*command, *PACKAGES.split()], cwd=folder, capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"dependency-cruiser cannot be installed: {done.stderr.strip()[-300:]}")
        (folder / "ready").touch()
    return folder


def linked(root: Path) -> dict[str, list[str]]:
    """Link the members of each workspace as an install would; return all packages' folders by name."""
    packages: dict[str, list[str]] = {}
    for manifest in sorted(root.rglob("package.json")):
        name = _json(manifest).get("name")
        if isinstance(name, str) and "node_modules" not in manifest.parts:
            folder = manifest.parent.relative_to(root).as_posix()
            packages.setdefault(name, []).append("" if folder == "." else folder)
    for workspace in sorted({path.parent for name in MANIFESTS for path in root.rglob(name)}):
        for member in _members(workspace):
            name = _json(member / "package.json").get("name")
            link = workspace / "node_modules" / str(name)
            if isinstance(name, str) and not link.exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(member, target_is_directory=True)
    return packages


def _members(workspace: Path) -> Iterator[Path]:
    globs: list[str] = []
    for name in ("package.json", "lerna.json"):
        value = _json(workspace / name)
        listed = value.get("workspaces", value.get("packages"))
        listed = listed.get("packages") if isinstance(listed, dict) else listed
        globs += listed if isinstance(listed, list) else []
    pnpm = workspace / "pnpm-workspace.yaml"
    if pnpm.exists():
        globs += (yaml.safe_load(pnpm.read_text()) or {}).get("packages", [])
    dropped = {
        path for glob in globs if glob.startswith("!") for path in _glob(workspace, glob[1:])
    }
    for glob in globs:
        if not glob.startswith("!"):
            yield from (path for path in _glob(workspace, glob) if path not in dropped)


def _glob(workspace: Path, glob: str) -> Iterable[Path]:
    pattern = PurePosixPath(glob.removeprefix("./")).as_posix()
    return (path.parent for path in sorted(workspace.glob(f"{pattern}/package.json")))


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
