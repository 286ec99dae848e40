"""However the dashboard ends, the terminal is as it was: a real process on a real terminal."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

LEAVE_ALTERNATE = b"\x1b[?1049l"
ENTER_ALTERNATE = b"\x1b[?1049h"
PATIENCE_S = 30.0
START = [sys.executable, "-c", "from aitune_tui.cli import main; main()", "--demo"]
CRASH = [
    sys.executable,
    "-c",
    "from aitune_tui.board import Board\n"
    "def fall(self, event): raise RuntimeError('made up')\n"
    "Board.on_survey_taken = fall\n"
    "from aitune_tui.cli import main; main()",
    "--demo",
]


class Terminal:
    """A pseudo terminal with one program on it."""

    def __init__(self, command: list[str], home: Path) -> None:
        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(self._ours, (40, 120)) if hasattr(termios, "tcsetwinsize") else None
        self.before = termios.tcgetattr(theirs)
        self._theirs = theirs
        self.seen = b""
        environment = dict(os.environ, TERM="xterm-256color", HOME=str(home))
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment,
            start_new_session=True,
        )  # fmt: skip

    @property
    def settings(self) -> list[object]:
        """How the terminal is set now."""
        return termios.tcgetattr(self._theirs)

    def read_until(self, wanted: bytes) -> None:
        """Read until the program has written something."""
        give_up = time.monotonic() + PATIENCE_S
        while wanted not in self.seen:
            assert time.monotonic() < give_up, f"never wrote {wanted!r}: {self.seen[-300:]!r}"
            self._read(0.1)

    def _read(self, seconds: float) -> bool:
        if select.select([self._ours], [], [], seconds)[0]:
            self.seen += os.read(self._ours, 1 << 16)
            return True
        return False

    def press(self, keys: bytes) -> None:
        """Type."""
        os.write(self._ours, keys)

    def end(self) -> int:
        """Wait for the program to end, reading what it still writes."""
        give_up = time.monotonic() + PATIENCE_S
        while self.process.poll() is None:
            assert time.monotonic() < give_up, "it does not end"
            self._read(0.05)
        while self._read(0.2):
            pass
        return self.process.returncode

    def close(self) -> None:
        """Let go of everything."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)


def assert_restored(terminal: Terminal) -> None:
    assert terminal.seen.rindex(LEAVE_ALTERNATE) > terminal.seen.rindex(ENTER_ALTERNATE)
    assert terminal.settings == terminal.before
    for mouse in (b"\x1b[?1000", b"\x1b[?1003"):
        if mouse + b"h" in terminal.seen:
            assert terminal.seen.rindex(mouse + b"l") > terminal.seen.rindex(mouse + b"h")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_as_it_was(number: int, tmp_path: Path) -> None:
    terminal = Terminal(START, tmp_path)
    try:
        terminal.read_until(b"gpu-node-07")
        assert terminal.settings != terminal.before
        terminal.process.send_signal(number)
        assert terminal.end() == 128 + number
        assert_restored(terminal)
    finally:
        terminal.close()


def test_q_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    terminal = Terminal(START, tmp_path)
    try:
        terminal.read_until(b"GiB")
        terminal.press(b"q")
        assert terminal.end() == 0
        assert_restored(terminal)
    finally:
        terminal.close()


def test_a_crash_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    terminal = Terminal(CRASH, tmp_path)
    try:
        terminal.read_until(ENTER_ALTERNATE)
        assert terminal.end() == 70
        assert_restored(terminal)
        said = terminal.seen.rpartition(LEAVE_ALTERNATE)[2]
        assert b"This is a fault of aitune-tui: RuntimeError: made up. The trace is in" in said
        assert b"locals" not in said, "the trace is for the log"
    finally:
        terminal.close()


def test_without_a_terminal_nothing_is_drawn(tmp_path: Path) -> None:
    run = subprocess.run(
        START, capture_output=True, env=dict(os.environ, HOME=str(tmp_path)), timeout=60
    )
    assert run.returncode == 2
    assert b"needs a terminal" in run.stderr
    assert ENTER_ALTERNATE not in run.stdout
