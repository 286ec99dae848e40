"""SIGKILL at every point of an apply: all is as before within the time, and the journal reads.

strace kills the helper at the Nth call of a kind; the guardian, which is not traced, does the rest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.kernel.helper_runner import make_core, places_in
from tests.kernel.test_helper_real import (
    RUNNER,
    base,
    classic,
    loop,
    no_guardian,
    texts,
    until,
    value,
)

from aitune_helper import messages

__all__ = ["base", "loop"]

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="changes settings of this kernel"),
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace kills at a chosen call"),
]

TTL_S = "0.3"
POINTS_MAX = 100
# Every call by which the helper changes anything outside of itself.
CALLS = ("write", "fsync", "rename", "flock", "ftruncate", "unlink", "sendto", "fork,clone,vfork")


@pytest.mark.parametrize("call", CALLS)
def test_killed_at_every_call_of_a_kind(base: str, loop: Path, call: str) -> None:
    wanted = classic(loop)
    before = {path: value(path) for path in wanted}
    points = 0
    while not killed_at(f"{base}/{points}", call, points + 1, texts(wanted)):
        check_after(f"{base}/{points}", before)
        points += 1
        assert points < POINTS_MAX, "the helper never got to its end"
    check_after(f"{base}/{points}", before)
    # Rarer calls may not occur at all; of these there is one before and one after the first write.
    assert points > 1 or call not in ("write", "rename", "fsync"), "no point was hit"


def check_after(here: str, before: dict[Path, str]) -> None:
    """All is as it was, nothing is open, and the journal lost one line at most."""
    until(lambda: {path: value(path) for path in before} == before)
    until(lambda: settled(here))
    if not Path(here, "state").exists():
        return
    core = make_core(here)
    assert core.trials.pending() is None
    history = core.trials.journal.history(9)
    assert history.damaged <= 1
    assert {trial.state for trial in history.trials} <= {messages.REVERTED_TRIAL, messages.APPLYING}
    core.close()
    until(lambda: no_guardian(here))
    assert {path: value(path) for path in before} == before


def killed_at(here: str, call: str, number: int, wanted: list[str]) -> bool:
    """Run an apply that is killed at a call; True if it came to its end."""
    Path(here).mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    kinds = call.split(",")
    inject = [f"--inject={kind}:signal=KILL:when={number}" for kind in kinds]
    done = subprocess.run(
        ["strace", "-o", "/dev/null", "-e", f"trace={call}", *inject,
         sys.executable, "-S", "-B", RUNNER, "once", here, TTL_S, *wanted],
        env=environment, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode in (0, -9, 137), done.stderr.decode()
    return done.returncode == 0


def settled(here: str) -> bool:
    """Whether no trial is open any more and its guardian is gone."""
    private = Path(places_in(here).private)
    return not private.exists() or (not Path(places_in(here).trial).exists() and no_guardian(here))
