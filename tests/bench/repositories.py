"""Real repositories for the truth benches, fetched once from public registries and kept.

    pypi("httpx==0.28.1")      a distribution's source archive, unpacked
    npm("vue@3.5.13")          a package, unpacked
    debian("zlib")             a Debian source package (bookworm), unpacked, patches left off

Each returns the folder of the unpacked tree below `$GRISTMILL_TRUTH` (default
`~/.cache/gristmill-truth`). Without the registry the test that asks is skipped, with the reason.
Nothing of a tree is run by fetching it.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

ROOT = Path(os.environ.get("GRISTMILL_TRUTH", Path.home() / ".cache" / "gristmill-truth"))
_DEBIAN = "deb-src http://deb.debian.org/debian bookworm main\n"


def pypi(requirement: str) -> Path:
    """Return the unpacked source archive of `name==version` (pip would run its build backend)."""
    return _fetched("pypi", requirement, [sys.executable, __file__, requirement])


def wheel(requirement: str) -> Path:
    """Return the unpacked wheel of `name==version`."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary"]
    return _fetched("wheel", requirement, [*command, ":all:", requirement])


def npm(package: str) -> Path:
    """Return the unpacked package `name@version`."""
    return _fetched("npm", package, ["npm", "pack", "--silent", "--ignore-scripts", package])


def npm_install(name: str, *packages: str) -> Path:
    """Return a folder with these packages and what they need; none of their scripts is run."""
    folder = ROOT / "npm-installed" / name
    if not (folder / "ready").exists():
        if shutil.which("npm") is None:
            pytest.skip(f"npm is missing: {', '.join(packages)} cannot be installed")
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--silent", "--ignore-scripts", "--no-audit", "--prefix", "."]
        done = subprocess.run([*command, *packages], cwd=folder, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"{', '.join(packages)} cannot be installed: {done.stderr.strip()[-300:]}")
        (folder / "ready").touch()
    return folder


def debian(source: str) -> Path:
    """Return the upstream tree of a Debian source package."""
    return _fetched(
        "debian", source, ["apt-get", "-qq", *_apt(), "source", "--download-only", source]
    )


def _fetched(kind: str, what: str, command: list[str]) -> Path:
    folder = ROOT / kind / what.replace("/", "__")
    if not folder.exists():
        if shutil.which(command[0]) is None:
            pytest.skip(f"{command[0]} is missing: {what} cannot be fetched")
        draft = folder.with_name(folder.name + ".part")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        done = subprocess.run(command, cwd=draft, capture_output=True, text=True)
        archives = [path for path in draft.iterdir() if _is_archive(path)]
        if done.returncode or not archives:
            pytest.skip(f"{what} cannot be fetched: {done.stderr.strip()[-300:]}")
        for archive in archives:
            _unpack(archive, draft)
        draft.rename(folder)
    inside = sorted(path for path in folder.iterdir() if path.is_dir())
    return inside[0] if len(inside) == 1 else folder


def _is_archive(path: Path) -> bool:
    return path.is_file() and path.suffix != ".dsc" and ".debian.tar" not in path.name


def _unpack(archive: Path, folder: Path) -> None:
    if archive.suffix == ".whl":
        shutil.unpack_archive(archive, folder, "zip")
    elif archive.name.endswith((".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")):
        shutil.unpack_archive(
            archive, folder, **({} if archive.suffix == ".zip" else {"filter": "data"})
        )
    archive.unlink()


def _apt() -> list[str]:
    """Return apt's options for a package index of our own, beside the system's."""
    base = ROOT / "apt"
    if not (base / "ready").exists():
        for name in ("lists/partial", "cache/archives/partial"):
            (base / name).mkdir(parents=True, exist_ok=True)
        (base / "sources.list").write_text(_DEBIAN)
        done = subprocess.run(["apt-get", "-qq", *_options(base), "update"], capture_output=True)
        if done.returncode == 0:
            (base / "ready").touch()
    return _options(base)


def _options(base: Path) -> list[str]:
    values = {
        "Dir::Etc::sourcelist": base / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": base / "lists",
        "Dir::Cache": base / "cache",
    }
    return [part for name, value in values.items() for part in ("-o", f"{name}={value}")]


def _download_sdist(requirement: str) -> None:
    """Fetch the source archive of `name==version` into the working directory."""
    name, _, version = requirement.partition("==")
    index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/")
    accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
    with urlopen(Request(f"{index}/{name}/", headers=accept)) as answer:
        files = json.load(answer)["files"]
    stems = (f"{name}-{version}", f"{name.replace('-', '_')}-{version}")
    for file in files:
        if file["filename"].lower().startswith(stems) and file["filename"].endswith(".tar.gz"):
            with urlopen(file["url"]) as answer:
                Path(file["filename"]).write_bytes(answer.read())
            return
    raise SystemExit(f"{requirement} has no source archive")


if __name__ == "__main__":
    _download_sdist(sys.argv[1])
