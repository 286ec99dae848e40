"""What every run of the tests says at its end besides pass and fail: how much was tried."""

from __future__ import annotations

import pytest

from tests import counted


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if counted.SUMS:
        terminalreporter.section("how much was tried")
        for what, number in counted.SUMS.items():
            terminalreporter.write_line(f"{number:8,} {what}")
