"""Files land where their owner can find them again, and never in another user's home."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from aitune_backends.places import UserPlaces, user_places

SOMEBODY = next(entry for entry in pwd.getpwall() if entry.pw_uid not in {0, os.geteuid()})
NO_SUCH_UID = 3_999_999_999


def test_root_uses_the_machines_own_places() -> None:
    places = user_places(0, {})
    assert places.results == Path("/var/lib/aitune/results.db")
    assert places.config_files == (Path("/etc/aitune-tui/config.toml"),)
    assert places.profile_folders == (Path("/etc/aitune-tui/profiles"),)


def test_under_sudo_home_and_xdg_are_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/caller")
    monkeypatch.setenv("XDG_STATE_HOME", "/home/caller/state")
    places = user_places(SOMEBODY.pw_uid, {"SUDO_UID": "1000", "HOME": "/home/caller"})
    assert places.state == Path(SOMEBODY.pw_dir) / ".local/state/aitune-tui"
    assert places.config == Path(SOMEBODY.pw_dir) / ".config/aitune-tui"


def test_an_ordinary_user_gets_the_xdg_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: SOMEBODY.pw_uid)
    monkeypatch.setenv("XDG_STATE_HOME", "/x/state")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/x/config")
    places = user_places(environ={"HOME": "/x"})
    assert places.log == Path("/x/state/aitune-tui/log")
    assert places.profile_folders == (
        Path("/x/config/aitune-tui/profiles"),
        Path("/etc/aitune-tui/profiles"),
    )


def test_a_uid_without_passwd_entry_has_a_place_too() -> None:
    assert user_places(NO_SUCH_UID, {"SUDO_UID": "0"}).state == Path(
        f"/run/user/{NO_SUCH_UID}/aitune-tui"
    )


def test_state_is_made_on_demand_and_private(tmp_path: Path) -> None:
    places = UserPlaces(tmp_path / "a/b", tmp_path / "config")
    assert places.make_state().stat().st_mode & 0o777 == 0o700
    assert places.make_state() == tmp_path / "a/b"
