"""The only place where code that nobody has read is run: programs that a model wrote.

A sandbox is a fork server in a place that shows no network, no files but the system's (read only), no
environment and no other process. Each program gets a process of its own from it, with namespaces and a
private /tmp of its own, under limits on processor and wall time, memory, processes, files and output.
`open_sandbox` tries to break each promise before it hands a sandbox out, and raises SandboxError where
one does not hold: code is never run with less than was promised, and never without a sandbox.

A verdict is made outside. A session takes a program and answers calls to its functions with plain
data; the tests compare those answers here. Exiting early, printing a verdict, patching `assert` or an
object that equals everything all fail, since nothing but right answers passes.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from gristmill.errors import SandboxError
from gristmill.evaluation.sandbox import backends
from gristmill.evaluation.sandbox.backends import Backend
from gristmill.evaluation.sandbox.cgroup import Groups, find_groups
from gristmill.evaluation.sandbox.limits import Limits, ProgramError
from gristmill.evaluation.sandbox.session import Handle, Ran, Server, Session

__all__ = [
    "Handle", "Limits", "ProgramError", "Ran", "Sandbox", "Session", "open_sandbox",
]  # fmt: skip

AT_ONCE = 2
"""Programs of one sandbox that run at the same time, for each processor."""
LIMITS = Limits()
_STARTS_WITHIN_S, _WARMS_WITHIN_S = 30.0, 180.0
"""For the fork server to say that it serves; with packages to import first."""

_PROBE = """
import os, socket
def probe(secret):
    found = {"environment": sorted(os.environ), "files": [], "network": [], "processes": 0,
             "others": [name for name in os.listdir("/proc") if name.isdigit()]}
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
_HOLDS_MEMORY = """
import os, time
def hog(size, number):
    children = []
    for _ in range(number):
        child = os.fork()
        if child == 0:
            block = bytearray(size)
            for at in range(0, size, 4096):
                block[at] = 1
            time.sleep(0.5)
            os._exit(0)
        children.append(child)
    return [os.waitpid(child, 0)[1] for child in children]
"""


@dataclass
class Sandbox:
    """A proven way to run programs on this machine; a context that ends its server when it is left."""

    backend: Backend
    groups: Groups | None
    slots: threading.BoundedSemaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(AT_ONCE * (os.cpu_count() or 1))
    )
    python: str = ""
    """Version of the interpreter inside."""
    landlock: int = 0
    _server: Server | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def level(self) -> str:
        """What holds programs, for the record beside every score."""
        parts = [*self.backend.holds]
        if self.landlock and "landlock" not in parts:
            parts.append("landlock")
        whole = f"cgroup v{self.groups.version}" if self.groups else "memory watcher"
        shared = "" if self.backend.nested else ", one start a program"
        return ", ".join([*parts, whole]) + shared

    def record(self) -> dict[str, str]:
        """Return what to write beside a score."""
        return {"backend": self.backend.name, "level": self.level, "python": self.python}

    def describe(self) -> str:
        """Return the record as one line."""
        return f"{self.backend.name} ({self.level}), {self.python}"

    @contextlib.contextmanager
    def session(
        self, program: str = "", limits: Limits = LIMITS, *, objects: bool = False
    ) -> Iterator[Session]:
        """Run a program and keep it to be called. Raises ProgramError when it does not get through.

        With `objects`, what is no plain data stays inside and is named by a Handle. Waits while as many
        programs run as the machine takes.
        """
        with self.slots:
            server = self._started()
            try:
                with server.session(limits, self.groups, objects) as session:
                    if program:
                        session.load(program)
                    yield session
            finally:
                if not self.backend.nested:
                    server.close()

    def close(self) -> None:
        """End the fork server."""
        with self._lock:
            if self._server is not None:
                self._server.close()
                self._server = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if self._server is not None:
            self._server.close()

    def _started(self) -> Server:
        if not self.backend.nested:
            return self._noted(start(self.backend))
        with self._lock:
            if self._server is None or self._server.process.poll() is not None:
                self._server = start(self.backend)
                self._noted(self._server)
            return self._server

    def _noted(self, server: Server) -> Server:
        self.landlock = int(server.said["landlock"])
        self.python = str(server.said["python"])
        return server


