"""Processes by exact pid."""

import os
import signal
import socket
import subprocess
import sys
import time

from cluster import processes

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


def test_descendants_are_ended_and_nobody_else() -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    parent = subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert child in processes.descendants(parent.pid)
    assert {child, parent.pid, bystander.pid} <= processes.descendants(os.getpid())
    assert "time.sleep(600)" in processes.command(child)
    assert processes.memory_mib({parent.pid, child}) > 1
    processes.end({parent.pid, child}, grace_s=0.2)
    assert not processes.alive(child) and not processes.alive(parent.pid)
    assert processes.alive(bystander.pid)
    bystander.send_signal(signal.SIGKILL)
    bystander.wait()
    parent.wait()
    parent.stdout.close()


def test_a_pid_is_a_process_only_with_its_start_time() -> None:
    first = processes.start_time(os.getpid())
    time.sleep(0.02)
    assert first is not None and processes.start_time(os.getpid()) == first
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert processes.start_time(gone.pid) is None
    assert processes.command(gone.pid) == ""


def test_listening_hosts_are_read_in_both_families() -> None:
    with socket.socket() as four, socket.socket(socket.AF_INET6) as six:
        four.bind(("127.0.0.1", 0))
        four.listen()
        six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        six.bind(("::ffff:127.0.0.1", 0))
        six.listen()
        found = processes.listening({os.getpid()})
        assert ("127.0.0.1", four.getsockname()[1]) in found
        assert ("127.0.0.1", six.getsockname()[1]) in found
        with socket.socket() as every:
            every.bind(("0.0.0.0", 0))
            every.listen()
            assert ("*", every.getsockname()[1]) in processes.listening({os.getpid()})
