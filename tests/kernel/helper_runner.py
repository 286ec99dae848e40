"""Helpers of this checkout on the running kernel, with their state in a directory of the test.

`python helper_runner.py serve BASE` answers on its standard input and output;
`python helper_runner.py once BASE TTL KNOB@INSTANCE=VALUE…` applies and ends, as if killed gently.
"""

from __future__ import annotations

import sys

from aitune_helper import apply, guardian, places, server, trial
from aitune_helper.journal import Journal
from aitune_helper.kernelfs import RealKernel
from aitune_helper.messages import Change

# The time for one step, after which a helper that died while applying is given up.
STEP_GRACE_S = 0.4


def places_in(base: str) -> places.Places:
    """Where a test keeps the helper's state."""
    return places.Places(base + "/run", base + "/state", base + "/etc")


def make_core(base: str) -> server.Core:
    """A helper's core with a guardian process."""
    here = places_in(base)
    kernel = RealKernel()

    def trials() -> trial.Trials:
        return trial.Trials(kernel, here, Journal(here.journal))

    return server.Core(
        kernel,
        here,
        min_ttl_s=0.1,
        guardian=lambda _: guardian.ProcessGuardian(here, trials),
    )


def parse(text: str) -> Change:
    """`block.scheduler@loop7=none` as a change."""
    target, _, value = text.partition("=")
    knob, _, instance = target.partition("@")
    return Change(knob, instance, value)


def once(base: str, ttl_s: float, texts: list[str]) -> None:
    """Apply and leave it to the guardian."""
    apply.STEP_GRACE_S = STEP_GRACE_S
    core = make_core(base)
    changes = tuple(parse(text) for text in texts)
    wanted = apply.Wanted(changes, core.plan(changes, force=False).hash, ttl_s)
    core.apply(wanted, trial.Caller(0, "root", attested=True))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        server.serve(make_core(sys.argv[2]), 0, 1)
    else:
        once(sys.argv[2], float(sys.argv[3]), sys.argv[4:])
