"""A file that kills, hangs or fills the process that reads it is the only file that is lost."""

import importlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gristmill.corpus.config import Isolation
from gristmill.corpus.isolation import CRASHED, TIMEOUT, Isolated
from gristmill.errors import GristmillError, SourceError

READER = '''
"""A reader whose files say what shall happen."""
import ctypes, json, os, re, sys, time

def deep():
    sys.setrecursionlimit(10**9)
    json.loads("[" * 10**7)

DEEDS = {
    "segfault": lambda: ctypes.string_at(0),
    "abort": os.abort,
    "stack": deep,
    "spin": lambda: re.match("(a+)+$", "a" * 60 + "b"),
    "hang": lambda: time.sleep(100),
    "memory": lambda: bytearray(10**10),
    "grow": lambda: [bytes(10**8) for _ in range(1000)],
    "raise": lambda: {}["gone"],
    "killed": lambda: os.kill(os.getpid(), 9),
    "exit": lambda: os._exit(3),
}

def files(names):
    for name in names:
        if name.startswith("source:"):
            DEEDS[name.removeprefix("source:")]()
        yield name

def reader(word):
    def work(names, watch):
        out = []
        for name, poison in watch.each(files(names)):
            if poison is not None:
                out.append((name, poison.reason, poison.detail))
            else:
                DEEDS.get(name, int)()
                out.append((name, "", word))
        if names[-1] == "finish":
            os.abort()
        return out
    return work

def broken():
    raise ValueError("no n-grams here")

def process(_word):
    return lambda _item, _watch: (os.getpid(), os.getppid())
'''
LIMITS = Isolation(max_file_seconds=0.3, max_memory_bytes=1_000_000_000)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("reader")
    (folder / "hostile_reader.py").write_text(READER)
    sys.path.insert(0, str(folder))
    yield importlib.import_module("hostile_reader")
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def isolated(reader: Any) -> Iterator[Isolated]:
    with Isolated(reader.reader, ("fine",), LIMITS) as isolated:
        yield isolated


@pytest.mark.parametrize(
    ("deed", "reason", "detail"),
    [
        ("segfault", CRASHED, "killed by SIGSEGV"),
        ("abort", CRASHED, "killed by SIGABRT"),
        ("stack", CRASHED, "killed by SIGSEGV"),
        ("spin", TIMEOUT, "more than 0.3 s of CPU time"),
        ("hang", TIMEOUT, "more than 3 s by the clock"),
        ("memory", CRASHED, "MemoryError: "),
        ("grow", CRASHED, "MemoryError: "),
        ("raise", CRASHED, "KeyError: 'gone'"),
        ("killed", CRASHED, "killed by SIGKILL"),
        ("exit", CRASHED, "the process ended with code 3"),
    ],
)
def test_a_deadly_file_is_the_only_one_lost(
    isolated: Isolated, deed: str, reason: str, detail: str
) -> None:
    assert isolated(["a", deed, "b"]) == [
        ("a", "", "fine"),
        (deed, reason, detail),
        ("b", "", "fine"),
    ]


def test_several_deadly_files_are_lost_one_by_one(isolated: Isolated) -> None:
    found = isolated(["segfault", "a", "spin", "segfault", "b", "raise"])
    assert [reason for _, reason, _ in found] == [CRASHED, "", TIMEOUT, CRASHED, "", CRASHED]


def test_a_source_that_breaks_costs_its_rest(isolated: Isolated) -> None:
    assert isolated(["a", "b", "source:segfault", "c"]) == [
        ("a", "", "fine"),
        ("b", "", "fine"),
        (None, CRASHED, "killed by SIGSEGV"),
    ]


def test_what_breaks_outside_any_file_is_an_error_that_says_so(isolated: Isolated) -> None:
    with pytest.raises(SourceError, match=r"outside any one file: killed by SIGABRT.*finish"):
        isolated(["a", "finish"])
    assert isolated(["a"]) == [("a", "", "fine")]


def test_an_answer_may_be_large(isolated: Isolated) -> None:
    names = [f"{i:08}" for i in range(20_000)]
    assert [name for name, _, _ in isolated(names)] == names


def test_a_reader_that_cannot_start_says_why(reader: Any) -> None:
    with (
        Isolated(reader.broken, (), LIMITS) as isolated,
        pytest.raises(GristmillError, match=r"(?s)cannot start.*no n-grams here"),
    ):
        isolated("x")


def test_the_child_stays_from_call_to_call_and_goes_with_its_owner(reader: Any) -> None:
    with Isolated(reader.process, ("",), LIMITS) as isolated:
        child, zygote = isolated(None)
        assert isolated(None) == (child, zygote)
        os.kill(child, signal.SIGKILL)  # idle: nothing is lost, the next child answers
        other, _ = isolated(None)
        assert other != child
    assert gone(zygote)
    assert gone(other)


def test_no_process_outlives_a_killed_owner(reader: Any, tmp_path: Path) -> None:
    told = tmp_path / "told"
    owner = os.fork()
    if owner == 0:
        isolated = Isolated(reader.process, ("",), LIMITS)
        draft = tmp_path / "draft"
        draft.write_text(" ".join(map(str, isolated(None))))
        draft.rename(told)
        time.sleep(60)
        os._exit(0)
    while not told.exists():
        time.sleep(0.02)
    os.kill(owner, signal.SIGKILL)
    os.waitpid(owner, 0)
    assert all(gone(int(process)) for process in told.read_text().split())


def gone(process: int, patience_s: float = 10.0) -> bool:
    """Say whether a process ends, or is a zombie, within a while."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        try:
            status = Path(f"/proc/{process}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True
        if status.rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.02)
    return False
