"""What compiled classes say of themselves: where they were written, which constants users inline.

A minimal reader of the class file format (Java Virtual Machine Specification, chapter 4), for the
truth benches: jdeps names classes, and an edge joins files.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_WIDTHS = {
    3: 4,
    4: 4,
    5: 8,
    6: 8,
    7: 2,
    8: 2,
    9: 4,
    10: 4,
    11: 4,
    12: 4,
    15: 3,
    16: 2,
    17: 4,
    18: 4,
}
_WIDTHS |= {19: 2, 20: 2}
_ANNOTATION = 0x2000
_RUNTIME = b"RUNTIME"


@dataclass(frozen=True)
class ClassFile:
    """One compiled class."""

    name: str
    """As jdeps writes it: `package.Outer$Inner`."""
    source: str
    """The name of the file that it was compiled from, without its folder."""
    constants: frozenset[str]
    """Fields whose values users carry in themselves, so that no trace of this class is left there."""
    erased: bool
    """An annotation that is not kept until run time: jdeps does not look at its uses."""


def read_class(data: bytes) -> ClassFile:
    """Return what one class file says."""
    reader = _Reader(data)
    reader.skip(8)
    texts, classes = _constants(reader)
    flags, this = reader.short(), reader.short()
    reader.skip(2)
    reader.skip(2 * reader.short())
    constant_fields = {
        texts[name].decode()
        for name, attributes in _members(reader)
        if any(texts[attribute] == b"ConstantValue" for attribute, _body in attributes)
    }
    list(_members(reader))
    source, kept = "", False
    for name, body in _attributes(reader):
        if texts[name] == b"SourceFile":
            source = texts[struct.unpack(">H", body)[0]].decode()
        elif texts[name] == b"RuntimeVisibleAnnotations":
            kept = _RUNTIME in _named(body, texts)
    return ClassFile(
        texts[classes[this]].decode().replace("/", "."),
        source,
        frozenset(constant_fields),
        bool(flags & _ANNOTATION) and not kept,
    )


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def skip(self, count: int) -> bytes:
        self._place += count
        return self._data[self._place - count : self._place]

    def short(self) -> int:
        return int.from_bytes(self.skip(2), "big")

    def long(self) -> int:
        return int.from_bytes(self.skip(4), "big")


def _constants(reader: _Reader) -> tuple[dict[int, bytes], dict[int, int]]:
    """Return the constant pool's texts, and the names of its classes."""
    texts: dict[int, bytes] = {}
    classes: dict[int, int] = {}
    index, count = 1, reader.short()
    while index < count:
        tag = reader.skip(1)[0]
        if tag == 1:
            texts[index] = reader.skip(reader.short())
        elif tag == 7:
            classes[index] = reader.short()
        else:
            reader.skip(_WIDTHS[tag])
        index += 2 if tag in {5, 6} else 1
    return texts, classes


def _members(reader: _Reader) -> Iterator[tuple[int, list[tuple[int, bytes]]]]:
    for _ in range(reader.short()):
        reader.skip(2)
        name = reader.short()
        reader.skip(2)
        yield name, list(_attributes(reader))


def _attributes(reader: _Reader) -> Iterator[tuple[int, bytes]]:
    for _ in range(reader.short()):
        name = reader.short()
        yield name, reader.skip(reader.long())


def _named(body: bytes, texts: dict[int, bytes]) -> set[bytes]:
    """Return the texts of the enumeration values in an annotation attribute."""
    return {
        texts.get(int.from_bytes(body[place + 3 : place + 5], "big"), b"")
        for place in range(len(body) - 4)
        if body[place : place + 1] == b"e"
    }


def read_classes(folder: Path) -> dict[str, ClassFile]:
    """Return the classes compiled into a folder, by name."""
    found = (read_class(path.read_bytes()) for path in folder.rglob("*.class"))
    return {compiled.name: compiled for compiled in found}
