"""Processes by exact pid, read from /proc: descendants, start times, memory, and an orderly end."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the command name; empty when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def start_time(pid: int) -> int | None:
    """Return when a process started, in ticks since boot, or None; with the pid it names one process."""
    fields = _stat(pid)
    return int(fields[19]) if fields and fields[0] != "Z" else None


def alive(pid: int) -> bool:
    """Say whether the process runs; a zombie does not."""
    return start_time(pid) is not None


def descendants(pid: int) -> set[int]:
    """Return the pids of all children, their children and so on."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: set[int] = set()
    frontier = [pid]
    while frontier:
        fresh = [child for parent in frontier for child in children.get(parent, [])]
        frontier = [child for child in fresh if child not in found]
        found.update(fresh)
    return found


def end(pids: Iterable[int], grace_s: float) -> None:
    """Send SIGTERM, wait, then SIGKILL to what is left of exactly these processes."""
    started = {pid: start_time(pid) for pid in pids}

    def left() -> list[int]:
        return [pid for pid, at in started.items() if at is not None and start_time(pid) == at]

    for number, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5.0)):
        for pid in left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        until = time.monotonic() + wait_s
        while left() and time.monotonic() < until:
            time.sleep(0.05)
            reap_adopted(set())


def reap_adopted(keep: set[int]) -> None:
    """Collect the exit of children that this process did not start itself (`keep` it did)."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in keep:
            continue
        fields = _stat(int(entry.name))
        if fields and fields[0] == "Z" and int(fields[1]) == os.getpid():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(int(entry.name), os.WNOHANG)


def memory_mib(pids: Iterable[int]) -> float:
    """Return the proportional set size of the processes together, in MiB."""
    total_kib = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
        except OSError:
            continue
        total_kib += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total_kib / 1024


def command(pid: int) -> str:
    """Return a process's command line, empty when it is gone."""
    try:
        return (
            Path(f"/proc/{pid}/cmdline")
            .read_text(encoding="utf-8", errors="replace")
            .replace("\0", " ")
        )
    except OSError:
        return ""


def listening(pids: Iterable[int]) -> set[tuple[str, int]]:
    """Return the (host, port) pairs that the processes listen on by TCP; `*` stands for every host."""
    inodes = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    target = os.readlink(entry)
                    if target.startswith("socket:["):
                        inodes.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                address, port = fields[1].split(":")
                found.add((_host(address), int(port, 16)))
    return found


def _host(address: str) -> str:
    """Return the dotted form of a /proc/net/tcp address, also of an IPv4 one mapped into IPv6."""
    last = bytes.fromhex(address[-8:])[::-1]
    if not any(last):
        return "*"
    return ".".join(str(byte) for byte in last)