def start(backend: Backend) -> Server:
    """Start a backend's fork server and wait until it serves. Raises ProgramError."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    descriptors = [theirs.fileno()]
    command = backend.command(theirs.fileno())
    with theirs, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
            pass_fds=descriptors, env={}, cwd="/", start_new_session=True,
        )  # fmt: skip
        theirs.close()
        ours.settimeout(_WARMS_WITHIN_S if backend.settings["warm"] else _STARTS_WITHIN_S)
        try:
            said = ours.recv(4096)
        except OSError as error:
            process.kill()
            raise ProgramError(f"the fork server says nothing: {error}", "broken") from error
        if not said:
            process.wait()
            errors.seek(0)
            text = errors.read(2000).decode(errors="replace").strip()
            ours.close()
            raise ProgramError(f"the fork server does not start: {text[-400:]}", "broken")
    return Server(ours, process, threading.Lock(), json.loads(said))


def open_sandbox(
    backend: backends.Name | None = None,
    *,
    warm: Sequence[str] = (),
    packages: Path | None = None,
) -> Sandbox:
    """Return a sandbox that was just proven to hold. Raises SandboxError with every reason against.

    `backend` asks for one kind; `warm` names packages that the fork server imports before it serves;
    `packages` is a folder of them, shown instead of this environment's.
    """
    reasons: list[str] = []
    wanted = backends.ORDER if backend is None else (backend,)
    groups = find_groups()
    for candidate in backends.candidates(wanted, warm, reasons, packages):
        sandbox = Sandbox(candidate, groups)
        try:
            problem = _prove(sandbox)
        except (ProgramError, OSError) as error:
            problem = str(error)
        if problem is None:
            return sandbox
        sandbox.close()
        reasons.append(f"{candidate.name} with {candidate.python}: {problem}")
    raise SandboxError(
        "no sandbox holds on this machine, so no generated code is run: "
        + "; ".join(dict.fromkeys(reasons))
        + ". Install bubblewrap (Debian: apt-get install bubblewrap) and allow user namespaces"
    )


def _prove(sandbox: Sandbox) -> str | None:
    """Try to break each promise; return what did not hold, or None."""
    limits = Limits(wall_s=20)
    with tempfile.NamedTemporaryFile() as secret, sandbox.session(_PROBE, limits) as session:
        Path(secret.name).chmod(0o644)
        found = session.call("probe", secret.name)
    if found["files"]:
        return f"files: {', '.join(found['files'])}"
    if len(found["others"]) > 2:
        return f"processes: saw {len(found['others'])} of others"
    if found["processes"] >= limits.processes:
        return f"processes: started {found['processes']}, limit {limits.processes}"
    extra = set(found["environment"]) - {
        "PATH", "LANG", "PWD", "LC_CTYPE", "HOME", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS",
    }  # fmt: skip
    if extra:
        return f"environment: saw {', '.join(sorted(extra))}"
    if sandbox.backend.settings["filter"] and found["network"]:
        return f"network: {', '.join(found['network'])}"
    return _prove_memory(sandbox)


def _prove_memory(sandbox: Sandbox) -> str | None:
    """Let four processes hold more together than a program may, each within its own limit."""
    limits = Limits(wall_s=15, memory_bytes=128 << 20, address_space=False)
    try:
        with sandbox.session(_HOLDS_MEMORY, limits) as session:
            ended = session.call("hog", 48 << 20, 4)
    except ProgramError as error:
        return None if error.kind in ("memory", "ended") else f"memory: {error}"
    return None if any(ended) else "memory: four processes held more than their limit together"
