"""Installing and removing the helper by way of a sudo that stands in for the real one."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aitune_backends import installer
from aitune_backends.helper_bundle import bundle, bundle_sha256
from aitune_backends.helper_errors import HelperError, NotElevated
from aitune_helper.actions import ACTIONS
from aitune_helper.knobs import KNOBS

if TYPE_CHECKING:
    from collections.abc import Callable

SBIN = f"{os.environ['PATH']}:/usr/sbin:/sbin"

# Does what is asked, without making the file root's.
SUDO = """#!/bin/sh
printf '%s\\n' "$*" >> "$SUDO_LOG"
case "$SUDO_MODE" in refuse) exit 1;; esac
while [ "$1" != -- ]; do shift; done
shift
case "$1" in
    install) for last; do :; done
        mkdir -p "${last%/*}"
        if [ "$SUDO_MODE" = damage ]; then cat > /dev/null; echo x > "$last"; else cat > "$last"; fi
        chmod 755 "$last";;
    *) exec "$@";;
esac
"""


@pytest.fixture
def calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: Callable[[str, str], str]
) -> Callable[[], list[str]]:
    log = tmp_path / "log"
    monkeypatch.setenv("PATH", f"{program('sudo', SUDO)}:{os.environ['PATH']}")
    monkeypatch.setenv("SUDO_LOG", str(log))
    monkeypatch.setenv("SUDO_MODE", "")
    monkeypatch.setattr("aitune_backends.installer.os.geteuid", lambda: 1000)
    monkeypatch.setattr(installer, "unsafe", lambda file: "")
    return lambda: log.read_text().splitlines() if log.exists() else []


def test_one_sudo_install_with_the_bytes_on_its_stdin(
    calls: Callable[[], list[str]], tmp_path: Path
) -> None:
    place = tmp_path / "libexec/aitune/aitune-helper.pyz"
    assert installer.install(ask=True, to=place) == place
    assert place.read_bytes() == bundle()
    assert calls() == [
        "-p [aitune-tui] password for %p:  -- "
        f"install -D -o root -g root -m 0755 /dev/stdin {place}"
    ]
    found = installer.status((place,))
    assert found.is_current
    assert found.is_usable
    assert found.command[1:] == ("-I", "-S", "-B", str(place))
    assert installer.remove(ask=False, helpers=(place,)) == (place,)
    assert not place.parent.exists()
    assert calls()[1:] == [f"-n -- rm -f -- {place}",
                           f"-n -- rmdir --ignore-fail-on-non-empty -- {place.parent}"]  # fmt: skip
    assert installer.status((place,)).sentence == "not installed."


def test_what_arrives_otherwise_is_not_installed(
    calls: Callable[[], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "helper.pyz"
    monkeypatch.setenv("SUDO_MODE", "damage")
    with pytest.raises(HelperError) as caught:
        installer.install(ask=False, to=place)
    assert caught.value.code == "not-as-sent"
    assert calls()[0].startswith("-n -- install ")


def test_a_sudo_that_refuses_installs_nothing(
    calls: Callable[[], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_MODE", "refuse")
    for ask in (True, False):
        with pytest.raises(NotElevated):
            installer.install(ask=ask, to=tmp_path / "helper.pyz")
    assert len(calls()) == 2


def test_a_place_that_cannot_be_written_is_no_matter_of_rights(
    calls: Callable[[], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aitune_backends.installer.os.geteuid", lambda: 0)
    (tmp_path / "file").touch()
    with pytest.raises(HelperError, match="file") as caught:
        installer.install(ask=True, to=tmp_path / "file" / "helper.pyz")
    assert caught.value.code == "not-done"
    assert calls() == []


def test_the_target_is_the_first_safe_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staff, clean = tmp_path / "local", tmp_path / "usr"
    staff.mkdir()
    clean.mkdir()

    def unsafe(place: Path) -> str:
        return f"{staff} has mode 2775" if place == staff else ""

    monkeypatch.setattr(installer, "unsafe", unsafe)
    targets = (staff / "libexec/a/h.pyz", clean / "libexec/a/h.pyz")
    assert installer.target(targets) == targets[1]
    with pytest.raises(HelperError, match="2775"):
        installer.target(targets[:1])


def test_another_version_and_an_unsafe_file_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "helper.pyz"
    place.write_bytes(b"older")
    monkeypatch.setattr(installer, "unsafe", lambda file: "")
    found = installer.status((tmp_path / "none", place))
    assert (found.is_current, found.is_usable) == (False, True)
    assert "another version" in found.sentence
    assert found.own_sha256 == bundle_sha256()
    monkeypatch.setattr(installer, "unsafe", lambda file: "it has mode 0777")
    found = installer.status((place,))
    assert not found.is_usable
    assert found.sentence == f"{place} is not started: it has mode 0777."


def test_the_printed_rule_names_the_exact_command() -> None:
    command = ("/usr/bin/python3", "-I", "-S", "-B", "/usr/libexec/aitune/aitune-helper.pyz")
    assert installer.sudo_rule(command) == (
        "%aitune ALL=(root) NOPASSWD: "
        "/usr/bin/python3 -I -S -B /usr/libexec/aitune/aitune-helper.pyz"
    )


@pytest.mark.skipif(shutil.which("visudo", path=SBIN) is None, reason="this machine has no visudo")
def test_visudo_takes_the_printed_rule_and_no_broken_one() -> None:
    command = ("/usr/bin/python3", "-I", "-S", "-B", "/usr/libexec/aitune/aitune-helper.pyz")
    rule = installer.sudo_rule(command)
    assert installer.check_rule(rule) == ""
    assert "syntax error" in (installer.check_rule(rule.replace("(root)", "(root")) or "")


def test_without_visudo_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    assert installer.check_rule("%x ALL=(root) NOPASSWD: /bin/true") is None


def test_what_it_may_write_follows_from_the_tables() -> None:
    listed = installer.kernel_files()
    files = [*(knob.path for knob in KNOBS.values()), *(act.path for act in ACTIONS.values())]
    for path in files:
        general = re.sub(r"hugepages-\d+kB", "hugepages-*kB", path.replace("{instance}", "*"))
        assert general in listed or general.rpartition("/")[0] in listed, path
    assert all(line.startswith(("/proc/sys/", "/sys/")) for line in listed)
    assert len(listed) < 20, "an operator reads it before agreeing"
