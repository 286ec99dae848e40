"""Listening for disks takes no rights, and its absence no harm."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from aitune_backends.hotplug import UDEVD, Hotplug

if TYPE_CHECKING:
    from aitune_backends.hotplug import Source


@pytest.mark.parametrize("source", ["kernel", "udev", None])
def test_listening_works_and_nothing_is_waiting(source: Source | None) -> None:
    hotplug = Hotplug(source=source)
    if hotplug.source == "none":
        pytest.skip(hotplug.why_not)
    assert hotplug.fileno() >= 0
    assert select.select([hotplug.fileno()], [], [], 0) == ([], [], [])
    assert hotplug.poll() is False
    hotplug.close()
    assert hotplug.fileno() == -1


def test_the_source_follows_udevd() -> None:
    hotplug = Hotplug()
    if hotplug.source == "none":
        pytest.skip(hotplug.why_not)
    assert hotplug.source == ("udev" if UDEVD.exists() else "kernel")


_AS_NOBODY = """
import os
os.setgroups([]); os.setgid(65534); os.setuid(65534)
from aitune_backends.hotplug import Hotplug
hotplug = Hotplug(source="kernel")
assert hotplug.fileno() >= 0 or hotplug.why_not
print(hotplug.source, hotplug.why_not)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user is who runs the other tests")
def test_an_ordinary_user_may_listen() -> None:
    # Imported first: nobody may not be able to read this tree.
    script = "import pyudev, aitune_backends.hotplug\n" + _AS_NOBODY
    out = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert out.returncode == 0, out.stderr
    assert out.stdout.split()[0] in ("kernel", "none"), out.stdout


def test_without_libudev_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import pyudev

    def absent() -> None:
        raise ImportError("No library named udev")

    monkeypatch.setattr(pyudev, "Context", absent)
    called: list[int] = []
    hotplug = Hotplug(lambda: called.append(1))
    assert (hotplug.source, hotplug.fileno(), hotplug.poll(), called) == ("none", -1, False, [])
    assert "two seconds" in hotplug.why_not
