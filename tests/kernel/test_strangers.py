"""An account without any right, while a trial is open: it reads what is public, and no more."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.kernel.test_sudo_rights import as_root, other
from tests.kernel.waiting import until

from aitune_helper.places import Places

if TYPE_CHECKING:
    from tests.kernel.fresh_user import FreshUser

__all__ = ["other"]

# Its fixtures; loaded once however many files ask for it.
pytest_plugins = ("tests.kernel.fresh_user",)

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="makes an account and a trial"),
]

# Tries each way in, and prints by its name what came of it.
TRY = """
import fcntl, json, os, socket
places = json.loads(PLACES)
def connect(path):
    socket.socket(socket.AF_UNIX).connect(path)
def connect_datagram(path):
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).connect(path)
def hold(path):
    fcntl.flock(os.open(path, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
ways = {
    "read public": lambda: open(places["public"]).read(),
    "read record": lambda: open(places["trial"]).read(),
    "read journal": lambda: open(places["journal"]).read(),
    "hold lock": lambda: hold(places["lock"]),
    "hold guard lock": lambda: hold(places["guard_lock"]),
    "stream": lambda: connect(places["guard_socket"]),
    "datagram": lambda: connect_datagram(places["guard_socket"]),
    "list private": lambda: os.listdir(places["private"]),
    "plant link": lambda: os.symlink("/etc/shadow", places["run"] + "/planted"),
    "plant temporary": lambda: open(places["public"] + ".new", "w"),
    "replace public": lambda: os.unlink(places["public"]),
    "write public": lambda: open(places["public"], "a"),
    "plant in state": lambda: os.link(places["public"], places["state"] + "/planted"),
}
said = {}
for name, way in ways.items():
    try:
        way()
        said[name] = "done"
    except OSError as error:
        said[name] = type(error).__name__
print(json.dumps(said))
"""


def test_a_stranger_reads_what_is_public_and_reaches_nothing_else(
    fresh_user: FreshUser, other: str
) -> None:
    here = Places()
    trial = as_root("apply", f"vm.swappiness={other}", "--try", "600")["trial"]
    try:
        names = ("public", "trial", "journal", "lock", "guard_lock", "guard_socket", "private")
        paths = {name: getattr(here, name) for name in (*names, "run", "state")}
        until(lambda: Path(here.trial).exists())
        done = fresh_user.run(code=TRY.replace("PLACES", repr(json.dumps(paths))))
        said = json.loads(done.stdout)
        assert said.pop("read public") == "done", done.stderr
        assert set(said.values()) == {"PermissionError"}, said
        public = json.loads(Path(here.public).read_text())
        assert public["pending"]["id"] == trial["id"]
    finally:
        as_root("revert", str(trial["number"]))


def test_nothing_listens_and_nothing_is_set_user_id(helper: Path) -> None:
    """The only way in is to be started: no socket of ours, no bit that gives rights away."""
    assert helper.stat().st_mode & 0o7000 == 0
    for folder in (
        helper.parent,
        Path(Places().run),
        Path(Places().state),
        Path("/run/aitune-bin"),
    ):
        for file in folder.rglob("*"):
            mode = file.lstat().st_mode
            assert mode & 0o6000 == 0, file
            assert mode & 0o002 == 0 or file.is_symlink(), file
