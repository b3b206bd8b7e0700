"""The ways to start a sandbox's fork server, strongest that was asked for first.

bubblewrap   a new root of /usr read-only, all namespaces, no capabilities
namespaces   the same root built by the fork server itself below `unshare`; landlock is required
gvisor       runsc: another kernel in user space; only when asked for, one start a program

Started as root, each first becomes an unprivileged user, because the kernel does not count root's
processes. Which interpreter runs inside is tried out too: this one where the unprivileged user can
reach it, else the system's.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gristmill.errors import SandboxError
from gristmill.evaluation import seccomp
from gristmill.evaluation.sandbox import inside
from gristmill.evaluation.sandbox.limits import Limits

Name = Literal["bubblewrap", "namespaces", "gvisor"]
NOBODY = 61234
"""The user id taken when started as root; it owns nothing."""
ORDER: tuple[Name, ...] = ("bubblewrap", "namespaces")
PACKAGES = ("numpy", "numpy.libs", "sympy", "mpmath", "pandas", "scipy", "scipy.libs", "sklearn",
            "pytz", "dateutil", "six", "joblib", "threadpoolctl")  # fmt: skip
_MODULES = ("values", "confine", "server")
_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/alternatives")
_JAVA = ("/etc/java-17-openjdk", "/etc/java-21-openjdk", "/etc/mono", "/etc/ssl/certs")


@dataclass(frozen=True)
class Backend:
    """One way to start the fork server with one interpreter."""

    name: Name
    holds: tuple[str, ...]
    """What holds it together, for the record beside every score."""
    python: str
    argv: tuple[str, ...]
    settings: dict[str, Any]
    nested: bool
    """Whether the server makes namespaces for each program; else each program has its own start."""

    def command(self, control: int) -> list[str]:
        """Return what to execute; the server's side of the socket is inherited as `control`."""
        return [
            *self.argv,
            self.python,
            "-I",
            "-S",
            "-c",
            boot(self.settings | {"control": control}),
        ]


def boot(settings: dict[str, Any]) -> str:
    """Return the program that an interpreter starts with: the modules as text, and the server's call."""
    package = inside.__name__
    folder = Path(inside.__file__).parent
    texts = {
        f"{package}.{name}": (folder / f"{name}.py").read_text(encoding="utf-8")
        for name in _MODULES
    }
    parents = package.split(".")
    names = [".".join(parents[:number]) for number in range(1, len(parents) + 1)]
    return (
        "import sys, types, json\n"
        f"for name in {names!r}:\n    sys.modules[name] = types.ModuleType(name)\n"
        f"    sys.modules[name].__path__ = []\n"
        f"for name, text in {texts!r}.items():\n"
        "    module = sys.modules[name] = types.ModuleType(name)\n"
        "    exec(compile(text, name, 'exec'), module.__dict__)\n"
        f"sys.modules['{package}.server'].main(json.loads({json.dumps(settings)!r}))\n"
    )


