"""The only place where code that nobody has read is run: programs that a model wrote.

A sandbox is a way of starting an interpreter that sees no network, no files but the system's (read
only) and a private /tmp, no environment, and no other process, under limits on CPU, wall time, memory,
processes, files and output. The backend is bubblewrap: namespaces, all capabilities dropped, a
system-call filter, resource limits. Started as root, it first becomes an unprivileged user, because
the kernel does not count root's processes. `open_sandbox` proves each promise by trying to break it
and raises SandboxError where one does not hold: code is never run with less than was promised.

A verdict is made outside. A session takes a program and answers calls to its functions with plain
data; the tests compare those answers here. Exiting early, printing a verdict, patching `assert` or an
object that equals everything all fail, since nothing but right answers passes.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from gristmill.errors import SandboxError
from gristmill.evaluation import sandbox_runner, seccomp

NOBODY = 61234
"""The user id taken when started as root; it owns nothing."""

_PROBE = """
import os, socket
def probe(secret):
    found = {"environment": sorted(os.environ), "files": [], "network": [], "processes": 0}
    for path in (secret, "/root", "/home"):
        try:
            os.stat(path) and os.path.isdir(path) and os.listdir(path)
            found["files"].append("saw " + path)
        except OSError:
            pass
    for path in ("/x", "/usr/x", "/dev/shm/x", "/etc/x"):
        try:
            open(path, "w").close()
            found["files"].append("wrote " + path)
        except OSError:
            pass
    try:
        socket.create_connection(("127.0.0.1", 22), 0.2).close()
        found["network"].append("connected")
    except ConnectionRefusedError:
        found["network"].append("a loopback answers")
    except OSError:
        pass
    children = []
    try:
        for _ in range(200):
            child = os.fork()
            if child == 0:
                os.read(keep[0], 1)
                os._exit(0)
            children.append(child)
    except OSError:
        pass
    found["processes"] = len(children)
    for child in children:
        os.kill(child, 9)
        os.waitpid(child, 0)
    return found
keep = os.pipe()
"""


@dataclass(frozen=True)
class Limits:
    """What one program may use."""

    wall_s: float = 10.0
    """From the start to the last answer."""
    cpu_s: int = 10
    memory_bytes: int = 1 << 30
    """Address space of each process."""
    processes: int = 16
    file_bytes: int = 16 << 20
    """Of one file; all of /tmp together holds four times that."""
    open_files: int = 64
    output_bytes: int = 1 << 20
    """Of one answer. What the program prints is thrown away."""

    def resources(self) -> dict[str, int]:
        """Return them as setrlimit names."""
        return {
            "CORE": 0,
            "CPU": self.cpu_s,
            "AS": self.memory_bytes,
            "NPROC": self.processes,
            "FSIZE": self.file_bytes,
            "NOFILE": self.open_files,
        }


class ProgramError(Exception):
    """The program failed, stopped, ran over a limit, or answered with something that is no answer."""


@dataclass(frozen=True)
class Sandbox:
    """A proven way to run programs on this machine. Starting one takes about a tenth of a second."""

    backend: str
    level: str
    """What holds it together, for the record beside every score."""
    python: str
    """Interpreter inside, with its version."""
    argv: tuple[str, ...] = field(repr=False)
    filter: bytes | None = field(repr=False)
    packages: tuple[str, ...] = field(repr=False, default=())
    """Import paths beside the standard library."""

    @contextlib.contextmanager
    def session(self, program: str, limits: Limits = Limits()) -> Iterator[Session]:
        """Run a program and keep it to be called. Raises ProgramError when it does not get through."""
        with Session(self, limits) as session:
            session.load(program)
            yield session

    def record(self) -> dict[str, str]:
        """Return what to write beside a score."""
        return {"backend": self.backend, "level": self.level, "python": self.python}


class Session:
    """One program in one sandbox; everything of it is gone when the session is left."""

    def __init__(self, sandbox: Sandbox, limits: Limits) -> None:
        self.sandbox = sandbox
        self.limits = limits
        self.deadline_s = time.monotonic() + limits.wall_s
        self.buffer = b""
        argv = [*sandbox.argv, "-I", "-S", "-c", _runner_source()]
        descriptors = []
        if sandbox.filter is not None:
            descriptors.append(_memory_file(sandbox.filter))
            argv = [part.replace("{seccomp}", str(descriptors[0])) for part in argv]
        try:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                pass_fds=descriptors, env={}, cwd="/", start_new_session=True,
            )  # fmt: skip
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def load(self, program: str) -> None:
        """Run the program's top level. Raises ProgramError."""
        self._ask(
            {
                "program": program,
                "limits": self.limits.resources(),
                "packages": self.sandbox.packages,
            }
        )

    def call(self, function: str, *arguments: Any) -> Any:
        """Return what the program's function answers to plain data. Raises ProgramError."""
        return self._ask({"call": function, "arguments": sandbox_runner.encode(list(arguments))})

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()  # the namespace's first process goes with it, and so does everything in it
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            with contextlib.suppress(OSError):
                stream.close()

    def _ask(self, request: Mapping[str, Any]) -> Any:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except OSError as error:
            raise ProgramError(self._ended()) from error
        try:
            reply = json.loads(self._line())
            if "error" in reply:
                raise ProgramError(str(reply["error"])[:300])
            return sandbox_runner.decode(reply["value"])
        except (
            ValueError,
            TypeError,
            KeyError,
            IndexError,
            AttributeError,
            RecursionError,
        ) as error:
            raise ProgramError("the answer is not plain data") from error

    def _line(self) -> bytes:
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        while b"\n" not in self.buffer:
            left_s = self.deadline_s - time.monotonic()
            if left_s <= 0 or not select.select([descriptor], [], [], left_s)[0]:
                raise ProgramError(f"time limit: no answer within {self.limits.wall_s:g} s")
            data = os.read(descriptor, 65536)
            if not data:
                raise ProgramError(self._ended())
            self.buffer += data
            if len(self.buffer) > self.limits.output_bytes:
                raise ProgramError(f"output limit: more than {self.limits.output_bytes} bytes")
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line

    def _ended(self) -> str:
        assert self.process.stderr is not None
        try:
            status: int | None = self.process.wait(1.0)
        except subprocess.TimeoutExpired:
            status = None
        ready = select.select([self.process.stderr], [], [], 0)[0]
        said = os.read(self.process.stderr.fileno(), 2000).decode(errors="replace") if ready else ""
        return f"ended before it answered (status {status}) {said.strip()}".strip()


