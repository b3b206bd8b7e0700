"""One program in one sandbox: it is loaded, called and killed from outside.

A session owns a socket to the program's process and a descriptor of that process. Requests go in, plain
data comes out, and whatever the program does to its own side of the socket is at most a wrong answer.
When the session is left, the process is killed and, since it is the first of its namespace, so is
everything that it started.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from gristmill.evaluation.sandbox.cgroup import Group, Groups, watched_bytes
from gristmill.evaluation.sandbox.inside.values import decode, encode
from gristmill.evaluation.sandbox.limits import Kind, Limits, ProgramError

BATCH_BYTES = 1 << 16
"""Arguments of calls sent together."""
LOOK_S = 0.1
"""Between two looks at the memory of a program without a control group."""


@dataclass(frozen=True)
class Ran:
    """What became of a command."""

    status: int
    out: str
    err: str
    late: bool
    cut: bool
    """It printed more than it may, and was ended."""


class Handle:
    """An object that stayed inside, such as an instance of the program's own class.

    It can be called, its attributes read and set, and it can be an argument. It equals nothing but
    itself, whatever its class says about equality.
    """

    __slots__ = ("_kind", "_number", "_session")

    def __init__(self, session: Session, number: int, kind: str) -> None:
        for name, value in (("_session", session), ("_number", number), ("_kind", kind)):
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"<a {self._kind} of the program's>"

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call it inside."""
        return self._session.call(self._number, *arguments, named=named)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._session.get(name, self._number)

    def __setattr__(self, name: str, value: Any) -> None:
        self._session.set(self._number, name, value)


