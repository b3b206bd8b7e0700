"""A real Vim in a terminal of its own: keys in, what is on the screen ignored, the file afterwards out."""

import fcntl
import os
import pty
import select
import struct
import termios
import time
from collections.abc import Sequence
from pathlib import Path

COLUMNS, ROWS = 120, 40


class Vim:
    """A Vim that edits one file."""

    def __init__(self, file: Path, settings: Path) -> None:
        """Start it with `settings` as its only rc file."""
        command = ["vim", "-N", "-u", str(settings), "-i", "NONE", "-n", str(file)]
        self.seen = b""
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.environ.update(TERM="xterm", LC_ALL="C.UTF-8")
            os.execvp(command[0], command)
        size = struct.pack("HHHH", ROWS, COLUMNS, 0, 0)
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, size)

    def keys(self, text: str) -> None:
        """Type."""
        os.write(self._terminal, text.encode())

    def wait(self, seconds: float) -> None:
        """Let it work, reading what it shows so that it never blocks."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            ready, _, _ = select.select([self._terminal], [], [], left)
            if ready:
                try:
                    self.seen += os.read(self._terminal, 65536)
                except OSError:  # it has ended
                    return

    def wait_for(self, sign: Path, seconds: float) -> bool:
        """Let it work until a file is there; say whether it came."""
        until = time.monotonic() + seconds
        while not sign.exists() and time.monotonic() < until:
            self.wait(0.1)
        return sign.exists()

    def end(self, keys: Sequence[str] = ("\x1b", ":wqa!\r")) -> int:
        """Save, leave, and return the exit status."""
        for text in keys:
            self.keys(text)
            self.wait(0.3)
        self.wait(1.0)
        _, status = os.waitpid(self._pid, 0)
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(status)
