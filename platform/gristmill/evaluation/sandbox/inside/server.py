"""The fork server: starts once, imports once, and turns into one confined program after another.

It listens on a socket that only the judge holds. For each session it is sent, with the session's own
socket, it forks a process that goes into namespaces of its own, forks the one that will hold the program,
hands the judge a descriptor of that process, and goes away. The server itself never sees a program, a
test or an answer, so what a child inherits from it is nothing.

In its session the program's process reads requests, one JSON object a line, and answers each with one
line: run this text, call that function, read this name, or run a command. It says nothing about right
or wrong. A command runs in a child, under the same filter; the descriptor of the session is closed to it.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from typing import Any

from gristmill.evaluation.sandbox.inside import confine
from gristmill.evaluation.sandbox.inside.values import decode, encode

WARM = (
    "math, re, copy, datetime, itertools, collections, heapq, functools, hashlib, string, typing,"
    "random, operator, bisect, statistics, fractions, decimal, json, time, unittest, cmath, textwrap,"
    "dataclasses, enum, contextlib, array, struct, calendar, difflib, queue, resource, threading"
)


def explain(error: BaseException) -> str:
    """Return an error as one short line, whatever its class does when it is printed."""
    try:
        return (type(error).__name__ + ": " + str(error))[:300]
    except BaseException:
        return type(error).__name__


def main(settings: dict[str, Any]) -> None:
    """Serve sessions until the judge lets go of the socket."""
    control = socket.socket(fileno=settings["control"])
    if settings["root"]:
        confine.build_root(settings["root"])
    sys.path.extend(settings["packages"])
    for name in [*WARM.split(","), *settings["warm"]]:
        try:
            __import__(name.strip())
        except ImportError:
            continue
    python = "Python " + ".".join(str(number) for number in sys.version_info[:3])
    said = {"landlock": confine.landlock_version() if settings["landlock"] else 0, "python": python}
    control.sendall(json.dumps(said).encode())
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, 1 << 16, 4)
        if not data:
            return
        child = os.fork()
        if child == 0:
            try:
                _hold(control, json.loads(data), descriptors[0], settings)
            except BaseException as error:
                reply = {"error": explain(error)}
                control.sendall(json.dumps(reply).encode())
            os._exit(0)
        os.close(descriptors[0])
        os.waitpid(child, 0)


def _hold(
    control: socket.socket, request: dict[str, Any], descriptor: int, settings: dict[str, Any]
) -> None:
    """Go into new namespaces, start the process that will hold the program, and tell the judge."""
    if settings["nested"]:
        flags = confine.NEW_USER | confine.NEW_MOUNTS | confine.NEW_PIDS
        confine.unshare(flags | confine.NEW_IPC | confine.NEW_NET | confine.NEW_UTS)
    ready, said = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ready)
        try:
            control.close()
            _shut_in(request["limits"], descriptor, said, settings)
            os.write(said, b"!")
            os.close(said)
        except BaseException as error:
            os.write(said, explain(error).encode())
            os._exit(1)
        try:
            _Session(descriptor).serve()
        finally:
            os._exit(0)
    os.close(said)
    word = os.read(ready, 400)
    if word != b"!":
        raise OSError(word.decode(errors="replace") or "the program's process ended at once")
    held = os.pidfd_open(child)
    socket.send_fds(control, [b'{"held": true}'], [held])


def _shut_in(limits: dict[str, int], session: int, said: int, settings: dict[str, Any]) -> None:
    os.setsid()
    keep = sorted((session, said))
    for low, high in zip([2, *keep], [*keep, 65536], strict=True):
        os.closerange(low + 1, high)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.close(nothing)
    if settings["nested"]:
        confine.private_places(limits.pop("TMP"))
    limits.pop("TMP", None)
    if settings["landlock"] and confine.landlock_version():
        readable = ["/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc", "/proc", "/opt", "/packages"]
        confine.landlock([*readable, *settings["packages"]], ["/tmp", "/dev"])
    confine.drop_capabilities()
    confine.hide_memory()
    confine.limit(limits)
    if settings["filter"]:
        confine.filter_calls(bytes.fromhex(settings["filter"]))


class _Session:
    """Answers requests in the process that holds the program."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self.requests = os.fdopen(os.dup(descriptor), "rb")
        self.replies = os.fdopen(descriptor, "wb")
        self.space: dict[str, Any] = {"__name__": "__main__"}
        self.kept: list[Any] = []

    def serve(self) -> None:
        for line in self.requests:
            request = json.loads(line)
            answers = getattr(self, "_" + request["do"])
            for arguments in request["each"]:
                try:
                    value = answers(request, *arguments)
                    data = json.dumps({"value": value})
                except Exception as error:
                    data = json.dumps({"error": explain(error)})
                self.replies.write(data.encode() + b"\n")
                self.replies.flush()

    def _keep(self, value: Any) -> int:
        self.kept.append(value)
        return len(self.kept) - 1

    def _decode(self, value: Any) -> Any:
        return decode(value, lambda number, _: self.kept[number])

    def _load(self, request: dict[str, Any], text: str) -> Any:
        exec(compile(text, "<program>", "exec"), self.space)

    def _call(self, request: dict[str, Any], name: str, given: Any, named: Any = None) -> Any:
        function = self.space[name] if isinstance(name, str) else self.kept[name]
        value = function(*self._decode(given), **self._decode(named or {"dict": []}))
        return encode(value, self._keep if request["objects"] else None)

    def _get(self, request: dict[str, Any], number: int | None, name: str) -> Any:
        value = self.space[name] if number is None else getattr(self.kept[number], name)
        return encode(value, self._keep if request["objects"] else None)

    def _set(self, request: dict[str, Any], number: int, name: str, value: Any) -> Any:
        setattr(self.kept[number], name, self._decode(value))

    def _names(self, request: dict[str, Any]) -> Any:
        return {name: type(value).__name__ for name, value in self.space.items()}

    def _files(self, request: dict[str, Any], files: dict[str, str]) -> Any:
        for name, text in files.items():
            path = os.path.join("/tmp", name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8", newline="") as stream:
                stream.write(text)

    def _run(self, request: dict[str, Any], argv: list[str], given: str, wall_s: float) -> Any:
        started_s, spent_s = time.monotonic(), _spent_s()
        try:
            process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                cwd="/tmp", start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            return {"status": 127, "out": "", "err": explain(error), "late": False, "cut": False}
        out, err, cut = _feed(process, given.encode(), request["output"], started_s + wall_s)
        late = process.poll() is None and not cut
        for number in [int(name) for name in os.listdir("/proc") if name.isdigit()]:
            if number not in (1, os.getpid()):
                try:
                    os.kill(number, signal.SIGKILL)
                except OSError:
                    continue
        status = process.wait()
        killed = not cut and status in (-signal.SIGXCPU, -signal.SIGKILL)
        late |= (
            killed and _spent_s() - spent_s > resource.getrlimit(resource.RLIMIT_CPU)[0] - 0.5
        )  # the kernel's limit
        texts = [data.decode("utf-8", "replace") for data in (out, err)]
        return {"status": status, "out": texts[0], "err": texts[1], "late": late, "cut": cut}


def _spent_s() -> float:
    """Return the processor time of all children that ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _feed(
    process: subprocess.Popen[bytes], given: bytes, most: int, until_s: float
) -> tuple[bytes, bytes, bool]:
    """Write input and read both outputs until the command ends, is late, or says too much."""
    assert process.stdin and process.stdout and process.stderr
    kept = {process.stdout.fileno(): b"", process.stderr.fileno(): b""}
    order = list(kept)
    reading, at = set(kept), 0
    descriptor = process.stdin.fileno()
    os.set_blocking(descriptor, False)
    writing = bool(given)
    if not writing:
        process.stdin.close()
    ended_s = None
    while reading:
        now_s = time.monotonic()
        if now_s > until_s or (ended_s is not None and now_s > ended_s + 0.5):
            break  # what is left open belongs to children that outlived the command
        ready, free, _ = select.select(reading, [descriptor] if writing else [], [], 0.05)
        for stream in ready:
            data = os.read(stream, 65536)
            kept[stream] += data
            if not data:
                reading.discard(stream)
        if sum(len(data) for data in kept.values()) > most:
            return kept[order[0]][:most], kept[order[1]][:most], True
        if free:
            try:
                at += os.write(descriptor, given[at : at + 65536])
                writing = at < len(given)
            except OSError:
                writing = False
            if not writing:
                process.stdin.close()
        if ended_s is None and process.poll() is not None:
            ended_s = now_s
    while process.poll() is None and time.monotonic() < until_s:
        time.sleep(0.005)
    return kept[order[0]], kept[order[1]], False
