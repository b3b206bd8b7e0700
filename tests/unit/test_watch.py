"""What a reader notes of itself, and how poison reaches it."""

import signal
import tempfile
from collections.abc import Iterator

import pytest

from gristmill.corpus.watch import Note, Phase, Place, Poison, SharedWatch, Watch

BAD = Poison("parser_crashed", "killed by SIGSEGV")


@pytest.fixture
def note() -> Iterator[Note]:
    with tempfile.TemporaryFile() as file:
        file.truncate(Note.NUM_BYTES)
        note = Note(file.fileno())
        yield note
        note.close()
    signal.setitimer(signal.ITIMER_PROF, 0)


def test_a_plain_watch_passes_everything() -> None:
    assert list(Watch().each("ab")) == [("a", None), ("b", None)]


def test_each_place_is_noted_before_its_file_is_read(note: Note) -> None:
    places = []
    for _ in SharedWatch(note, {}, 100.0).each("ab"):
        places.append(note.read()[1])
    places.append(note.read()[1])
    assert places == [Place(Phase.READING, 0), Place(Phase.READING, 1), Place(Phase.FINISHING, 0)]


def test_poison_stands_in_for_a_file_and_for_the_rest(note: Note) -> None:
    poisons = {Place(Phase.READING, 1): BAD, Place(Phase.FETCHING, 3): BAD}
    watch = SharedWatch(note, poisons, 100.0)
    assert list(watch.each("abcde")) == [("a", None), ("b", BAD), ("c", None), (None, BAD)]
