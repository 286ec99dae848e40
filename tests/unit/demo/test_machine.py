"""Opening this machine, a capture, the demo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aitune_backends import machine
from aitune_backends.host import HostError
from aitune_backends.machine import open_machine

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    (tmp_path / "proc/sys/kernel").mkdir(parents=True)
    (tmp_path / "proc/sys/kernel/hostname").write_text("far-away\n")
    (tmp_path / "proc/meminfo").write_text("MemTotal:  1048576 kB\nMemFree:  524288 kB\n")
    return tmp_path


def test_the_demo_is_a_machine_with_a_helper() -> None:
    with open_machine(demo=True) as demo:
        assert demo.origin == "demo"
        assert demo.identity.name == "gpu-node-07"
        assert (demo.identity.cpus, demo.identity.nodes) == (64, (0, 1))
        assert len(demo.identity.gpus) == 8
        assert demo.identity.container == ""
        assert demo.link is not None
        assert demo.why_not_writable == ""
        assert demo.advance is not None
        before = demo.host.read("/sys/block/nvme0n1/stat")
        demo.advance(1)
        assert demo.host.read("/sys/block/nvme0n1/stat") != before
    assert not demo.host.root.exists()


def test_a_capture_is_only_looked_at(capture: Path) -> None:
    with open_machine(root=str(capture)) as found:
        assert found.origin == "capture"
        assert found.identity.name == "far-away"
        assert found.link is None
        assert found.why_not_writable == machine.NOT_A_CAPTURE
        assert found.advance is None


def test_this_machine_has_its_helper() -> None:
    with open_machine() as here:
        assert here.origin == "live"
        assert here.link is not None
        assert here.why_not_writable == ""


def test_this_machine_given_as_a_root_is_only_looked_at() -> None:
    with open_machine(root="/") as here:
        assert here.origin == "live"
        assert here.link is None
        assert here.why_not_writable == machine.ROOT_IS_ONLY_LOOKED_AT


def test_readonly_leaves_the_helper_out() -> None:
    with open_machine(demo=True, readonly=True) as demo:
        assert demo.link is None
        assert demo.why_not_writable == machine.READ_ONLY


def test_no_machine_there(tmp_path: Path) -> None:
    with pytest.raises(HostError):
        open_machine(root=str(tmp_path / "nothing"))
