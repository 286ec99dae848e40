"""A trial whose client, sudo and helper are killed, whose terminal is closed: it goes back in time.

Nobody is left but the guardian, and it needs nobody.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.kernel.waiting import until

from aitune_backends.public_state import PublicFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kernel.fresh_user import FreshUser

# Its fixtures; loaded once however many files ask for it.
pytest_plugins = ("tests.kernel.fresh_user",)

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="makes an account and a sudo rule"),
]

TTL_S = 5
# The guardian's own time: to wake up, to take the lock, to write and read back.
GRACE_S = 3.0
SWAPPINESS = Path("/proc/sys/vm/swappiness")
RATIO = Path("/proc/sys/vm/overcommit_ratio")

# What the dashboard does: a session that lives on while the trial counts down.
HOLDER = f"""
import json, sys, time
from aitune_backends.helper_client import RealLink
from aitune_backends.host import Host, open_host
from aitune_helper.messages import Change
from aitune_helper.plan import make_plan
with open_host(None) as host, RealLink().connect(ask=False) as session:
    wanted = json.loads(sys.argv[1]) if len(sys.argv) > 1 else WANTED
    changes = [Change(knob, "", value) for knob, value in wanted.items()]
    trial = session.apply(changes, make_plan(host, changes).hash, ttl_s={TTL_S})
    print(json.dumps([trial.id, trial.state]), flush=True)
    time.sleep(600)
"""


@pytest.fixture
def others() -> Iterator[dict[str, str]]:
    """Other values than those in force, which are put back."""
    before = {file: file.read_text() for file in (SWAPPINESS, RATIO)}
    yield {
        "vm.swappiness": "11" if before[SWAPPINESS].strip() != "11" else "12",
        "vm.overcommit_ratio": "61" if before[RATIO].strip() != "61" else "62",
    }
    for file, text in before.items():
        file.write_text(text)


def values() -> tuple[str, str]:
    return SWAPPINESS.read_text().strip(), RATIO.read_text().strip()


def family(pid: int) -> dict[str, list[int]]:
    """The processes that live off one: sudo's and helper's, by what they run."""
    found: dict[str, list[int]] = {"client": [pid], "sudo": [], "helper": []}
    parents = {pid}
    while parents:
        children = {
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdecimal() and _parent(entry) in parents
        }
        for child in children:
            name = Path(f"/proc/{child}/comm").read_text().strip()
            found["sudo" if name == "sudo" else "helper"].append(child)
        parents = children
    return found


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


@pytest.mark.parametrize(
    "killed", [("client",), ("sudo",), ("helper",), ("client", "sudo", "helper")]
)
def test_killed_with_sigkill_it_goes_back_in_time(
    fresh_user: FreshUser, helper: Path, others: dict[str, str], killed: tuple[str, ...]
) -> None:
    fresh_user.may_use_the_helper(password=False)
    before = values()
    client = fresh_user.start(HOLDER.replace("WANTED", repr(others)))
    try:
        assert client.stdout is not None
        trial_id, state = json.loads(client.stdout.readline())
        began = time.monotonic()
        assert state == "pending"
        assert values() == tuple(others.values())
        pids = family(client.pid)
        assert pids["sudo"]
        assert pids["helper"]
        for role in killed:
            for pid in pids[role]:
                os.kill(pid, signal.SIGKILL)
        # Killing the messengers is not the message: it is still on trial.
        assert values() == tuple(others.values())
        until(lambda: values() == before, TTL_S + GRACE_S)
        assert time.monotonic() - began > TTL_S - 1
    finally:
        client.kill()
        client.wait()
        if client.stdout:
            client.stdout.close()
    until(lambda: _ended(trial_id) == "reverted", GRACE_S)
    listed = fresh_user.json("journal", "--limit", "1")["trials"]
    assert [(trial["id"], trial["state"]) for trial in listed] == [(trial_id, "reverted")]
    assert listed[0]["complete"] is True


def test_a_terminal_that_closes_during_a_trial_takes_nothing_with_it(
    fresh_user: FreshUser, helper: Path, others: dict[str, str]
) -> None:
    fresh_user.may_use_the_helper(password=False)
    before = values()
    terminal = fresh_user.on_terminal(code=HOLDER.replace("WANTED", repr(others)))
    terminal.expect('"pending"]')
    assert values() == tuple(others.values())
    terminal.hang_up()
    assert terminal.end() != 0
    until(lambda: values() == before, TTL_S + GRACE_S)


def test_a_try_outlives_its_command_and_can_be_kept_by_another(
    fresh_user: FreshUser, helper: Path, others: dict[str, str]
) -> None:
    fresh_user.may_use_the_helper(password=False)
    before = values()
    wanted = [f"{knob}={value}" for knob, value in others.items()]
    trial = fresh_user.json("apply", *wanted, "--try", str(TTL_S), "--yes")["trial"]
    assert trial["state"] == "pending"
    until(lambda: values() == before, TTL_S + GRACE_S)
    assert fresh_user.json("keep", str(trial["number"]), "--yes", expect=1)["code"] == (
        "nothing-pending"
    )
    fresh_user.json("apply", *wanted, "--try", "60", "--yes")
    assert fresh_user.json("keep", "--yes")["trial"]["state"] == "kept"
    assert values() == tuple(others.values())
    fresh_user.json("undo", "--yes")
    assert values() == before


def _ended(trial_id: str) -> str | None:
    state = PublicFile().read()
    ended = state.recent if state is not None else ()
    return next((trial.state for trial in ended if trial.id == trial_id), None)
