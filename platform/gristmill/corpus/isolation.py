"""Reads hostile files in a process of its own, and names the file that killed it.

    with Isolated(make_reader, (section,), section.isolation) as isolated:
        result = isolated(piece)

`make_reader(*arguments)` runs once, in a clean process, and returns `work(item, watch)`. Each call runs
`work` in a child of that process. `work` walks its files through `watch.each` (see `watch`), so that the
parent always knows which file the child is at. When the child crashes, raises, runs out of memory or
stays with one file past its limit, that place is poisoned and the same item is worked on again without
it: one file is lost, with its reason, and nothing else. Reasons: `parser_crashed`, `parser_timeout`.

The limit of CPU time is the kernel's (a timer that ends the process), so that a busy machine does not
cut off what an idle one reads; a limit ten times as long by the clock catches what hangs without work.
"""

import json
import os
import pickle
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from gristmill.corpus.config import Isolation
from gristmill.corpus.watch import Note, Phase, Place, Poison
from gristmill.corpus.zygote import GENERATION
from gristmill.errors import GristmillError, SourceError

CRASHED, TIMEOUT = "parser_crashed", "parser_timeout"
_CLOCK_FACTOR = 10
"""How much longer than its CPU limit a file may take by the clock."""
_LOADING_S = 300.0
_BOOT = (
    "import json, sys\n"
    "sys.path[:] = json.loads(sys.argv[1])\n"
    "from gristmill.corpus.zygote import main\n"
    "main(sys.argv[2])\n"
)


class Isolated:
    """Calls `work` in a process that may die. One call at a time; close it, or use it with `with`."""

    def __init__(
        self, factory: Callable[..., Any], arguments: tuple[Any, ...], limits: Isolation
    ) -> None:
        self._limits = limits
        self._mailbox = tempfile.TemporaryFile()  # noqa: SIM115
        self._notefile = tempfile.TemporaryFile()  # noqa: SIM115
        self._notefile.truncate(Note.NUM_BYTES)
        self._note = Note(self._notefile.fileno())
        self._put((factory, arguments))
        self._generation = 0
        self._child = 0
        self._unread = b""
        self._start()

    def __call__(self, item: Any) -> Any:
        """Return `work(item, watch)`. Raises SourceError when it breaks outside any file, twice."""
        poisons: dict[Place, Poison] = {}
        strikes = 0
        while True:
            place, poison, told = self._attempt(item, poisons)
            if poison is None:
                return told
            if place.phase in (Phase.FETCHING, Phase.READING) and place not in poisons:
                poisons[place] = poison
                continue
            strikes += 1
            if strikes == 2:
                raise SourceError(
                    f"reading breaks outside any one file: {poison.detail}; "
                    f"the item is {str(item)[:200]}; {told}"
                )

    def close(self) -> None:
        """End the processes."""
        if self._process.poll() is None:
            os.close(self._lifeline)
            self._process.wait()
        else:
            os.close(self._lifeline)
        os.close(self._requests)
        os.close(self._status)
        self._note.close()
        self._notefile.close()
        self._mailbox.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self) -> None:
        requests, self._requests = os.pipe()
        self._status, status = os.pipe()
        lifeline, self._lifeline = os.pipe()
        place = {
            "mailbox": self._mailbox.fileno(),
            "note": self._notefile.fileno(),
            "requests": requests,
            "status": status,
            "lifeline": lifeline,
            "max_file_seconds": self._limits.max_file_seconds,
            "max_memory_bytes": self._limits.max_memory_bytes,
        }
        shared = ("mailbox", "note", "requests", "status", "lifeline")
        self._process = subprocess.Popen(
            [sys.executable, "-c", _BOOT, json.dumps(sys.path), json.dumps(place)],
            pass_fds=[int(place[name]) for name in shared],
            stdin=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        for mine in (requests, status, lifeline):
            os.close(mine)

    def _attempt(self, item: Any, poisons: dict[Place, Poison]) -> tuple[Place, Poison | None, Any]:
        """Return (place, poison, what was told) of one try; no poison when told is the result."""
        self._await_child()
        self._put((item, poisons))
        os.write(self._requests, GENERATION.pack(self._generation))
        message, late = self._await_answer()
        if "done" in message:
            kind, told = pickle.loads(self._get())
            if kind == "result":
                return Place(Phase.IDLE, 0), None, told
            place, line, trace = told
            return place, Poison(CRASHED, line), trace
        self._child = 0
        _, place = self._note.read()
        return place, self._obituary(int(message["code"]), late), ""

    def _obituary(self, code: int, late: bool) -> Poison:
        seconds = self._limits.max_file_seconds
        if late:
            return Poison(TIMEOUT, f"more than {seconds * _CLOCK_FACTOR:g} s by the clock")
        if code == -signal.SIGPROF:
            return Poison(TIMEOUT, f"more than {seconds:g} s of CPU time")
        if code < 0:
            return Poison(CRASHED, f"killed by {signal.Signals(-code).name}")
        return Poison(CRASHED, f"the process ended with code {code}")

    def _await_child(self) -> None:
        deadline = time.monotonic() + _LOADING_S
        while self._child == 0:
            message = self._receive(max(0.0, deadline - time.monotonic()))
            if message is None:
                raise GristmillError(
                    f"the isolated reader did not start within {_LOADING_S:g} s; "
                    "set corpus.isolation to null to read without it"
                )
            if "ready" in message:
                self._generation, self._child = message["ready"], message["process"]

    def _await_answer(self) -> tuple[dict[str, Any], bool]:
        """Return the child's last message of this request, and whether it was killed for its time."""
        limit = self._limits.max_file_seconds * _CLOCK_FACTOR
        count, since, late = -1, time.monotonic(), False
        while True:
            message = self._receive(min(1.0, limit / 4))
            if message is not None and self._generation in (
                message.get("done"),
                message.get("died"),
            ):
                return message, late
            now, _ = self._note.read()
            if now != count:
                count, since = now, time.monotonic()
            elif time.monotonic() - since > limit and not late:
                late = True
                os.kill(self._child, signal.SIGKILL)

    def _receive(self, timeout_s: float) -> dict[str, Any] | None:
        while b"\n" not in self._unread:
            if not select.select([self._status], [], [], timeout_s)[0]:
                return None
            data = os.read(self._status, 4096)
            if not data:
                raise GristmillError("the isolated reader's process has gone; see the log above")
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        if "failed" in message:
            raise GristmillError(f"the isolated reader cannot start: {pickle.loads(self._get())}")
        return message

    def _put(self, value: Any) -> None:
        self._mailbox.seek(0)
        self._mailbox.truncate()
        pickle.dump(value, self._mailbox)
        self._mailbox.flush()

    def _get(self) -> bytes:
        self._mailbox.seek(0)
        return self._mailbox.read()
