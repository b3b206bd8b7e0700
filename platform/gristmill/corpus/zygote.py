"""The far side of `isolation`: a process that loads once and forks a reader that may die.

The zygote imports and builds what is dear, then forks. The child answers requests until it dies; the
zygote tells the parent how it died and forks the next, which costs milliseconds because everything is
loaded. Both end when the parent does: it holds the other end of the lifeline.
"""

import contextlib
import gc
import json
import os
import pickle
import resource
import select
import signal
import struct
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gristmill.corpus.watch import Note, Phase, SharedWatch

GENERATION = struct.Struct("<Q")
"""A request on the pipe is the generation of the child it is meant for."""
_POLL_S = 0.05


def main(arguments: str) -> None:
    """Serve until the lifeline breaks. `arguments` is JSON: file numbers and limits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    place = json.loads(arguments)
    with contextlib.suppress(OSError):  # the kernel should rather take this one than the parent
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        factory, factory_arguments = pickle.loads(_mail(place["mailbox"]))
        work = factory(*factory_arguments)
    except BaseException:
        _mail_out(place["mailbox"], traceback.format_exc())
        _say(place["status"], failed=True)
        return
    gc.freeze()  # keeps the pages shared
    generation = 0
    while True:
        generation += 1
        child = os.fork()
        if child == 0:
            os.close(place["lifeline"])
            _serve(place, work, generation)
            os._exit(0)
        _say(place["status"], ready=generation, process=child)
        status = _outlive(child, place["lifeline"])
        if status is None:
            return
        _say(place["status"], died=generation, code=os.waitstatus_to_exitcode(status))


def _outlive(child: int, lifeline: int) -> int | None:
    """Return the child's wait status once it is dead, or None when the parent has gone."""
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        if select.select([lifeline], [], [], _POLL_S)[0]:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None


def _serve(place: dict[str, Any], work: Callable[..., Any], generation: int) -> None:
    note = Note(place["note"])
    _limit_memory(place["max_memory_bytes"])
    while True:
        request = os.read(place["requests"], GENERATION.size)
        if not request:
            return
        if GENERATION.unpack(request) != (generation,):
            continue  # meant for one that is dead
        item, poisons = pickle.loads(_mail(place["mailbox"]))
        watch = SharedWatch(note, poisons, place["max_file_seconds"])
        watch.at(Phase.FINISHING)
        try:
            answer: tuple[str, Any] = ("result", work(item, watch))
        except Exception as error:
            line = f"{type(error).__name__}: {error}"
            answer = ("error", (note.read()[1], line, traceback.format_exc()))
        signal.setitimer(signal.ITIMER_PROF, 0)
        _mail_out(place["mailbox"], answer)
        del item, answer, watch
        note.write(Phase.IDLE, 0)
        _say(place["status"], done=generation)


def _limit_memory(num_bytes: int) -> None:
    """Cap the address space at what is used now plus `num_bytes`, where the system can tell."""
    statm = Path("/proc/self/statm")
    if sys.platform == "linux" and statm.exists():
        used = int(statm.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        wanted = used + num_bytes
        if hard != resource.RLIM_INFINITY:
            wanted = min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))


def _say(status: int, **message: Any) -> None:
    os.write(status, json.dumps(message).encode() + b"\n")  # short: written whole or not at all


def _mail(mailbox: int) -> bytes:
    return os.pread(mailbox, os.fstat(mailbox).st_size, 0)


def _mail_out(mailbox: int, value: Any) -> None:
    os.ftruncate(mailbox, 0)
    with open(mailbox, "wb", closefd=False) as stream:
        stream.seek(0)
        pickle.dump(value, stream)
