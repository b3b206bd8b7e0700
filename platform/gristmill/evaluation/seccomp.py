"""A system-call filter for the sandbox, as the bytes of a classic BPF program.

Namespaces hide the machine; the filter narrows the way to the kernel itself. It refuses what a test
program never needs and kernel exploits usually start with: new user namespaces, mounts, ptrace, bpf,
keyrings, io_uring, userfaultfd, perf events, modules, and sockets other than Unix ones. All else is
allowed, so honest programs do not notice. Known for x86-64 and arm64.
"""

from __future__ import annotations

import errno
import platform
import struct

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
_NEW_NAMESPACES = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET."""
_UNIX = 1

_EVERYWHERE = (425, 426, 427, 428, 429, 430, 431, 432, 433, 438, 440, 442)
"""io_uring, the new mount calls, pidfd_getfd, process_madvise: one number on all machines."""

_MACHINES: dict[str, tuple[int, int, int, tuple[int, ...]]] = {
    # name: (audit architecture, clone, socket, refused calls): ptrace, process_vm_*, mount, umount2,
    # pivot_root, chroot, unshare, setns, bpf, keyrings, userfaultfd, perf_event_open, kexec, modules,
    # file handles, swap, reboot, quotactl, personality, acct, syslog
    "x86_64": (
        0xC000003E, 56, 41,
        (101, 310, 311, 165, 166, 155, 161, 272, 308, 321, 248, 249, 250, 323, 298, 246, 320, 175,
         313, 176, 303, 304, 167, 168, 169, 179, 135, 163, 103, 172, 173),
    ),
    "aarch64": (
        0xC00000B7, 220, 198,
        (117, 270, 271, 40, 39, 41, 51, 97, 268, 280, 217, 218, 219, 282, 241, 104, 294, 105,
         273, 106, 264, 265, 224, 225, 142, 60, 92, 89, 116),
    ),
}  # fmt: skip
_CLONE3 = 435
_X32 = 0x40000000


def program(machine: str | None = None) -> bytes | None:
    """Return the filter for this machine, or None for a machine whose numbers are not known."""
    known = _MACHINES.get(machine or platform.machine())
    if known is None:
        return None
    architecture, clone, socket, refused = known
    refuse = _REFUSE | errno.EPERM
    steps = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_EQUAL, architecture, 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
        _step(_AT_LEAST, _X32, 0, 1),
        _step(_RETURN, refuse),
    ]
    for number in (*refused, *_EVERYWHERE):
        steps += [_step(_EQUAL, number, 0, 1), _step(_RETURN, refuse)]
    # with ENOSYS the C library falls back to clone, whose flags can be read
    steps += [_step(_EQUAL, _CLONE3, 0, 1), _step(_RETURN, _REFUSE | errno.ENOSYS)]
    steps += [
        _step(_EQUAL, clone, 0, 4),
        _step(_LOAD, _FIRST_ARGUMENT),
        _step(_ANY_BIT, _NEW_NAMESPACES, 0, 1),
        _step(_RETURN, refuse),
        _step(_RETURN, _ALLOW),
        _step(_EQUAL, socket, 0, 4),
        _step(_LOAD, _FIRST_ARGUMENT),
        _step(_EQUAL, _UNIX, 1, 0),
        _step(_RETURN, refuse),
        _step(_RETURN, _ALLOW),
        _step(_RETURN, _ALLOW),
    ]
    return b"".join(steps)


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)
