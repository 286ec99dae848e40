"""The helper of another version, replaced by one key; and one that is removed with what it left."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import shutil
import struct
import subprocess
import termios
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import textual

from aitune_backends import elevation, installer
from aitune_backends.helper_bundle import bundle, bundle_sha256
from aitune_backends.installer import DROP_INS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kernel.fresh_user import FreshUser

pytest_plugins = ("tests.kernel.fresh_user",)

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="installs and removes the helper"),
]

SWAPPINESS = Path("/proc/sys/vm/swappiness")
SYSCTL = DROP_INS[0]
OWNED = Path("/var/lib/aitune/owned.json")
# What the dashboard needs besides the command line; each may be absent.
_DRAWING = ("textual", "plotext", "linkify_it", "mdit_py_plugins", "uc_micro")


@pytest.fixture
def screen_library(library: Path) -> Path:
    """The packages that draw, besides those of the command line."""
    for name in _DRAWING:
        spec = importlib.util.find_spec(name)
        if spec is None or (library / name).exists():
            continue
        folder = Path(str(spec.origin)).parent
        shutil.copytree(folder, library / name, ignore=shutil.ignore_patterns("__pycache__"))
    # Textual asks for its own version.
    for info in Path(textual.__file__).parent.parent.glob("textual-*.dist-info"):
        with contextlib.suppress(FileExistsError):
            shutil.copytree(info, library / info.name)
    subprocess.run(["chmod", "-R", "a+rX", str(library)], check=True)
    return library


@pytest.fixture
def boot_files() -> Iterator[None]:
    """No file of ours sets anything at boot, before and after."""
    if any(file.exists() for file in DROP_INS):
        pytest.skip("this machine has settings of ours at boot")
    owned = OWNED.read_bytes() if OWNED.exists() else None
    try:
        yield
    finally:
        for file in DROP_INS:
            file.unlink(missing_ok=True)
        OWNED.unlink(missing_ok=True)
        if owned is not None:
            OWNED.write_bytes(owned)


@pytest.fixture
def swappiness() -> Iterator[str]:
    """A value that is not the one there now, which comes back."""
    before = SWAPPINESS.read_text()
    yield str((int(before) + 7) % 100)
    if SWAPPINESS.read_text() != before:
        SWAPPINESS.write_text(before)


def test_one_key_replaces_a_helper_of_another_version(
    fresh_user: FreshUser, no_helper: None, screen_library: Path
) -> None:
    place = installer.target()
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"# of an earlier day\n" + bundle())  # the same code, so that it starts
    place.chmod(0o755)
    assert not installer.status().is_current
    fresh_user.may(f"{fresh_user.name} ALL=(root) NOPASSWD: ALL")
    fresh_user.environment["COLORTERM"] = "truecolor"
    terminal = fresh_user.on_terminal()
    size = struct.pack("4H", 40, 120, 0, 0)
    fcntl.ioctl(terminal._fd, termios.TIOCSWINSZ, size)
    terminal.expect("Memory & huge pages")
    terminal.type("H")  # reads the journal, which starts the helper
    terminal.expect("The root helper that is installed is of another version")
    assert place.read_bytes() != bundle(), "nothing is replaced by itself"
    terminal.seen = ""
    terminal.type("w")
    terminal.expect("The helper is installed")
    assert elevation.digest(place) == bundle_sha256()
    terminal.type("q")
    assert terminal.end() == 0, terminal.seen[-2000:]


def test_status_has_its_rule_checked(fresh_user: FreshUser, helper: Path) -> None:
    document = fresh_user.json("helper", "status")
    assert document["sudo_rule_checked"] is (True if shutil.which("visudo") else None)
    said = fresh_user.run("helper", "status").stdout
    assert "visudo takes it." in said or "no visudo here" in said


def test_the_self_test_says_every_layer_and_attempt(fresh_user: FreshUser, helper: Path) -> None:
    fresh_user.may_use_the_helper(password=False)
    tested = fresh_user.json("helper", "status", "--self-test")["self_test"]
    assert tested["held"] is True
    assert {"capabilities", "no_new_privs", "seccomp"} <= {one["name"] for one in tested["layers"]}
    assert len(tested["attempts"]) > 20
    assert all(one["held"] for one in tested["attempts"])


def test_a_self_test_without_rights_is_no_helper(fresh_user: FreshUser, helper: Path) -> None:
    error = fresh_user.json("helper", "status", "--self-test", expect=4)
    assert error["code"] == "not-elevated"


def test_removing_puts_back_what_is_on_trial_and_takes_our_files(
    fresh_user: FreshUser, helper: Path, boot_files: None, swappiness: str
) -> None:
    fresh_user.may(f"{fresh_user.name} ALL=(root) NOPASSWD: ALL")
    before = SWAPPINESS.read_text()
    kept = fresh_user.json("apply", f"vm.swappiness={before.strip()}", "--persist", "--yes")
    assert kept["files"] == [str(SYSCTL)]
    trial = fresh_user.json("apply", f"vm.swappiness={swappiness}", "--try", "600", "--yes")
    assert SWAPPINESS.read_text().strip() == swappiness
    result = fresh_user.run("helper", "remove", "--yes")
    assert result.returncode == 0, result.stderr
    assert f"Puts back trial {trial['trial']['number']} of {fresh_user.name}" in result.stdout
    assert "Put back. vm.swappiness is as it was" in result.stdout
    assert SWAPPINESS.read_text() == before
    assert not SYSCTL.exists()
    assert not helper.exists()


def test_what_was_edited_by_hand_is_left_and_named(
    fresh_user: FreshUser, helper: Path, boot_files: None
) -> None:
    fresh_user.may(f"{fresh_user.name} ALL=(root) NOPASSWD: ALL")
    before = SWAPPINESS.read_text().strip()
    fresh_user.json("apply", f"vm.swappiness={before}", "--persist", "--yes")
    SYSCTL.write_text(SYSCTL.read_text() + "# mine\n")
    document = fresh_user.json("helper", "remove", "--yes")
    assert document["leftovers"] == [str(SYSCTL)]
    assert document["taken_out"] == []
    assert SYSCTL.read_text().endswith("# mine\n")
    assert not helper.exists()
