"""A fresh user and the machine's real sudo: with a rule, with a password, with neither."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aitune_backends import elevation, installer
from aitune_backends.helper_bundle import bundle, bundle_sha256

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kernel.fresh_user import FreshUser

# Its fixtures; loaded once however many files ask for it.
pytest_plugins = ("tests.kernel.fresh_user",)

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="makes an account and a sudo rule"),
]

SWAPPINESS = Path("/proc/sys/vm/swappiness")


@pytest.fixture
def other() -> Iterator[str]:
    """Another value of vm.swappiness than the one in force, which is put back."""
    before = SWAPPINESS.read_text()
    yield "11" if before.strip() != "11" else "12"
    SWAPPINESS.write_text(before)


def as_root(*arguments: str, expect: int = 0) -> dict[str, Any]:
    """Run the command line as root, with an answer beforehand."""
    command = [sys.executable, "-c", "from aitune_tui.cli import main; main()", *arguments]
    result = subprocess.run(
        [*command, "--yes", "--json"], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert result.returncode == expect, result
    document = json.loads(result.stdout)
    assert isinstance(document, dict)
    return document


def test_without_a_helper_it_says_how_to_get_one(
    fresh_user: FreshUser, no_helper: None, other: str
) -> None:
    before = SWAPPINESS.read_text()
    error = fresh_user.json("apply", f"vm.swappiness={other}", "--yes", expect=4)
    assert error["code"] == "not-installed"
    assert "helper install" in error["hint"]
    assert fresh_user.json("helper", "status", expect=1)["installed"] is False
    assert SWAPPINESS.read_text() == before


def test_without_a_rule_nothing_is_written(fresh_user: FreshUser, helper: Path, other: str) -> None:
    before = SWAPPINESS.read_text()
    error = fresh_user.json("apply", f"vm.swappiness={other}", "--yes", expect=4)
    assert error["code"] == "not-elevated"
    assert "terminal" in error["hint"]
    assert SWAPPINESS.read_text() == before


def test_a_bad_value_is_refused_before_sudo_is_thought_of(
    fresh_user: FreshUser, no_helper: None
) -> None:
    assert fresh_user.json("apply", "vm.swappiness=999", "--yes", expect=2)["code"] == "change"
    assert fresh_user.json("apply", "vm.swappiness=12", expect=2)["code"] == "needs-yes"


def test_the_printed_rule_spares_the_password(
    fresh_user: FreshUser, helper: Path, other: str
) -> None:
    fresh_user.may_use_the_helper(password=False)
    before = SWAPPINESS.read_text().strip()
    document = fresh_user.json("apply", f"vm.swappiness={other}", "--yes", "--message", "a test")
    assert SWAPPINESS.read_text().strip() == other
    trial = document["trial"]
    assert (trial["owner"], trial["owner_uid"]) == (fresh_user.name, fresh_user.uid)
    # The kernel's word for it, through sudo and all: not an environment variable's.
    assert trial["attested"] is True
    # The journal is not theirs to read, so it comes through the helper.
    listed = fresh_user.json("journal", "--limit", "1")
    assert [past["id"] for past in listed["trials"]] == [trial["id"]]
    assert fresh_user.json("undo", str(trial["number"]), "--yes")["trial"]["state"] == "kept"
    assert SWAPPINESS.read_text().strip() == before


def test_the_rule_allows_nothing_else(fresh_user: FreshUser, helper: Path) -> None:
    fresh_user.may_use_the_helper(password=False)
    for command in (
        ["/usr/bin/id"],
        [*installer.status().command, "--guard"],
        [*installer.status().command[:-1], "/tmp/mine.pyz"],  # noqa: S108 - a name, not a file
    ):
        code = f"import subprocess, sys; sys.exit(subprocess.call(['sudo', '-n', *{command!r}]))"
        assert fresh_user.run(code=code).returncode == 1


def test_a_try_is_seen_by_all_and_ended_by_another_only_by_name(
    fresh_user: FreshUser, helper: Path, other: str
) -> None:
    fresh_user.may_use_the_helper(password=False)
    before = SWAPPINESS.read_text()
    trial = fresh_user.json("apply", f"vm.swappiness={other}", "--try", "600", "--yes")["trial"]
    # What is public needs no rights, and no helper.
    fresh_user.may("")
    busy = fresh_user.json("apply", "vm.swappiness=1", "--yes", expect=5)
    assert fresh_user.name in busy["message"]
    error = as_root("keep", expect=4)
    assert error["code"] == "not-yours"
    assert fresh_user.name in error["message"]
    ended = as_root("revert", str(trial["number"]))
    assert ended["trial"]["complete"] is True
    assert SWAPPINESS.read_text() == before


def test_the_password_is_typed_to_sudo_alone(
    fresh_user: FreshUser, helper: Path, other: str
) -> None:
    fresh_user.may_use_the_helper(password=True)
    terminal = fresh_user.on_terminal("apply", f"vm.swappiness={other}")
    terminal.expect("Apply 1 change? [y/N]")
    assert fresh_user.prompt not in terminal.seen  # plan, then question, then sudo
    terminal.type("y\n")
    terminal.expect(fresh_user.prompt)
    terminal.type(f"{fresh_user.password}\n")
    assert terminal.end() == 0, terminal.seen
    assert "Kept. 1 setting holds" in terminal.seen
    assert fresh_user.password not in terminal.seen
    assert SWAPPINESS.read_text().strip() == other


def test_three_wrong_passwords_are_no_permission(
    fresh_user: FreshUser, helper: Path, other: str
) -> None:
    fresh_user.may_use_the_helper(password=True)
    before = SWAPPINESS.read_text()
    terminal = fresh_user.on_terminal("apply", f"vm.swappiness={other}", "--yes")
    for attempt in range(3):
        terminal.expect(fresh_user.prompt)
        terminal.seen = ""
        terminal.type(f"wrong {attempt}\n")
    assert terminal.end() == 4, terminal.seen
    assert "sudo did not grant it" in terminal.seen
    assert SWAPPINESS.read_text() == before


def test_an_interrupt_at_the_prompt_is_130(fresh_user: FreshUser, helper: Path, other: str) -> None:
    fresh_user.may_use_the_helper(password=True)
    before = SWAPPINESS.read_text()
    terminal = fresh_user.on_terminal("apply", f"vm.swappiness={other}", "--yes")
    terminal.expect(fresh_user.prompt)
    terminal.type("\x03")
    assert terminal.end() == 130, terminal.seen
    assert "Traceback" not in terminal.seen
    assert SWAPPINESS.read_text() == before


def test_a_terminal_that_closes_at_the_prompt_changes_nothing(
    fresh_user: FreshUser, helper: Path, other: str
) -> None:
    fresh_user.may_use_the_helper(password=True)
    before = SWAPPINESS.read_text()
    terminal = fresh_user.on_terminal("apply", f"vm.swappiness={other}", "--yes")
    terminal.expect(fresh_user.prompt)
    terminal.hang_up()
    assert terminal.end() != 0
    assert SWAPPINESS.read_text() == before


def test_non_interactive_never_asks_even_on_a_terminal(
    fresh_user: FreshUser, helper: Path, other: str
) -> None:
    fresh_user.may_use_the_helper(password=True)
    terminal = fresh_user.on_terminal(
        "apply", f"vm.swappiness={other}", "--yes", "--non-interactive"
    )
    assert terminal.end() == 4, terminal.seen
    assert fresh_user.prompt not in terminal.seen


def test_no_is_an_answer(fresh_user: FreshUser, helper: Path, other: str) -> None:
    terminal = fresh_user.on_terminal("apply", f"vm.swappiness={other}")
    terminal.expect("[y/N]")
    terminal.type("\n")
    assert terminal.end() == 1
    assert "Nothing is written." in terminal.seen.splitlines()[-1]


def test_the_journal_is_read_directly_by_its_group(fresh_user: FreshUser, helper: Path) -> None:
    fresh_user.may_use_the_helper(password=False)
    fresh_user.json("journal")
    group = Path("/var/lib/aitune/journal.jsonl")
    if not group.exists():
        before = SWAPPINESS.read_text().strip()
        fresh_user.json("apply", f"vm.swappiness={(int(before) + 1) % 100}", "--yes")
        fresh_user.json("undo", "--yes")
    name = group.group()
    assert name in {"adm", "wheel"}
    fresh_user.may("")
    assert fresh_user.json("journal", expect=4)["code"] == "not-elevated"
    subprocess.run(["usermod", "-aG", name, fresh_user.name], check=True)
    try:
        assert fresh_user.json("journal")["damaged"] == 0
    finally:
        subprocess.run(
            ["gpasswd", "-d", fresh_user.name, name], check=True, stdout=subprocess.DEVNULL
        )


def test_the_helper_is_installed_and_removed_by_one_sudo(
    fresh_user: FreshUser, no_helper: None
) -> None:
    fresh_user.may(f"{fresh_user.name} ALL=(root) NOPASSWD: ALL")
    document = fresh_user.json("helper", "install", "--yes")
    place = Path(document["path"])
    assert place in elevation.HELPERS
    status = place.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (0, 0, 0o755)
    assert place.read_bytes() == bundle()
    assert (document["current"], document["sha256"]) == (True, bundle_sha256())
    assert document["sudo_rule"].endswith(f"/python3 -I -S -B {place}")
    assert fresh_user.json("helper", "status")["usable"] is True
    assert fresh_user.json("helper", "remove", "--yes")["installed"] is False
    assert not place.exists()
    assert not place.parent.exists()


def test_one_password_at_the_first_change_installs_the_helper(
    fresh_user: FreshUser, no_helper: None
) -> None:
    fresh_user.may(
        f"Defaults:{fresh_user.name} timestamp_timeout=0\n{fresh_user.name} ALL=(root) ALL"
    )
    terminal = fresh_user.on_terminal("helper", "install")
    terminal.expect("Install it? [y/N]")
    assert bundle_sha256() in terminal.seen
    terminal.type("y\n")
    terminal.expect(fresh_user.prompt)
    terminal.type(f"{fresh_user.password}\n")
    assert terminal.end() == 0, terminal.seen
    assert "is installed and reads back as sent." in terminal.seen
    assert installer.status().is_current


def test_a_helper_that_others_can_write_is_not_started(
    fresh_user: FreshUser, helper: Path, other: str
) -> None:
    fresh_user.may_use_the_helper(password=False)
    before = SWAPPINESS.read_text()
    helper.chmod(0o777)
    error = fresh_user.json("apply", f"vm.swappiness={other}", "--yes", expect=4)
    assert "0777" in error["message"]
    assert SWAPPINESS.read_text() == before