def candidates(
    names: Sequence[Name], warm: Sequence[str], reasons: list[str], packages: Path | None = None
) -> Iterator[Backend]:
    """Yield the ways that this machine seems to have; say in `reasons` why others are out."""
    become: tuple[str, ...] = ()
    if os.getuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            reasons.append("started as root and setpriv (util-linux) is not installed")
            return
        become = (setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    makers = {"bubblewrap": _bubblewrap, "namespaces": _namespaces, "gvisor": _gvisor}
    for name in names:
        if name not in makers:
            raise SandboxError(
                f"sandbox backend '{name}' is not known; there are {', '.join(makers)}"
            )
        yield from makers[name](become, warm, reasons, packages)


def _settings(warm: Sequence[str], packages: Sequence[str], **more: Any) -> dict[str, Any]:
    rules = seccomp.program()
    return {
        "filter": rules.hex() if rules else "",
        "packages": list(packages),
        "warm": list(warm),
        "root": [],
        "landlock": True,
        "nested": True,
        **more,
    }


def _holds(become: Sequence[str], *first: str) -> tuple[str, ...]:
    found = [*first, *(["unprivileged user"] if become else []), "rlimits"]
    return (*found, "seccomp") if seccomp.program() else tuple(found)


def _bubblewrap(
    become: tuple[str, ...], warm: Sequence[str], reasons: list[str], shown: Path | None
) -> Iterator[Backend]:
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        reasons.append("bubblewrap is not installed")
        return
    for python, root in _interpreters():
        packages = [shown.resolve()] if shown else _packages(python, bool(become))
        place = "/packages" if shown is None else f"/packages/{packages[0].name}"
        settings = _settings(warm, [place] if packages else [])
        argv = (*become, bubblewrap, *_mounts(root, packages))
        yield Backend("bubblewrap", _holds(become, "namespaces"), python, argv, settings, True)
        argv = (*argv, "--unshare-pid")
        flat = settings | {"nested": False}
        yield Backend("bubblewrap", _holds(become, "namespaces"), python, argv, flat, False)


def _mounts(root: str | None, packages: Sequence[Path]) -> list[str]:
    parts = [
        "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv",
        "--setenv", "PATH", "/usr/bin:/bin", "--setenv", "LANG", "C.UTF-8",
        "--setenv", "OPENBLAS_NUM_THREADS", "1", "--setenv", "OMP_NUM_THREADS", "1",
        "--setenv", "HOME", "/tmp",
        "--ro-bind", "/usr", "/usr",
    ]  # fmt: skip
    for name in ("/etc/alternatives", *_JAVA):
        parts += ["--ro-bind-try", name, name]
    for name in ("bin", "sbin", "lib", "lib64"):
        folder = Path("/", name)
        if folder.is_symlink():
            parts += ["--symlink", f"usr/{name}", f"/{name}"]
        elif folder.is_dir():
            parts += ["--ro-bind", str(folder), str(folder)]
    if root is not None:
        parts += ["--ro-bind", root, root]
    for package in packages:
        parts += ["--ro-bind", str(package), f"/packages/{package.name}"]
    size = str(4 * Limits().file_bytes)
    return [
        *parts, "--proc", "/proc", "--dev", "/dev", "--size", size, "--tmpfs", "/tmp",
        "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp",
    ]  # fmt: skip


def _namespaces(
    become: tuple[str, ...], warm: Sequence[str], reasons: list[str], shown: Path | None
) -> Iterator[Backend]:
    from gristmill.evaluation.sandbox.inside.confine import landlock_version

    unshare = shutil.which("unshare")
    if unshare is None or not landlock_version():
        reasons.append("unshare (util-linux) is missing, or the kernel has no landlock")
        return
    folders = [name for name in (*_FOLDERS, *_JAVA) if os.path.exists(name)]
    argv = (
        *become, "/usr/bin/env", "-i", "PATH=/usr/bin:/bin", "LANG=C.UTF-8", "HOME=/tmp",
        "OPENBLAS_NUM_THREADS=1", "OMP_NUM_THREADS=1", unshare, "--user", "--map-root-user",
        "--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup", "--fork", "--kill-child",
    )  # fmt: skip
    for python, root in _interpreters():
        own = [str(shown.resolve())] if shown else []
        places = [*folders, *([root] if root is not None else []), *own]
        holds = _holds(become, "namespaces", "landlock")
        yield Backend("namespaces", holds, python, argv, _settings(warm, own, root=places), True)


def _gvisor(
    become: tuple[str, ...], warm: Sequence[str], reasons: list[str], shown: Path | None
) -> Iterator[Backend]:
    found = shutil.which("runsc")
    what = "is not installed" if found is None else "passes no socket on to the program it holds"
    reasons.append(f"gVisor (runsc) {what}")
    yield from ()


def _packages(python: str, others: bool) -> list[Path]:
    """Return folders of packages that fit the interpreter inside and that its user may read."""
    if f"python{sys.version_info.major}.{sys.version_info.minor}" not in os.path.realpath(python):
        return []
    found = []
    for name in PACKAGES:
        folder = _folder_of(name)
        if folder is not None and _readable(folder, others):
            found.append(folder)
    return found


def _folder_of(name: str) -> Path | None:
    if name.endswith(".libs"):
        beside = _folder_of(name.removesuffix(".libs"))
        folder = beside.parent / name if beside else None
        return folder if folder and folder.is_dir() else None
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        return None
    return Path(next(iter(found.submodule_search_locations)))


def _readable(folder: Path, others: bool) -> bool:
    if not others:
        return os.access(folder, os.R_OK | os.X_OK)
    return all(path.stat().st_mode & 0o001 for path in (folder, *folder.parents))


def _interpreters() -> Iterator[tuple[str, str | None]]:
    """Yield interpreters to try and the folder each needs beside /usr: this one's, then the system's."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    own = Path(sys.base_prefix).resolve()
    reachable = os.getuid() != 0 or _readable(own, True)
    if not own.is_relative_to("/usr") and reachable:
        yield str(own / "bin" / name), str(own)
    elif (own / "bin" / name).exists() and own.is_relative_to("/usr"):
        yield str(own / "bin" / name), None
    for path in (f"/usr/bin/{name}", "/usr/bin/python3"):
        if Path(path).exists():
            yield path, None
