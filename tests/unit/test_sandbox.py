import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gristmill.errors import SandboxError
from gristmill.evaluation.sandbox import Limits, ProgramError, Sandbox, open_sandbox
from gristmill.evaluation.sandbox.inside.values import decode, encode

pytestmark = pytest.mark.bubblewrap

LIMITS = Limits(wall_s=3, cpu_s=2, memory_bytes=256 << 20)


@pytest.fixture(scope="module", params=["bubblewrap", "namespaces"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with open_sandbox(request.param) as found:
        yield found


def ask(sandbox: Sandbox, program: str, *arguments: object, limits: Limits = LIMITS) -> object:
    with sandbox.session(program, limits) as session:
        return session.call("f", *arguments)


def test_it_says_what_holds_it(sandbox: Sandbox) -> None:
    record = sandbox.record()
    assert record["backend"] == sandbox.backend.name
    assert record["python"].startswith("Python 3.")
    assert "rlimits" in record["level"]


def test_plain_data_goes_in_and_out(sandbox: Sandbox) -> None:
    value = [1, 2.5, "\u00e9\n", None, True, (1, [2]), {1: {"a"}, (2, 3): b"\0\xff"}, 2j, 10**40]
    assert ask(sandbox, "def f(x): return x", value) == value


def test_state_lives_as_long_as_the_session(sandbox: Sandbox) -> None:
    with sandbox.session("seen = []\ndef f(x):\n    seen.append(x)\n    return seen") as session:
        assert session.call("f", 1) == [1]
        assert session.call("f", 2) == [1, 2]


def test_sessions_do_not_see_each_other(sandbox: Sandbox) -> None:
    write = (
        "def f():\n    open('/tmp/left', 'w').close()\n    import os\n    return os.listdir('/tmp')"
    )
    assert ask(sandbox, write) == ["left"]
    assert ask(sandbox, "import os\ndef f(): return os.listdir('/tmp')") == []


def test_the_network_is_out_of_reach(sandbox: Sandbox) -> None:
    program = (
        "import socket\ndef f(port):\n"
        "    s = socket.socket()\n    s.settimeout(1)\n    s.connect(('127.0.0.1', port))\n"
    )
    with pytest.raises(ProgramError, match=r"PermissionError|OSError|Network"):
        ask(sandbox, program, 80)


def test_files_of_the_machine_are_out_of_sight(sandbox: Sandbox, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("token")
    secret.chmod(0o644)
    program = "def f(path):\n    return open(path).read()"
    for path in (str(secret), "/etc/passwd", f"/proc/{os.getpid()}/environ"):
        with pytest.raises(ProgramError, match=r"FileNotFoundError|PermissionError"):
            ask(sandbox, program, path)


def test_the_system_is_read_only(sandbox: Sandbox) -> None:
    program = "def f(path):\n    open(path, 'w').write('x')"
    for path in ("/usr/x", "/x", "/dev/shm/x", "/proc/sys/kernel/hostname"):
        with pytest.raises(ProgramError, match=r"Read-only|Permission|No such file"):
            ask(sandbox, program, path)


def test_the_environment_is_empty(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "x")
    names = ask(sandbox, "import os\ndef f(): return sorted(os.environ)")
    threads = {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"}
    assert set(names) <= {"LANG", "PATH", "PWD", "HOME", "LC_CTYPE"} | threads  # type: ignore[call-overload]


def test_other_processes_cannot_be_seen_or_killed(sandbox: Sandbox) -> None:
    program = (
        "import os\ndef f(pid):\n"
        "    found = [int(n) for n in os.listdir('/proc') if n.isdigit()]\n"
        "    os.kill(pid, 9)\n    return found"
    )
    with pytest.raises(ProgramError, match="ProcessLookupError"):
        ask(sandbox, program, os.getpid())


def test_a_fork_bomb_stops_at_the_limit(sandbox: Sandbox) -> None:
    program = (
        "import os, time\ndef f():\n    count = 0\n    try:\n        while True:\n"
        "            if os.fork() == 0:\n                time.sleep(60)\n            count += 1\n"
        "    except OSError:\n        return count"
    )
    count = ask(sandbox, program)
    assert isinstance(count, int) and count < LIMITS.processes


def test_what_a_program_starts_ends_with_it(sandbox: Sandbox) -> None:
    mark = f"gristmill-{os.getpid()}-{time.time_ns()}"
    program = (
        "import os\ndef f(mark):\n    if os.fork() == 0:\n        os.setsid()\n"
        "        if os.fork() == 0:\n"
        "            os.execv('/usr/bin/env', ['env', '-i', 'X=' + mark, '/bin/sleep', '60'])\n"
        "        os._exit(0)\n    return 1"
    )

    def alive() -> bool:
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_text(errors="replace"):
                    return True
            except OSError:
                continue
        return False

    with sandbox.session(program, LIMITS) as session:
        session.call("f", mark)
        until = time.monotonic() + 2
        seen = alive()
        while not seen and time.monotonic() < until:
            time.sleep(0.05)
            seen = alive()
    if os.getuid() == 0:  # only root may read what another user's process was given
        assert seen
    until = time.monotonic() + 5
    while alive() and time.monotonic() < until:
        time.sleep(0.05)
    assert not alive()


def test_memory_is_limited(sandbox: Sandbox) -> None:
    with pytest.raises(ProgramError, match="MemoryError"):
        ask(sandbox, "def f():\n    x = bytearray(1 << 30)\n    return len(x)")


def test_a_file_is_limited(sandbox: Sandbox) -> None:
    program = "def f():\n    with open('/tmp/x', 'wb') as s:\n        s.write(bytes(17 << 20))"
    with pytest.raises(ProgramError, match=r"File too large|ended before|OSError"):
        ask(sandbox, program)


@pytest.mark.parametrize(
    "program",
    ["def f():\n    while True: pass", "import time\ndef f(): time.sleep(60)", "while True: pass"],
)
def test_time_is_limited(sandbox: Sandbox, program: str) -> None:
    started_s = time.monotonic()
    with pytest.raises(ProgramError, match=r"time limit|ended before"):
        ask(sandbox, program, limits=Limits(wall_s=1.5, cpu_s=1))
    assert time.monotonic() - started_s < 10


def test_an_endless_answer_is_cut(sandbox: Sandbox) -> None:
    with pytest.raises(ProgramError, match="output limit"):
        ask(sandbox, "def f(): return 'x' * (8 << 20)")


def test_what_a_program_prints_is_nobodys_business(sandbox: Sandbox) -> None:
    program = (
        "print('{\"value\": 1}', flush=True)\nimport os, sys\nos.write(1, b'{\"value\": 1}\\n')\n"
        "def f(): return 2"
    )
    assert ask(sandbox, program) == 2


@pytest.mark.parametrize("way", ["raise SystemExit(0)", "import os; os._exit(0)", "exit(0)"])
def test_leaving_early_is_no_answer(sandbox: Sandbox, way: str) -> None:
    with pytest.raises(ProgramError):
        ask(sandbox, f"{way}\ndef f(): return 1")


def test_an_object_that_equals_everything_is_no_answer(sandbox: Sandbox) -> None:
    program = (
        "class A(int):\n    def __eq__(self, other): return True\n    __hash__ = int.__hash__\n"
        "def f(): return A(3)"
    )
    with pytest.raises(ProgramError, match="not plain data"):
        ask(sandbox, program)


def test_kernel_doors_are_shut(sandbox: Sandbox) -> None:
    if not sandbox.backend.settings["filter"]:
        pytest.skip("no system-call filter is known for this machine")
    program = (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\ndef f():\n"
        "    answers = [libc.unshare(0x10000000), libc.ptrace(0, 0, 0, 0), libc.mount(b'x', b'/tmp', b'tmpfs', 0, None)]\n"
        "    answers.append(libc.socket(16, 3, 0))\n    return answers, ctypes.get_errno()"
    )
    assert ask(sandbox, program) == ([-1, -1, -1, -1], 1)


def test_garbage_on_the_answer_pipe_is_no_answer(sandbox: Sandbox) -> None:
    program = (
        "import os\ndef f():\n    for d in range(3, 20):\n        try: os.write(d, b'garbage\\n')\n"
        "        except OSError: pass\n    return 1"
    )
    with pytest.raises(ProgramError, match="not plain data"):
        ask(sandbox, program)


def test_many_at_once_do_not_share_a_limit(sandbox: Sandbox) -> None:
    answers: list[object] = []
    program = "import threading, time\ndef f():\n    t = [threading.Thread(target=time.sleep, args=(0.3,)) for _ in range(6)]\n    [x.start() for x in t]\n    [x.join() for x in t]\n    return 1"

    def one() -> None:
        answers.append(ask(sandbox, program))

    threads = [threading.Thread(target=one) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [1] * 5


def test_without_bubblewrap_nothing_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxError, match=r"setpriv|bubblewrap"):
        open_sandbox()


def test_a_sandbox_that_leaks_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "bwrap"  # runs the program on the bare machine
    fake.write_text('#!/bin/bash\nwhile [[ "$1" != *python* ]]; do shift; done\nexec "$@"\n')
    fake.chmod(0o755)
    tmp_path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SandboxError, match=r"files|processes|environment|network|Permission"):
        open_sandbox("bubblewrap")


def test_tags_survive_and_foreign_types_do_not() -> None:
    assert decode(encode({"a": (1, {2}), "list": [{}]})) == {"a": (1, {2}), "list": [{}]}
    with pytest.raises(TypeError, match="object is not plain data"):
        encode(object())
    with pytest.raises(ValueError, match="unknown tag"):
        decode({"eval": "x"})
