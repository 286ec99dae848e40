"""Sudo as sites set it up: with a pty of its own, logging what it passes on, wanting a terminal."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.kernel.test_sudo_kills import GRACE_S, HOLDER, TTL_S, family, others, values
from tests.kernel.waiting import until

from aitune_backends import installer
from aitune_backends.public_state import PublicFile
from aitune_helper import messages, requests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kernel.fresh_user import FreshUser, Terminal

__all__ = ["others"]

# Its fixtures; loaded once however many files ask for it.
pytest_plugins = ("tests.kernel.fresh_user",)

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="makes an account and a sudo rule"),
]

by_mode = pytest.mark.parametrize("mode", ["use_pty", "!use_pty"])

# The dashboard's way, told step by step: it waits for a line before it applies.
STEPS = f"""
import json, sys, time
from aitune_backends.helper_client import RealLink
from aitune_backends.host import open_host
from aitune_helper.messages import Change
from aitune_helper.plan import make_plan
with open_host(None) as host, RealLink().connect(ask=False) as session:
    changes = [Change(knob, "", value) for knob, value in WANTED.items()]
    made = make_plan(host, changes).hash
    print("helper up", flush=True)
    sys.stdin.readline()
    def step(done, of, item):
        print("step", done, flush=True)
        time.sleep(600)
    session.apply(changes, made, ttl_s={TTL_S}, progress=step)
"""


def on_terminal(user: FreshUser, code: str, others: dict[str, str]) -> Terminal:
    return user.on_terminal(code=code.replace("WANTED", repr(others)))


def nothing_is_open() -> bool:
    state = PublicFile().read()
    return state is None or state.pending is None


@by_mode
def test_a_hang_up_at_the_prompt(
    fresh_user: FreshUser, helper: Path, others: dict[str, str], mode: str
) -> None:
    fresh_user.may_use_the_helper(password=True, defaults=[mode])
    before = values()
    terminal = fresh_user.on_terminal("apply", *changes(others), "--yes")
    terminal.expect(fresh_user.prompt)
    asking = family(terminal.pid)["sudo"]
    assert asking
    terminal.hang_up()
    assert terminal.end() != 0
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in asking))
    assert values() == before


@by_mode
def test_a_hang_up_before_the_first_write(
    fresh_user: FreshUser, helper: Path, others: dict[str, str], mode: str
) -> None:
    """The helper finds the request and the end of its client together, and nothing stays.

    With a pty of its own sudo stops along with the helper, and stops the client too.
    """
    fresh_user.may_use_the_helper(password=False, defaults=[mode])
    before = values()
    terminal = on_terminal(fresh_user, STEPS, others)
    terminal.expect("helper up")
    helpers = family(terminal.pid)["helper"]
    for pid in helpers:
        os.kill(pid, signal.SIGSTOP)
    try:
        terminal.type("\n")
        until(lambda: waits(terminal.pid))
        terminal.hang_up()
        assert terminal.end() != 0
        assert values() == before
    finally:
        for pid in helpers:
            os.kill(pid, signal.SIGCONT)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in helpers))
    until(lambda: values() == before and nothing_is_open(), TTL_S + GRACE_S)


@by_mode
def test_a_hang_up_while_it_is_written(
    fresh_user: FreshUser, helper: Path, others: dict[str, str], mode: str
) -> None:
    fresh_user.may_use_the_helper(password=False, defaults=[mode])
    before = values()
    terminal = on_terminal(fresh_user, STEPS, others)
    terminal.expect("helper up")
    terminal.type("\n")
    terminal.expect("step 1")
    terminal.hang_up()
    assert terminal.end() != 0
    until(lambda: values() == before and nothing_is_open(), TTL_S + GRACE_S)


@by_mode
def test_a_hang_up_during_a_trial(
    fresh_user: FreshUser, helper: Path, others: dict[str, str], mode: str
) -> None:
    fresh_user.may_use_the_helper(password=False, defaults=[mode])
    before = values()
    terminal = on_terminal(fresh_user, HOLDER, others)
    terminal.expect('"pending"]')
    assert values() == tuple(others.values())
    terminal.hang_up()
    assert terminal.end() != 0
    until(lambda: values() == before, TTL_S + GRACE_S)


@by_mode
@pytest.mark.parametrize("moment", ["prompt", "apply", "trial"])
def test_sudo_itself_is_killed(
    fresh_user: FreshUser, helper: Path, others: dict[str, str], mode: str, moment: str
) -> None:
    fresh_user.may_use_the_helper(password=moment == "prompt", defaults=[mode])
    before = values()
    if moment == "prompt":
        terminal = fresh_user.on_terminal("apply", *changes(others), "--yes")
        terminal.expect(fresh_user.prompt)
    elif moment == "apply":
        terminal = on_terminal(fresh_user, STEPS, others)
        terminal.expect("helper up")
        terminal.type("\n")
        terminal.expect("step 1")
    else:
        terminal = on_terminal(fresh_user, HOLDER, others)
        terminal.expect('"pending"]')
        assert values() == tuple(others.values())
    killed = family(terminal.pid)["sudo"]
    assert killed
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    if moment == "prompt":
        assert terminal.end() == 4, terminal.seen
        assert "Traceback" not in terminal.seen
    terminal.close()
    until(lambda: values() == before and nothing_is_open(), TTL_S + GRACE_S)


def changes(others: dict[str, str]) -> list[str]:
    return [f"{knob}={value}" for knob, value in others.items()]


def waits(pid: int) -> bool:
    """Whether a process waits for something, or is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ST"


