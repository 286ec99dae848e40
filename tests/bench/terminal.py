"""A program in a pseudo-terminal, watched from outside: its paints, its costs, its bytes."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Sequence
from types import TracebackType

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Terminal:
    """Starts `argv` on a terminal of `columns` x `rows` and reads everything it writes."""

    def __init__(self, argv: Sequence[str], columns: int, rows: int) -> None:
        self.started = time.monotonic()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
            os.execvpe(argv[0], list(argv), environment)  # noqa: S606 - the program under test
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.output = bytearray()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.kill(self.pid, signal.SIGTERM)
        self.read_for(2.0, until_end=True)
        os.close(self.fd)
        os.waitpid(self.pid, 0)

    def read_for(
        self, seconds: float, *, marker: bytes = b"", until_end: bool = False
    ) -> float | None:
        """Read for `seconds`, or until `marker` appears in what comes.

        Returns:
            Seconds from the start of the program to the chunk with the marker; with no marker, to
            the first chunk; None if it did not come.
        """
        begun = len(self.output)
        end = time.monotonic() + seconds
        first: float | None = None
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.fd], [], [], left)[0]:
                break
            try:
                chunk = os.read(self.fd, 65536)
            except OSError:
                break
            now = time.monotonic()
            self.output += chunk
            first = first if first is not None else now - self.started
            if marker and self.output.find(marker, max(0, begun - len(marker))) >= 0:
                return now - self.started
            if not chunk and until_end:
                break
        return None if marker else first

    def key_to_paint(self, key: bytes) -> float | None:
        """Seconds from a key to the first byte that answers it; None after one second."""
        pressed = time.monotonic()
        os.write(self.fd, key)
        if not select.select([self.fd], [], [], 1.0)[0]:
            return None
        waited = time.monotonic() - pressed
        self.output += os.read(self.fd, 65536)
        return waited

    def cpu_seconds(self) -> float:
        """CPU time of the program so far, all its threads."""
        with open(f"/proc/{self.pid}/stat", encoding="utf-8") as file:  # noqa: PTH123
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK_S

    def rss_bytes(self) -> int:
        """Resident memory of the program."""
        with open(f"/proc/{self.pid}/statm", encoding="utf-8") as file:  # noqa: PTH123
            return int(file.read().split()[1]) * PAGE
