"""Stepping aside for sudo: a real process on a real terminal, and a child that asks there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path

import pytest

PATIENCE_S = 30.0
ENTER_ALTERNATE = b"\x1b[?1049h"
LEAVE_ALTERNATE = b"\x1b[?1049l"

# The made-up machine behind something like sudo: it asks on /dev/tty, and a wrong word is refused.
PROGRAM = """
import subprocess, sys
from aitune_backends.demo.link import DemoLink
from aitune_backends.helper_errors import NotElevated

real = DemoLink.connect

def connect(self, *, ask):
    if not ask:
        raise NotElevated("Changing a setting needs root.")
    asked = subprocess.run(["sh", "-c", "printf 'password? ' >/dev/tty; read word </dev/tty; "
                            'test "$word" = right'])
    if asked.returncode != 0:
        raise NotElevated("Changing a setting needs root, and it was not granted.")
    return real(self, ask=True)

DemoLink.connect = connect
DemoLink.name = "sudo"
import aitune_tui.board as board
board.helper_at_start = lambda machine: "asleep"
from aitune_tui.cli import main
main(["--demo"])
"""


class Terminal:
    """A program whose controlling terminal is in the test's hands."""

    def __init__(self, home: Path, size: tuple[int, int] = (40, 120)) -> None:
        self.seen = b""
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
            # Not `os.environ` as it stands: readline has put a size of its own beside it.
            environment = dict(os.environ, TERM="xterm-256color", HOME=str(home))
            command = [sys.executable, "-c", PROGRAM]
            os.execve(sys.executable, command, environment)  # noqa: S606 - ourselves

    def resize(self, size: tuple[int, int]) -> None:
        """Give the terminal another size, rows first."""
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))

    def expect(self, wanted: bytes) -> None:
        """Read until the program writes something new, and forget what came before it."""
        give_up = time.monotonic() + PATIENCE_S
        while wanted not in self.seen:
            assert time.monotonic() < give_up, f"never wrote {wanted!r}: {self.seen[-400:]!r}"
            if select.select([self._fd], [], [], 0.1)[0]:
                self.seen += os.read(self._fd, 1 << 16)
        self.seen = self.seen.partition(wanted)[2]

    def press(self, keys: bytes) -> None:
        """Type."""
        os.write(self._fd, keys)

    def hang_up(self) -> None:
        """Lose the connection."""
        os.close(self._fd)
        self._fd = -1

    def end(self) -> int:
        """Wait for the program to end."""
        give_up = time.monotonic() + PATIENCE_S
        while True:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            assert time.monotonic() < give_up, "it does not end"
            if self._fd >= 0 and select.select([self._fd], [], [], 0.05)[0]:
                with contextlib.suppress(OSError):  # EIO: it has closed its end
                    os.read(self._fd, 1 << 16)

    def close(self) -> None:
        """Let go of everything."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        if self._fd >= 0:
            os.close(self._fd)


@pytest.fixture
def terminal(tmp_path: Path) -> object:
    made = Terminal(tmp_path)
    made.expect(b"vm.swappiness")
    yield made
    made.close()


def test_the_right_word_connects_and_the_screen_comes_back(terminal: Terminal) -> None:
    terminal.press(b"w")
    terminal.expect(LEAVE_ALTERNATE)
    terminal.expect(b"password? ")
    terminal.press(b"right\n")
    terminal.expect(ENTER_ALTERNATE)
    terminal.expect(b"root helper ready")
    terminal.press(b"q")
    assert terminal.end() == 0


def test_a_wrong_word_is_said_and_nothing_is_lost(terminal: Terminal) -> None:
    terminal.press(b"w")
    terminal.expect(b"password? ")
    terminal.press(b"wrong\n")
    terminal.expect(ENTER_ALTERNATE)
    terminal.expect(b"it was not granted")
    terminal.press(b"q")
    assert terminal.end() == 0


def test_ctrl_c_at_the_prompt_ends_the_prompt_alone(terminal: Terminal) -> None:
    terminal.press(b"w")
    terminal.expect(b"password? ")
    terminal.press(b"\x03")
    terminal.expect(ENTER_ALTERNATE)
    terminal.expect(b"it was not granted")
    terminal.press(b"q")
    assert terminal.end() == 0


def test_a_resize_at_the_prompt_is_seen_afterwards(terminal: Terminal) -> None:
    terminal.press(b"w")
    terminal.expect(b"password? ")
    terminal.resize((24, 80))
    terminal.press(b"right\n")
    terminal.expect(ENTER_ALTERNATE)
    terminal.expect(b"What differs")
    terminal.press(b"q")
    assert terminal.end() == 0


def test_a_terminal_closed_at_the_prompt_ends_the_dashboard(terminal: Terminal) -> None:
    terminal.press(b"w")
    terminal.expect(b"password? ")
    terminal.hang_up()
    assert terminal.end() != 0