class Session:
    """A program's process, from outside. Made by `Sandbox.session`."""

    def __init__(
        self, end: socket.socket, pidfd: int, limits: Limits, group: Group | None, objects: bool
    ) -> None:
        self.limits = limits
        self.deadline_s = time.monotonic() + limits.wall_s
        self._end, self._pidfd, self._group, self._objects = end, pidfd, group, objects
        self._buffer = b""
        self._most_bytes = limits.output_bytes + 65536
        self._pid = pid_of(pidfd)
        if group is not None:
            group.add(self._pid)

    def load(self, program: str) -> None:
        """Run the program's top level. Raises ProgramError."""
        self._ask("load", program)

    def call(
        self, function: str | int, *arguments: Any, named: Mapping[str, Any] | None = None
    ) -> Any:
        """Return what the program's function answers to plain data. Raises ProgramError."""
        return self._ask("call", function, _encode(list(arguments)), _encode(dict(named or {})))

    def calls(
        self, function: str, inputs: Sequence[Sequence[Any]], wall_s: Sequence[float] | float
    ) -> Iterator[Any]:
        """Yield the answer to each input, or the ProgramError that it ended with; stop when all is over.

        Each call has its own time limit. Several inputs travel together.
        """
        at = 0
        while at < len(inputs):
            batch: list[list[Any]] = []
            size = 0
            while at + len(batch) < len(inputs) and (not batch or size < BATCH_BYTES):
                batch.append([function, _encode(list(inputs[at + len(batch)]))])
                size += len(str(batch[-1]))
            self._send("call", batch)
            for number in range(len(batch)):
                limit_s = wall_s if isinstance(wall_s, float) else wall_s[at + number]
                self.deadline_s = time.monotonic() + limit_s
                try:
                    yield self._answer()
                except ProgramError as error:
                    yield error
                    if error.kind not in ("error", "answer"):
                        return
            at += len(batch)

    def get(self, name: str, owner: int | None = None) -> Any:
        """Return a value of the program's, or an attribute of a kept object. Raises ProgramError."""
        return self._ask("get", owner, name)

    def set(self, owner: int, name: str, value: Any) -> None:
        """Set an attribute of a kept object. Raises ProgramError."""
        self._ask("set", owner, name, _encode(value))

    def names(self) -> dict[str, str]:
        """Return the program's names and the names of their types. Raises ProgramError."""
        found = self._ask("names")
        return {str(key): str(value) for key, value in dict(found).items()}

    def run(self, argv: Sequence[str], given: str = "", wall_s: float | None = None) -> Ran:
        """Run a command in /tmp and return what became of it. Raises ProgramError."""
        limit_s = self.limits.wall_s if wall_s is None else wall_s
        self.deadline_s = time.monotonic() + limit_s + 5
        self._most_bytes = 8 * self.limits.output_bytes + 65536  # a byte of output may be escaped
        found = self._ask("run", list(argv), given, limit_s, plain=True)
        return Ran(
            int(found["status"]), str(found["out"]), str(found["err"]),
            bool(found["late"]), bool(found["cut"]),
        )  # fmt: skip

    def files(self, files: Mapping[str, str]) -> None:
        """Write files into /tmp. Raises ProgramError."""
        self._ask("files", dict(files))

    def close(self) -> None:
        """Kill everything of it."""
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        select.select([self._pidfd], [], [], 5.0)
        with contextlib.suppress(OSError):
            os.close(self._pidfd)
        self._end.close()
        if self._group is not None:
            self._group.remove()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(self, do: str, *arguments: Any, plain: bool = False) -> Any:
        self._send(do, [list(arguments)])
        return self._answer(plain=plain or do == "names")

    def _send(self, do: str, each: Sequence[Sequence[Any]]) -> None:
        request = {"do": do, "each": each, "objects": self._objects}
        if do == "run":
            request["output"] = self.limits.output_bytes
        data = memoryview(json.dumps(request).encode() + b"\n")
        while data:
            self._wait(writing=True)
            try:
                data = data[self._end.send(data) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._ended() from error

    def _answer(self, *, plain: bool = False) -> Any:
        line = self._line()
        try:
            reply = json.loads(line)
            if "error" in reply:
                raise ProgramError(*_sorted(str(reply["error"])[:300]))
            value = reply["value"]
            return value if plain else decode(value, self._handle if self._objects else None)
        except ProgramError:
            raise
        except Exception as error:  # whatever stands there was written by the program
            raise ProgramError("the answer is not plain data", "answer") from error

    def _handle(self, number: int, kind: str) -> Handle:
        return Handle(self, number, kind)

    def _line(self) -> bytes:
        while b"\n" not in self._buffer:
            self._wait(writing=False)
            try:
                data = self._end.recv(65536)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            if not data:
                raise self._ended()
            self._buffer += data
            if len(self._buffer) > self._most_bytes:
                raise ProgramError(
                    f"output limit: more than {self.limits.output_bytes} bytes", "output"
                )
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _wait(self, *, writing: bool) -> None:
        while True:
            left_s = self.deadline_s - time.monotonic()
            if left_s <= 0:
                raise ProgramError(f"time limit: no answer within {self.limits.wall_s:g} s", "time")
            look_s = left_s if self._group is not None else min(left_s, LOOK_S)
            reading, free, _ = select.select(
                [] if writing else [self._end], [self._end] if writing else [], [], look_s
            )
            if reading or free:
                return
            if self._group is None and watched_bytes(self._pid) > self.limits.memory_bytes:
                raise ProgramError("memory limit: all processes together", "memory")

    def _ended(self) -> ProgramError:
        select.select([self._pidfd], [], [], 0.5)
        if self._group is not None and self._group.out_of_memory():
            return ProgramError("memory limit: ended by the kernel", "memory")
        return ProgramError("ended before it answered", "ended")


def _encode(value: Any) -> Any:
    """Return the judge's value as the program's side reads it."""
    return encode(value, _number_of)


def _number_of(value: Any) -> int:
    if type(value) is Handle:
        return int(value._number)
    raise TypeError(f"a {type(value).__name__} is no plain data and cannot be an argument")


def _sorted(said: str) -> tuple[str, Kind]:
    if said.startswith("MemoryError"):
        return said, "memory"
    return said, "answer" if said.startswith(
        "TypeError: a "
    ) and "not plain data" in said else "error"


def pid_of(pidfd: int) -> int:
    """Return the number of a process as it is seen here. Raises ProgramError when it is gone."""
    with open(f"/proc/self/fdinfo/{pidfd}", encoding="ascii") as stream:
        for line in stream:
            if line.startswith("Pid:"):
                return int(line.split()[1])
    raise ProgramError("the program's process has no number", "broken")


@dataclass
class Server:
    """A running fork server: starts sessions, one after another."""

    control: socket.socket
    process: Any
    lock: threading.Lock
    said: Mapping[str, Any]

    def session(self, limits: Limits, groups: Groups | None, objects: bool) -> Session:
        """Return a new session. Raises ProgramError when the sandbox cannot start one."""
        ours, theirs = socket.socketpair()
        request = json.dumps({"limits": limits.resources()}).encode()
        with self.lock, theirs:
            try:
                socket.send_fds(self.control, [request], [theirs.fileno()])
                data, descriptors, _, _ = socket.recv_fds(self.control, 4096, 1)
            except OSError as error:
                ours.close()
                raise ProgramError(f"the fork server is gone: {error}", "broken") from error
        if not descriptors:
            ours.close()
            said = json.loads(data).get("error", "nothing") if data else "it ended"
            raise ProgramError(f"the fork server started no process: {said}", "broken")
        try:
            ours.setblocking(False)
            group = groups.make(limits.memory_bytes, limits.processes + 1) if groups else None
            return Session(ours, descriptors[0], limits, group, objects)
        except OSError as error:
            os.close(descriptors[0])
            ours.close()
            raise ProgramError(f"no control group for the program: {error}", "broken") from error

    def close(self) -> None:
        """End the server and everything of it."""
        self.control.close()
        self.process.kill()
        self.process.wait()
