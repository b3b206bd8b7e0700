"""What one program may use, and how it can fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["error", "answer", "ended", "time", "memory", "output", "broken"]
"""How a program failed: it raised; its answer is no plain data; it stopped before it answered; it ran
over its time, memory or output; the sandbox itself did not start it."""


@dataclass(frozen=True)
class Limits:
    """What one program may use."""

    wall_s: float = 30.0
    """From the start to the last answer. Generous: processor time is what counts on a busy machine."""
    cpu_s: int = 10
    memory_bytes: int = 1 << 30
    """Of all processes together, by control group or watcher."""
    address_space: bool = True
    """Limit the address space of each process too, which ends in a MemoryError; False for runtimes that reserve more than they use (JVM, node, mono, go)."""
    processes: int = 16
    file_bytes: int = 16 << 20
    """Of one file; all of /tmp together holds four times that."""
    open_files: int = 64
    output_bytes: int = 4 << 20
    """Of one answer, or of what a command prints."""

    def resources(self) -> dict[str, int]:
        """Return them as setrlimit names, and the size of /tmp."""
        found = {
            "TMP": 4 * self.file_bytes,
            "CORE": 0,
            "CPU": self.cpu_s,
            "NPROC": self.processes,
            "FSIZE": self.file_bytes,
            "NOFILE": self.open_files,
        }
        # threads reserve stacks and heaps that they never fill, hence the room
        room = 2 * self.memory_bytes + (512 << 20)
        return {**found, "AS": room} if self.address_space else found


class ProgramError(Exception):
    """The program failed, stopped, ran over a limit, or answered with something that is no answer."""

    def __init__(self, message: str, kind: Kind = "error") -> None:
        super().__init__(message)
        self.kind: Kind = kind
