"""The program itself in a terminal of its own."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

PATIENCE_S = 30.0


def heard(master: int) -> bytes:
    """What the terminal was sent meanwhile; nothing once the program has let go of it."""
    try:
        return os.read(master, 65536) if select.select([master], [], [], 0.2)[0] else b""
    except OSError:
        return b""


def drawn_until(term: str, awaited: str) -> str:
    """What the demo draws on a terminal of this kind until it has drawn what is awaited."""
    pid, master = pty.fork()
    if pid == 0:
        environ = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "COLORTERM"}}
        program = "from aitune_tui.cli import main; main(['--demo'])"
        arguments = [sys.executable, "-c", program]
        os.execve(sys.executable, arguments, {**environ, "TERM": term})  # noqa: S606 - ourselves
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    drawn, give_up = b"", time.monotonic() + PATIENCE_S
    try:
        while awaited.encode() not in drawn and time.monotonic() < give_up:
            drawn += heard(master)
    finally:
        os.kill(pid, signal.SIGTERM)
        while os.waitpid(pid, os.WNOHANG)[0] == 0 and time.monotonic() < give_up:
            heard(master)
        os.close(master)
    return drawn.decode("utf-8", "replace")


def test_the_linux_console_gets_ascii() -> None:
    """Its font has no signs, blocks or braille."""
    drawn = drawn_until("linux", "powersave")
    assert "powersave" in drawn
    assert not set("▲◆▌█▒━⣀") & set(drawn)


def test_other_terminals_get_the_signs() -> None:
    assert "▲" in drawn_until("xterm-256color", "▲")
