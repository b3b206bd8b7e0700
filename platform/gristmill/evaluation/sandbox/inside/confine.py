"""Shutting a process in, from within: namespaces of its own, a private /tmp, landlock, no rights, a filter.

Called by the fork server in a child that has not yet seen a line of the program it will run. Everything
is a system call through ctypes, since the sandbox holds an interpreter and its standard library alone.
Each step raises OSError when the kernel refuses it: a program is never run with less than was promised.
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Any

_LIBC = ctypes.CDLL(None, use_errno=True)
NEW_MOUNTS, NEW_UTS, NEW_IPC, NEW_USER, NEW_PIDS, NEW_NET = (
    0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
_READ_ONLY, _NO_SUID, _NO_DEVICES, _NO_PROGRAMS, _REMOUNT, _BIND, _RECURSIVE, _PRIVATE = (
    1, 2, 4, 8, 32, 4096, 16384, 1 << 18,
)  # fmt: skip
_SET_DUMPABLE, _SET_NO_NEW_PRIVILEGES, _SET_SECCOMP, _DROP_BOUND = 4, 38, 22, 24
_CAPSET = {"x86_64": 126, "aarch64": 91}
_PIVOT = {"x86_64": 155, "aarch64": 41}
_LANDLOCK = (444, 445, 446)
"""landlock_create_ruleset, _add_rule, _restrict_self: one number on every machine."""
_READ, _ALL_OF_ABI_1 = 0b1101, 0x1FFF
DEVICES = ("null", "zero", "full", "random", "urandom")


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, what + ": " + os.strerror(number))
    return result


def _mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    parts = [text.encode() or None for text in (source, target, kind)]
    _check(_LIBC.mount(*parts, ctypes.c_ulong(flags), data.encode() or None), "mount " + target)


def unshare(flags: int) -> None:
    """Leave the namespaces named by `flags`; in a new user namespace the ids stay what they are."""
    user, group = os.getuid(), os.getgid()
    _check(_LIBC.unshare(flags), "unshare")
    if flags & NEW_USER:
        write("/proc/self/setgroups", "deny")
        write("/proc/self/uid_map", f"{user} {user} 1")
        write("/proc/self/gid_map", f"{group} {group} 1")


def write(path: str, text: str) -> None:
    """Write one short text to a file of the kernel's."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def private_places(tmp_bytes: int) -> None:
    """Mount an empty /tmp and a /proc that shows this process's own descendants only."""
    _mount(
        "tmpfs",
        "/tmp",
        "tmpfs",
        _NO_SUID | _NO_DEVICES,
        f"size={tmp_bytes},mode=1777,nr_inodes=16384",
    )
    _mount("proc", "/proc", "proc", _NO_SUID | _NO_DEVICES | _NO_PROGRAMS)
    os.chdir("/tmp")


def build_root(folders: list[str]) -> None:
    """Make a root of these folders alone, read-only, and move into it. Needs its own mount namespace."""
    _mount("none", "/", "", _RECURSIVE | _PRIVATE)
    _mount("tmpfs", "/tmp", "tmpfs", _NO_SUID | _NO_DEVICES, "size=1M,mode=755")
    root = "/tmp"
    for folder in folders:
        place = root + folder
        if os.path.islink(folder):
            os.symlink(os.readlink(folder), place)
            continue
        os.makedirs(place)
        _mount(folder, place, "", _BIND | _RECURSIVE)
        _mount("none", place, "", _BIND | _REMOUNT | _READ_ONLY | _NO_SUID | _NO_DEVICES)
    for name in ("proc", "dev", "tmp", ".old"):
        os.mkdir(root + "/" + name)
    for name in DEVICES:
        with open(root + "/dev/" + name, "w"):
            pass
        _mount("/dev/" + name, root + "/dev/" + name, "", _BIND)
    _mount("proc", root + "/proc", "proc", _NO_SUID | _NO_DEVICES | _NO_PROGRAMS)
    pivot = _PIVOT[os.uname().machine]
    old = (root + "/.old").encode()
    _check(_LIBC.syscall(pivot, root.encode(), old), "pivot_root")
    os.chdir("/")
    _check(_LIBC.umount2(b"/.old", 2), "umount /.old")
    os.rmdir("/.old")
    _mount("none", "/", "", _REMOUNT | _BIND | _READ_ONLY | _NO_SUID | _NO_DEVICES)


def landlock_version() -> int:
    """Return the kernel's landlock ABI; 0 where there is none."""
    return max(0, int(_LIBC.syscall(_LANDLOCK[0], None, 0, 1)))


def landlock(readable: list[str], writable: list[str]) -> None:
    """Refuse every file but those below these paths; nothing below `readable` can be changed."""
    version = landlock_version()
    handled = _ALL_OF_ABI_1 | (1 << 13 if version >= 2 else 0) | (1 << 14 if version >= 3 else 0)
    attributes = [handled, 0b11 if version >= 4 else 0, 0b11 if version >= 6 else 0]
    packed = struct.pack("<QQQ", *attributes)[: 8 if version < 4 else 16 if version < 6 else 24]
    rules = _check(_LIBC.syscall(_LANDLOCK[0], packed, len(packed), 0), "landlock")
    for paths, allowed in ((readable, _READ), (writable, handled)):
        for path in paths:
            if not os.path.exists(path):
                continue
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
            granted = allowed if os.path.isdir(path) else allowed & (0b111 | handled & (1 << 14))
            rule = struct.pack("<Qi", granted, descriptor)
            _check(_LIBC.syscall(_LANDLOCK[1], rules, 1, rule, 0), "landlock " + path)
            os.close(descriptor)
    give_up_privileges()
    _check(_LIBC.syscall(_LANDLOCK[2], rules, 0), "landlock")
    os.close(rules)


def give_up_privileges() -> None:
    """Nothing that is executed from here on can gain rights."""
    _check(_LIBC.prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0), "no_new_privs")


def drop_capabilities() -> None:
    """Give up every capability, also of what is executed later."""
    for number in range(64):
        if _LIBC.prctl(_DROP_BOUND, number, 0, 0, 0) < 0:
            break
    header = struct.pack("<Ii", 0x20080522, 0)
    _check(_LIBC.syscall(_CAPSET[os.uname().machine], header, bytes(24)), "capset")


def hide_memory() -> None:
    """Keep other processes of this user out of this one's memory and files."""
    _check(_LIBC.prctl(_SET_DUMPABLE, 0, 0, 0, 0), "dumpable")


def filter_calls(program: bytes) -> None:
    """Install a system-call filter, for good."""
    give_up_privileges()
    held = ctypes.create_string_buffer(program, len(program))
    steps = struct.pack("<HxxxxxxQ", len(program) // 8, ctypes.addressof(held))
    _check(_LIBC.prctl(_SET_SECCOMP, 2, steps, 0, 0), "seccomp")


def limit(limits: dict[str, Any]) -> None:
    """Lower this process's resource limits for good; every child inherits them."""
    import resource

    for name, value in limits.items():
        resource.setrlimit(getattr(resource, "RLIMIT_" + name), (value, value))
