"""What holds for every run of the tests: how signals are met, and what is said at its end."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests import counted

if TYPE_CHECKING:
    from collections.abc import Callable

# A run under `nohup`, or in a shell's background, inherits these as ignored, and what it starts
# does too: then no program would ever end at a hang-up or at Ctrl-C, and its test would wait.
_AS_ON_A_TERMINAL: dict[signal.Signals, signal.Handlers | Callable[..., object]] = {
    signal.SIGHUP: signal.SIG_DFL,
    signal.SIGQUIT: signal.SIG_DFL,
    signal.SIGINT: signal.default_int_handler,
}


def pytest_configure() -> None:
    for number, handler in _AS_ON_A_TERMINAL.items():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if counted.SUMS:
        terminalreporter.section("how much was tried")
        for what, number in counted.SUMS.items():
            terminalreporter.write_line(f"{number:8,} {what}")
