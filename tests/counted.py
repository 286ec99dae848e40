"""How much a run has tried, printed at its end."""

from __future__ import annotations

from collections import Counter

SUMS: Counter[str] = Counter()


def add(what: str, number: int) -> None:
    """Add to a sum that is printed at the end of the run, whatever is captured."""
    SUMS[what] += number
