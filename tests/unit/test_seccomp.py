import errno
import struct

import pytest

from gristmill.evaluation.seccomp import program

X86, ARM = 0xC000003E, 0xC00000B7
ALLOW, KILL = 0x7FFF0000, 0x80000000


def verdict(code: bytes, architecture: int, number: int, first: int = 0) -> int:
    """Interpret the filter as the kernel does, for the few operations that it uses."""
    memory = struct.pack("<IIQQ", number, architecture, 0, first)
    steps = list(struct.iter_unpack("<HBBI", code))
    value, at = 0, 0
    while True:
        operation, if_true, if_false, operand = steps[at]
        at += 1
        if operation == 0x20:
            (value,) = struct.unpack_from("<I", memory, operand)
        elif operation == 0x06:
            return int(operand)
        else:
            holds = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand)}
            at += if_true if holds[operation] else if_false


def refused(answer: int) -> int | None:
    return answer & 0xFFFF if answer & 0xFFFF0000 == 0x00050000 else None


@pytest.mark.parametrize(
    ("machine", "architecture", "allowed", "denied", "clone", "socket"),
    [
        ("x86_64", X86, [0, 1, 9, 57, 59, 231], [101, 165, 272, 321, 425], 56, 41),
        ("aarch64", ARM, [63, 64, 222, 221, 94], [117, 40, 97, 280, 425], 220, 198),
    ],
)
def test_what_is_refused(
    machine: str, architecture: int, allowed: list[int], denied: list[int], clone: int, socket: int
) -> None:
    code = program(machine)
    assert code is not None
    for number in allowed:
        assert verdict(code, architecture, number) == ALLOW
    for number in denied:
        assert refused(verdict(code, architecture, number)) == errno.EPERM
    assert verdict(code, architecture, clone, 0x01200011) == ALLOW  # fork
    assert verdict(code, architecture, clone, 0x003D0F00) == ALLOW  # a thread
    assert refused(verdict(code, architecture, clone, 0x10000011)) == errno.EPERM  # NEWUSER
    assert refused(verdict(code, architecture, 435)) == errno.ENOSYS
    assert verdict(code, architecture, socket, 1) == ALLOW  # AF_UNIX
    for family in (2, 10, 16, 17, 40):
        assert refused(verdict(code, architecture, socket, family)) == errno.EPERM
    assert verdict(code, 0x40000003, 1) == KILL  # 32-bit calls on a 64-bit kernel


def test_the_x32_doors_are_shut() -> None:
    code = program("x86_64")
    assert code is not None
    assert refused(verdict(code, X86, 0x40000000 + 101)) == errno.EPERM


def test_an_unknown_machine_has_no_filter() -> None:
    assert program("riscv64") is None
