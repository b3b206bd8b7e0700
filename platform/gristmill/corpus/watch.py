"""What a reader of many files says of itself, so that a file that kills it can be named.

A reader walks its files through `Watch.each`. In a plain process that does nothing. In an isolated one
(see `isolation`) the place it is at lies in memory shared with the parent, and files that are known to
break it come with a `Poison` in their place: the reader rejects them and never looks at their bytes.
"""

import mmap
import signal
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

T = TypeVar("T")


class Phase(IntEnum):
    """What the reader is doing."""

    IDLE = 0
    FETCHING = 1
    """Asking the source for the next file: its archive, object store or table is read."""
    READING = 2
    """Working on a file that it has."""
    FINISHING = 3
    """Working on all of them together."""


@dataclass(frozen=True)
class Place:
    """Where a reader is: the phase, and the number of the file in the order of reading."""

    phase: Phase
    number: int


@dataclass(frozen=True)
class Poison:
    """Why a place cannot be passed: reason code and detail of the reject."""

    reason: str
    detail: str


class Watch:
    """Passes files through; knows no poison and notes nothing."""

    def each(
        self, items: Iterable[T], first: int = 0
    ) -> Iterator[tuple[T, None] | tuple[T | None, Poison]]:
        """Yield (file, None), (file, poison) for one to leave out, or (None, poison) as the last:
        the source breaks there and the rest of it cannot be had. `first` is the first file's number.
        """
        for item in items:
            yield item, None


class SharedWatch(Watch):
    """The watch of an isolated reader: notes each place, with a limit of CPU time for each file."""

    def __init__(self, note: "Note", poisons: Mapping[Place, Poison], max_file_seconds: float):
        self.note = note
        self.poisons = poisons
        self.max_file_seconds = max_file_seconds

    def each(
        self, items: Iterable[T], first: int = 0
    ) -> Iterator[tuple[T, None] | tuple[T | None, Poison]]:
        """Yield as `Watch.each` does, noting each place."""
        iterator = iter(items)
        number = first
        while True:
            if poison := self.poisons.get(Place(Phase.FETCHING, number)):
                yield None, poison
                break
            self.at(Phase.FETCHING, number)
            try:
                item = next(iterator)
            except StopIteration:
                break
            if poison := self.poisons.get(Place(Phase.READING, number)):
                yield item, poison
            else:
                self.at(Phase.READING, number)
                yield item, None
            number += 1
        self.at(Phase.FINISHING, 0)

    def at(self, phase: Phase, number: int = 0) -> None:
        """Note a place. The kernel ends the process when it stays there too long."""
        one_file = phase in (Phase.FETCHING, Phase.READING)
        signal.setitimer(signal.ITIMER_PROF, self.max_file_seconds if one_file else 0.0)
        self.note.write(phase, number)


class Note:
    """A place in memory that two processes share, with a count of the places so far."""

    _LAYOUT = struct.Struct("<QQQ")
    NUM_BYTES = mmap.PAGESIZE

    def __init__(self, file_number: int) -> None:
        self._memory = mmap.mmap(file_number, self.NUM_BYTES)
        self._count = 0

    def write(self, phase: Phase, number: int) -> None:
        """Put a place down."""
        self._count += 1
        self._LAYOUT.pack_into(self._memory, 0, self._count, phase, number)

    def read(self) -> tuple[int, Place]:
        """Return the count of places so far and the last one."""
        count, phase, number = self._LAYOUT.unpack_from(self._memory, 0)
        return count, Place(Phase(phase), number)

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()
