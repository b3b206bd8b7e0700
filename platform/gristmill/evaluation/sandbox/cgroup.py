"""Limits that hold for a program and everything it starts together: memory and number of processes.

A control group is used where this process may make one: below its own group where the controllers are
delegated to it (version 2), or in the memory and pids hierarchies (version 1, mostly as root). Where it
may not, `watched_bytes` is what a watcher has to look at; which of the two it was is part of the level.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
_numbers = itertools.count()


@dataclass(frozen=True)
class Group:
    """One program's control group: one folder, or one a hierarchy."""

    folders: tuple[Path, ...]

    def add(self, pid: int) -> None:
        """Put a process, and all it will start, under the limits."""
        for folder in self.folders:
            (folder / "cgroup.procs").write_text(str(pid))

    def out_of_memory(self) -> bool:
        """Say whether the kernel ended something in the group for its memory."""
        for folder in self.folders:
            for name in ("memory.events", "memory.oom_control"):
                with contextlib.suppress(OSError, ValueError):
                    pairs = (line.split() for line in (folder / name).read_text().splitlines())
                    if any(pair[0] == "oom_kill" and int(pair[1]) for pair in pairs):
                        return True
        return False

    def remove(self) -> None:
        """Remove the folders once nothing is left in them; waits for the kernel to bury the last."""
        for folder in self.folders:
            for _ in range(1_000):
                try:
                    folder.rmdir()
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.01)


@dataclass(frozen=True)
class Groups:
    """Where this process may make groups."""

    parents: tuple[Path, ...]
    version: int

    def make(self, memory_bytes: int, processes: int) -> Group:
        """Return a new group with its limits. Raises OSError."""
        name = f"gristmill-{os.getpid()}-{next(_numbers)}"
        folders = tuple(parent / name for parent in self.parents)
        for folder in folders:
            folder.mkdir()
        values = {"pids.max": processes, "memory.max": memory_bytes, "memory.swap.max": 0}
        values["memory.limit_in_bytes"] = memory_bytes
        for folder in folders:
            for file, value in values.items():
                if (folder / file).exists():
                    (folder / file).write_text(str(value))
        return Group(folders)


def find_groups() -> Groups | None:
    """Return where groups can be made that really limit memory and processes, or None."""
    for parents, version in _places():
        groups = Groups(parents, version)
        try:
            group = groups.make(64 << 20, 8)
        except OSError:
            continue
        held = {name.name for folder in group.folders for name in folder.iterdir()}
        group.remove()
        limits_memory = {"memory.max", "memory.limit_in_bytes"} & held
        if limits_memory and "pids.max" in held:
            return groups
    return None


def _places() -> list[tuple[tuple[Path, ...], int]]:
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    own = {
        name: path
        for _, names, path in (line.split(":", 2) for line in lines)
        for name in names.split(",")
    }
    found: list[tuple[tuple[Path, ...], int]] = []
    if "" in own:
        folder = ROOT / own[""].lstrip("/")
        found += [((folder,), 2), ((folder.parent,), 2)]
    if "memory" in own and "pids" in own:
        folders = [ROOT / name / own[name].lstrip("/") for name in ("memory", "pids")]
        found.append((tuple(folders), 1))
    return [
        (parents, version)
        for parents, version in found
        if all(parent.is_dir() and parent.is_relative_to(ROOT) for parent in parents)
    ]


def watched_bytes(pid: int) -> int:
    """Return what a process and its descendants hold in memory now; 0 when it is gone."""
    total, left = 0, [pid]
    while left:
        folder = Path("/proc", str(left.pop()))
        with contextlib.suppress(OSError, IndexError, ValueError):
            total += int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            for thread in (folder / "task").iterdir():
                left += [int(text) for text in (thread / "children").read_text().split()]
    return total
