"""Helpers of this checkout on the running kernel, with their state in a directory of the test.

`python helper_runner.py serve BASE` answers on its standard input and output.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from aitune_helper import guardian, places, server, trial
from aitune_helper.journal import Journal
from aitune_helper.kernelfs import RealKernel
from aitune_helper.messages import Change


class NoGuardian:
    """A guardian that says it watches, and does not: as if root had killed it."""

    kind = "none"

    def __init__(self, trials: trial.Trials) -> None:
        """Nothing runs."""

    def start(self) -> None:
        """Nothing runs."""

    def meet(self) -> None:
        """Nothing runs."""

    def arm(self, trial_id: str) -> None:
        """Say so."""

    def close(self) -> None:
        """Nothing runs."""


def places_in(base: str) -> places.Places:
    """Where a test keeps the helper's state."""
    return places.Places(base + "/run", base + "/state", base + "/etc")


def make_trials(base: str) -> trial.Trials:
    """The trials of this machine, as its guardian sees them."""
    here = places_in(base)
    return trial.Trials(RealKernel(), here, Journal(here.journal))


def make_core(
    base: str, guarded: Callable[[trial.Trials], guardian.Guardian] | None = None
) -> server.Core:
    """A helper's core; with a guardian process if nothing else is said."""
    here = places_in(base)

    def process(_: trial.Trials) -> guardian.Guardian:
        return guardian.ProcessGuardian(here, lambda: make_trials(base))

    return server.Core(RealKernel(), here, min_ttl_s=0.1, guardian=guarded or process)


def parse(text: str) -> Change:
    """`block.scheduler@loop7=none` as a change."""
    target, _, value = text.partition("=")
    knob, _, instance = target.partition("@")
    return Change(knob, instance, value)


if __name__ == "__main__":
    server.serve(make_core(sys.argv[2]), 0, 1)
