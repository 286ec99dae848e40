"""Waiting for something to come true, instead of for time to pass."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE_S = 30.0


def until(condition: Callable[[], bool], patience_s: float = _PATIENCE_S) -> float:
    """Wait for a condition; returns the seconds it took.

    Raises:
        AssertionError: It did not come true in time.
    """
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < patience_s, "waited in vain"
        time.sleep(0.01)
    return time.monotonic() - began
