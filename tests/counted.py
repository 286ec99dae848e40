"""Lines that say how much a run has tried, printed at its end."""

from __future__ import annotations

LINES: list[str] = []


def say(line: str) -> None:
    """Have a line printed at the end of the run, whatever is captured."""
    LINES.append(line)