@pytest.fixture
def logged() -> Iterator[Path]:
    """Where sudo keeps what it logs of a session, while a test runs."""
    folder = Path(tempfile.mkdtemp(prefix="aitune-iolog-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def logging_to(folder: Path) -> list[str]:
    return [f"iolog_dir={folder}", "log_input", "log_output", "!compress_io"]


def streams(folder: Path) -> dict[str, bytes]:
    """What sudo logged, by the name of the stream; the timing and the command line too."""
    found: dict[str, bytes] = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            found[file.name] = found.get(file.name, b"") + file.read_bytes()
    return found


def test_where_sudo_logs_what_it_passes_on_nobody_is_attested_and_all_works(
    fresh_user: FreshUser, helper: Path, others: dict[str, str], logged: Path
) -> None:
    fresh_user.may_use_the_helper(password=False, defaults=logging_to(logged))
    before = values()
    document = fresh_user.json("apply", *changes(others), "--yes", "--message", "a test")
    assert values() == tuple(others.values())
    trial = document["trial"]
    assert trial["attested"] is False
    assert (trial["owner"], trial["owner_uid"]) == (fresh_user.name, fresh_user.uid)
    assert fresh_user.json("undo", str(trial["number"]), "--yes")["trial"]["state"] == "kept"
    assert values() == before
    # The log is one: whoever reads it sees our calls, and there is nothing in them to hide.
    frames = [frame for frame in streams(logged)["stdin"].split(b"\0") if frame.strip()]
    calls = [json.loads(frame) for frame in frames]
    names = {call["method"].rpartition(".")[2] for call in calls}
    assert {"Hello", "Apply", "Keep"} <= names
    assert names <= {*requests.METHODS, "Cancel"}
    assert all(call["method"].startswith(messages.INTERFACE) for call in calls)


def test_no_password_is_in_the_log_of_a_site(
    fresh_user: FreshUser, helper: Path, others: dict[str, str], logged: Path
) -> None:
    fresh_user.may_use_the_helper(password=True, defaults=logging_to(logged))
    terminal = fresh_user.on_terminal("apply", *changes(others), "--yes")
    terminal.expect(fresh_user.prompt)
    terminal.type(f"{fresh_user.password}\n")
    assert terminal.end() == 0, terminal.seen
    assert values() == tuple(others.values())
    data = streams(logged)
    assert b"Apply" in data["stdin"]
    assert not [name for name, text in data.items() if fresh_user.password.encode() in text]


def test_without_tickets_each_command_asks_anew(
    fresh_user: FreshUser, helper: Path, others: dict[str, str]
) -> None:
    fresh_user.may_use_the_helper(password=True)
    for change in changes(others):
        terminal = fresh_user.on_terminal("apply", change, "--yes")
        terminal.expect(fresh_user.prompt)
        terminal.type(f"{fresh_user.password}\n")
        assert terminal.end() == 0, terminal.seen
        assert terminal.seen.count(fresh_user.prompt) == 1
    assert values() == tuple(others.values())
    assert fresh_user.json("undo", "--yes", expect=4)["code"] == "not-elevated"
    assert values() == tuple(others.values())


def test_where_sudo_wants_a_terminal_it_works_on_one_and_says_so_without(
    fresh_user: FreshUser, helper: Path, others: dict[str, str]
) -> None:
    fresh_user.may_use_the_helper(password=False, defaults=["requiretty"])
    before = values()
    error = fresh_user.json("apply", *changes(others), "--yes", expect=4)
    assert error["code"] == "not-elevated"
    assert values() == before
    terminal = fresh_user.on_terminal("apply", *changes(others), "--yes")
    assert terminal.end() == 0, terminal.seen
    assert values() == tuple(others.values())


def test_sudo_lists_the_printed_rule_and_nothing_else(fresh_user: FreshUser, helper: Path) -> None:
    fresh_user.may_use_the_helper(password=False)
    # -U: what root is told of the account, free of what the machine's own Defaults say.
    listed = subprocess.run(
        ["sudo", "-n", "-l", "-U", fresh_user.name], capture_output=True, text=True, check=True
    ).stdout
    rights = [line.strip() for line in listed.partition("may run")[2].splitlines()[1:] if line]
    interpreter = installer.status().command[0]
    assert rights == [f"(root) NOPASSWD: {interpreter} -I -S -B {helper}"]
    assert not set("*?[]!") & set(rights[0])


def test_the_printed_rule_is_one_that_sudo_takes(helper: Path) -> None:
    rule = installer.sudo_rule(installer.status().command)
    subprocess.run(["visudo", "-cqf", "-"], input=rule + "\n", text=True, check=True)
    assert rule.endswith(f" -I -S -B {helper}")
    assert "NOPASSWD: /" in rule
