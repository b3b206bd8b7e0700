"""No program scores without computing the answer, and none leaves anything behind."""

import os
import re
import subprocess
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gristmill.evaluation.python_tests import check_asserts, check_function
from gristmill.evaluation.sandbox import Limits, Sandbox, open_sandbox
from tests.unit.attacks import BODIES

pytestmark = pytest.mark.bubblewrap

LIMITS = Limits(
    wall_s=2.5, cpu_s=1, memory_bytes=256 << 20, file_bytes=4 << 20, output_bytes=1 << 20
)
TEST = "def check(candidate):\n    for x in (2, 3, 7):\n        assert candidate(x) == x * x + 1\n"
ASSERTS = ["assert f(2) == 5", "assert f(3) == 10 and not f(4) != 17"]
HONEST = "def f(x):\n    return x * x + 1\n"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with open_sandbox() as found:
        yield found


def program(body: str) -> str:
    return "def f(x):\n" + textwrap.indent(body, "    ")


def test_there_are_many_attacks() -> None:
    assert len(BODIES) >= 40


@pytest.mark.parametrize("name", BODIES)
def test_an_attack_scores_nothing(name: str, sandbox: Sandbox) -> None:
    verdict = check_function(program(BODIES[name]), "f", TEST, sandbox, limits=LIMITS)
    assert not verdict.passed and verdict.kind, verdict
    assert check_function(HONEST, "f", TEST, sandbox, limits=LIMITS).passed


@pytest.mark.parametrize("name", [name for name in BODIES if "equal" in name or "hand" in name])
def test_an_object_that_stays_inside_equals_nothing(name: str, sandbox: Sandbox) -> None:
    assert not check_asserts(program(BODIES[name]), ASSERTS, sandbox, limits=LIMITS).passed
    assert check_asserts(HONEST, ASSERTS, sandbox, limits=LIMITS).passed


@pytest.mark.parametrize("name", ["exits with success", "patches AssertionError", "fork bomb"])
def test_attacks_at_the_top_of_a_program(name: str, sandbox: Sandbox) -> None:
    text = "x = 1\n" + BODIES[name].replace("return 0", "") + "\ndef f(x): return None\n"
    assert not check_function(text, "f", TEST, sandbox, limits=LIMITS).passed


def test_one_program_sees_nothing_of_another(sandbox: Sandbox) -> None:
    writes = "import os\nopen('/tmp/left', 'w').write('10')\nos.environ['LEFT'] = '10'\nimport math\nmath.left = 10\n"
    reads = (
        "import os, math\ndef f(x):\n    if os.path.exists('/tmp/left') or 'LEFT' in os.environ or hasattr(math, 'left'):\n"
        "        return 'seen'\n    return x * x + 1\n"
    )
    with sandbox.session(writes + HONEST, LIMITS) as other:
        assert other.call("f", 2) == 5
        assert check_function(reads, "f", TEST, sandbox, limits=LIMITS).passed
    assert check_function(reads, "f", TEST, sandbox, limits=LIMITS).passed


def test_a_command_cannot_reach_the_channel(sandbox: Sandbox) -> None:
    code = (
        "import os, sys\nfor d in range(3, 64):\n    try:\n        os.write(d, b'{\"value\": 1}\\n'); print('wrote', d)\n"
        "    except OSError: pass\n"
        "try:\n    open('/proc/1/mem', 'r+b'); print('memory')\nexcept OSError: pass\n"
        "try:\n    print('fds', os.listdir('/proc/1/fd'))\nexcept OSError: pass\n"
        "try:\n    os.kill(1, 9)\nexcept OSError: pass\nprint('done')\n"
    )
    with sandbox.session("", LIMITS) as session:
        session.files({"a.py": code})
        ran = session.run(["/usr/bin/python3", "a.py"])
        assert (ran.status, ran.out.strip()) == (0, "done"), ran
        assert session.run(["/bin/echo", "still", "here"]).out == "still here\n"


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("sleep 60.5", "late"),
        ("while :; do :; done", "late"),
        ("yes gristmill", "cut"),
        ("(sleep 60.5 &) ; echo started", ""),
        (":(){ :|:& };:", ""),
    ],
)
def test_commands_end_in_time(command: str, what: str, sandbox: Sandbox) -> None:
    started_s = time.monotonic()
    with sandbox.session("", LIMITS) as session:
        ran = session.run(["/bin/bash", "-c", command], wall_s=2.0)
    assert time.monotonic() - started_s < 20
    assert not what or getattr(ran, what)


def test_nothing_is_left_of_them(sandbox: Sandbox) -> None:
    until_s = time.monotonic() + 10
    while time.monotonic() < until_s:
        listed = subprocess.run(["ps", "-eo", "pid,ppid,uid,args"], capture_output=True, text=True)
        left = [
            line
            for line in listed.stdout.splitlines()
            if re.search("sleep 60.5|yes gristmill", line)
        ]
        groups = list(Path("/sys/fs/cgroup").glob(f"*/gristmill-{os.getpid()}-*"))
        if not left and not groups:
            return
        time.sleep(0.2)
    assert (left, groups) == ([], [])
