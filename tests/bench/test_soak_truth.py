"""Half an hour at 32 users: nothing fails, and neither memory, nor files, nor blocks, nor threads grow.

    pytest tests/bench/test_soak_truth.py -m truth -s             GRISTMILL_SOAK_MINUTES says how long (30)

`ide_replay`'s users type at an endpoint in a process of its own, with a chat every few seconds. The first third is not judged: caches fill, and the allocator finds its size.
"""

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from tests.bench.ide_replay import replay

MINUTES = float(os.environ.get("GRISTMILL_SOAK_MINUTES", "30"))
pytestmark = [pytest.mark.truth, pytest.mark.timeout(60 * MINUTES + 900)]
USERS = 32
EVERY_S = 5.0
ROOT = Path(__file__).parents[2]
FILES = [path.read_text() for path in sorted((ROOT / "platform/gristmill/serving").glob("*.py"))]
MOST_GROWTH_MB = 24.0
"""Between the middle third and the last: what an allocator and a few long prompts may make."""


@dataclass(frozen=True)
class Sample:
    """What the process held at a time."""

    memory_mb: float
    files: int
    threads: int


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[psutil.Process, str]]:
    command = [sys.executable, "-m", "tests.bench.served_alone", str(tmp_path)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield psutil.Process(process.pid), process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.wait(timeout=60)


def _sample(process: psutil.Process) -> Sample:
    with process.oneshot():
        memory = process.memory_info().rss / 2**20
        return Sample(memory, process.num_fds(), process.num_threads())


def _engine(url: str) -> dict[str, float]:
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return {
        name: float(line.rsplit(" ", 1)[1])
        for name in ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc")
        for line in lines
        if line.startswith(f'vllm:{name}{{model_name="tiny"}}')
    }


def test_nothing_grows_and_nothing_fails(server: tuple[psutil.Process, str]) -> None:
    process, url = server
    samples: list[Sample] = []
    chats: list[int] = []
    over = threading.Event()

    def watch() -> None:
        asked = {"model": "tiny-chat", "messages": [{"role": "user", "content": "hi"}]}
        while not over.wait(EVERY_S):
            samples.append(_sample(process))
            answer = httpx.post(f"{url}/v1/chat/completions", json=asked, timeout=120)
            chats.append(answer.status_code)

    idle = _sample(process)
    watcher = threading.Thread(target=watch)
    watcher.start()
    began_s = time.monotonic()
    try:
        seen = replay(url, FILES, users=USERS, seconds=60 * MINUTES, anchor=True)
    finally:
        over.set()
        watcher.join()
    until = time.monotonic() + 60
    while any(_engine(url).values()) and time.monotonic() < until:
        time.sleep(0.2)
    left = _engine(url)
    after = _sample(process)
    third = len(samples) // 3
    middle, last = samples[third : 2 * third], samples[2 * third :]
    grown = {
        name: statistics.median(getattr(one, name) for one in last)
        - statistics.median(getattr(one, name) for one in middle)
        for name in ("memory_mb", "files", "threads")
    }
    print(seen.row(f"{USERS} users, {(time.monotonic() - began_s) / 60:.1f} min"))
    for name, found in (
        ("before", idle),
        ("middle", middle[0]),
        ("end", last[-1]),
        ("idle", after),
    ):
        print(f"{name:8} {found.memory_mb:7.1f} MB {found.files:4} files {found.threads:3} threads")
    print(f"grown from the middle third to the last: {grown}; engine when idle: {left}")
    assert seen.num_failed == 0 and set(chats) == {200}
    assert left == dict.fromkeys(left, 0.0) and len(left) == 3
    assert grown["memory_mb"] < MOST_GROWTH_MB
    assert after.files <= idle.files + 4 and after.threads <= idle.threads + 4
