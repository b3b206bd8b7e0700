"""Builds the CPU kernel once on a machine, and loads it.

`library` compiles `step.cpp` for this very processor with the C++ compiler that is there (the one that
DeepSpeed's helper needs too) into the user's cache, under a name made of the source, the compiler and
the processor, so that a change of any of them builds anew and two processes never see half a file. Where
there is no compiler, or what it built does not compute what torch does, there is no kernel: the engine
then runs on torch alone, and the log says why.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).with_name("step.cpp")
OPTIONS = ("-std=c++20", "-O3", "-march=native", "-shared", "-fPIC", "-pthread", "-Wno-psabi")
COMPILERS = ("g++", "c++", "clang++")
log = logging.getLogger(__name__)


@cache
def library() -> ctypes.CDLL | None:
    """Return the kernel, built if need be; None, with the reason in the log, where it cannot be."""
    try:
        return declared(ctypes.CDLL(str(built())))
    except (OSError, subprocess.SubprocessError) as error:
        told = getattr(error, "stderr", None) or error
        log.warning("no compiled CPU kernel, decoding will be slower: %s", told)
        return None


def built(folder: Path | None = None) -> Path:
    """Return the compiled library below `folder` (default: the user's cache), compiling it if need be.

    Raises OSError without a compiler, CalledProcessError when it refuses.
    """
    compiler = next((found for name in COMPILERS if (found := shutil.which(name))), None)
    if compiler is None:
        raise OSError(f"no C++ compiler ({', '.join(COMPILERS)}); Debian: apt install g++")
    folder = folder or _cache()
    path = folder / f"step-{_identity(compiler)}.so"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as draft:
            made = Path(draft) / path.name
            command = [compiler, *OPTIONS, "-o", str(made), str(SOURCE)]
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
            os.replace(made, path)
    return path


def declared(library: ctypes.CDLL) -> ctypes.CDLL:
    """Tell ctypes what the kernel's functions take."""
    pointer, number = ctypes.c_void_p, ctypes.c_int
    library.team_open.argtypes, library.team_open.restype = [number], pointer
    library.team_close.argtypes, library.team_close.restype = [pointer], None
    library.team_product.argtypes = [pointer, pointer, pointer, number, pointer]
    library.team_product.restype = None
    library.team_step.argtypes, library.team_step.restype = [pointer, pointer, pointer], None
    return library


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "gristmill" / "kernels"


def _identity(compiler: str) -> str:
    version = subprocess.run(
        [compiler, "--version"], capture_output=True, text=True, check=True, timeout=60
    )
    parts = (SOURCE.read_text(encoding="ascii"), " ".join(OPTIONS), version.stdout, _processor())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _processor() -> str:
    """Return what the processor can do: a home folder may be shared by different machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    wanted = ("model name", "flags", "Features")
    return "\n".join(sorted({line for line in lines if line.startswith(wanted)}))
