"""Which code is running: the commit and dirty flag captured at submit, and the package versions."""

import os
import subprocess
from importlib import metadata
from pathlib import Path

from gristmill.artifacts import CodeIdentity

PACKAGES = (
    "gristmill",
    "ray",
    "torch",
    "deepspeed",
    "tokenizers",
    "pyarrow",
    "tree-sitter",
    "numpy",
)
ROOT = Path(__file__).parent.parent


def code_identity() -> CodeIdentity:
    """Return the identity sent with the job (`GRISTMILL_COMMIT`, `GRISTMILL_DIRTY`), else git's."""
    commit = os.environ.get("GRISTMILL_COMMIT") or _git("rev-parse", "HEAD") or "unknown"
    flag = os.environ.get("GRISTMILL_DIRTY")
    dirty = flag == "1" if flag is not None else bool(_git("status", "--porcelain"))
    return CodeIdentity(commit=commit, dirty=dirty, packages=_versions())


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