def open_sandbox() -> Sandbox:
    """Return a sandbox that was just proven to hold. Raises SandboxError with every reason against."""
    reasons: list[str] = []
    for candidate in _candidates(reasons):
        try:
            problem = _prove(candidate)
        except (ProgramError, OSError) as error:
            problem = str(error)
        if problem is None:
            return candidate
        reasons.append(f"{candidate.backend} with {candidate.python}: {problem}")
    raise SandboxError(
        "no sandbox holds on this machine, so no generated code is run: "
        + "; ".join(reasons)
        + ". Install bubblewrap (Debian: apt-get install bubblewrap) and allow user namespaces"
    )


def _candidates(reasons: list[str]) -> Iterator[Sandbox]:
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        reasons.append("bubblewrap is not installed")
        return
    become: tuple[str, ...] = ()
    if os.getuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            reasons.append("started as root and setpriv (util-linux) is not installed")
            return
        become = (setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    rules = seccomp.program()
    holds = ["namespaces", *(["unprivileged user"] if become else []), "rlimits"]
    level = ", ".join([*holds, "seccomp"] if rules else holds)
    for python, root in _interpreters():
        argv = (*become, bubblewrap, *_mounts(root), *(["--seccomp", "{seccomp}"] if rules else []))
        yield Sandbox("bubblewrap", level, python, (*argv, python), rules)


def _mounts(root: str | None) -> list[str]:
    parts = [
        "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv",
        "--setenv", "PATH", "/usr/bin:/bin", "--setenv", "LANG", "C.UTF-8",
        "--ro-bind", "/usr", "/usr", "--ro-bind-try", "/etc/alternatives", "/etc/alternatives",
    ]  # fmt: skip
    for name in ("bin", "lib", "lib64"):
        folder = Path("/", name)
        if folder.is_symlink():
            parts += ["--symlink", f"usr/{name}", f"/{name}"]
        elif folder.is_dir():
            parts += ["--ro-bind", str(folder), str(folder)]
    if root is not None:
        parts += ["--ro-bind", root, root]
    size = str(4 * Limits().file_bytes)
    return [
        *parts, "--proc", "/proc", "--dev", "/dev", "--size", size, "--tmpfs", "/tmp",
        "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp",
    ]  # fmt: skip


def _interpreters() -> Iterator[tuple[str, str | None]]:
    """Yield interpreters to try and the folder each needs beside /usr: this one's, then the system's."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    own = Path(sys.base_prefix).resolve()
    if not own.is_relative_to("/usr"):
        yield str(own / "bin" / name), str(own)
    elif (own / "bin" / name).exists():
        yield str(own / "bin" / name), None
    for path in (f"/usr/bin/{name}", "/usr/bin/python3"):
        if Path(path).exists():
            yield path, None


def _prove(sandbox: Sandbox) -> str | None:
    """Try to break each promise; return what did not hold, or None."""
    limits = Limits(wall_s=20)
    with tempfile.NamedTemporaryFile() as secret, sandbox.session(_PROBE, limits) as session:
        os.chmod(secret.name, 0o644)
        found = session.call("probe", secret.name)
    if found["files"]:
        return f"files: {', '.join(found['files'])}"
    if found["processes"] >= limits.processes:
        return f"processes: started {found['processes']}, limit {limits.processes}"
    extra = set(found["environment"]) - {"PATH", "LANG", "PWD", "LC_CTYPE"}
    if extra:
        return f"environment: saw {', '.join(sorted(extra))}"
    if sandbox.filter is not None and found["network"]:
        return f"network: {', '.join(found['network'])}"
    return None


def _runner_source() -> str:
    return Path(sandbox_runner.__file__).read_text(encoding="utf-8")


def _memory_file(data: bytes) -> int:
    descriptor = os.memfd_create("seccomp", 0)
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
