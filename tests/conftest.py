"""What all tests share: one local cluster for a session, and markers that know what a machine lacks."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.local import LOOPBACK, LocalCluster

# Before anything imports ray, which reads its mode once; no test may depend on ~/.ray/auth_token.
TOKEN = secrets.token_hex(32)
TOKEN_FILE = Path(tempfile.mkdtemp(prefix="gm-token-")) / "token"
TOKEN_FILE.write_text(TOKEN, encoding="ascii")
os.environ.update(LOOPBACK, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(TOKEN_FILE))
for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_AUTH_TOKEN"):
    os.environ.pop(name, None)

NO_SKIP = "GRISTMILL_NO_SKIP"
MARKERS = ("chromium", "bubblewrap", "toolchain", "jdk", "gpu")


def missing(marker: str) -> str | None:
    """Return what this machine lacks for a marker, or None when it lacks nothing."""
    if marker == "chromium":
        names = ("chromium", "chromium-browser", "google-chrome")
        found = any(shutil.which(name) for name in names)
        return None if found else "no Chromium here; Debian: apt install chromium"
    if marker == "bubblewrap":
        return None if shutil.which("bwrap") else "no bwrap here; Debian: apt install bubblewrap"
    if marker == "toolchain":
        found = shutil.which("g++") or shutil.which("c++")
        return None if found else "no C++ compiler here; Debian: apt install g++"
    if marker == "jdk":
        found = shutil.which("javac") and shutil.which("jdeps")
        return None if found else "no JDK here; Debian: apt install default-jdk-headless"
    if marker == "gpu":
        return None if Path("/dev/nvidia0").exists() else "no NVIDIA GPU here"
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what this machine cannot run, with the reason; fail instead under GRISTMILL_NO_SKIP=1."""
    for marker in MARKERS:
        if item.get_closest_marker(marker) is None:
            continue
        reason = missing(marker)
        if reason is None:
            continue
        if os.environ.get(NO_SKIP) == "1" and marker != "gpu":
            pytest.fail(f"{NO_SKIP}=1 and {reason}", pytrace=False)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def ray_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """One local cluster with the three pools and a token of its own, for the whole session.

    The environment is set so that `ray.init()` in a test, and every command it starts, finds it.
    """
    with LocalCluster.start(state=tmp_path_factory.mktemp("cluster"), token=TOKEN) as cluster:
        patch = pytest.MonkeyPatch()
        for name, value in cluster.env.items():
            patch.setenv(name, value)
        try:
            yield cluster
        finally:
            import ray

            if ray.is_initialized():
                ray.shutdown()
            patch.undo()


def pytest_unconfigure() -> None:
    """Remove the session's token."""
    shutil.rmtree(TOKEN_FILE.parent, ignore_errors=True)
