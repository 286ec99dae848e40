"""Disks that come and go on this kernel are seen within two seconds, with and without udevd."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aitune_backends.host import Host
from aitune_backends.hotplug import UDEVD, Hotplug
from aitune_backends.sampler import Sampler

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="plugs disks: needs root"),
]
SOON_S = 2.0


@pytest.fixture
def hotplug() -> Iterator[Hotplug]:
    listener = Hotplug()
    if listener.source == "none":
        pytest.skip(listener.why_not)
    yield listener
    listener.close()


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[str]:
    """A free loop device, let go afterwards whatever happened."""
    if shutil.which("losetup") is None:
        pytest.skip("no `losetup` on this machine")
    (tmp_path / "disk").write_bytes(bytes(4 << 20))
    found = subprocess.run(["losetup", "-f"], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        pytest.skip(f"no loop device here: {found.stderr.strip()}")
    device = found.stdout.strip()
    yield device
    subprocess.run(["losetup", "-d", device], capture_output=True, check=False)
    assert Path(f"/sys/block/{Path(device).name}/size").read_text() == "0\n"


def attach(device: str, file: Path) -> None:
    done = subprocess.run(["losetup", device, file], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no loop device can be attached here: {done.stderr.strip()}")


def heard(hotplug: Hotplug, within_s: float = SOON_S) -> bool:
    """Whether news comes in time; ends as soon as it does."""
    until = time.monotonic() + within_s
    while (left := until - time.monotonic()) > 0:
        if select.select([hotplug.fileno()], [], [], left)[0] and hotplug.poll():
            return True
    return False


def test_a_message_of_the_kernel_is_heard(hotplug: Hotplug) -> None:
    disk = next(iter(sorted(Path("/sys/block").iterdir())))
    called: list[int] = []
    hotplug._callback = lambda: called.append(1)
    (disk / "uevent").write_text("change")  # tells again what is; changes nothing
    assert heard(hotplug)
    assert called == [1]
    assert hotplug.poll() is False


def test_a_disk_that_is_plugged_is_in_the_next_sample(
    hotplug: Hotplug, loop: str, tmp_path: Path
) -> None:
    name = Path(loop).name
    sampler = Sampler(Host())
    assert name not in [disk.name for disk in sampler.sample().disks]
    attach(loop, tmp_path / "disk")
    assert heard(hotplug)
    sampler.refresh()
    disk = next(disk for disk in sampler.sample().disks if disk.name == name)
    assert disk.size == 4 << 20
    assert disk.schedulers == () or disk.scheduler in disk.schedulers

    while hotplug.poll():
        pass
    subprocess.run(["losetup", "-d", loop], check=True)
    assert heard(hotplug)
    sampler.refresh()
    assert name not in [disk.name for disk in sampler.sample().disks]
    sampler.close()


def test_without_any_message_two_seconds_are_enough(loop: str, tmp_path: Path) -> None:
    now = 0.0
    name = Path(loop).name
    sampler = Sampler(Host(), clock=lambda: now)
    sampler.sample()
    attach(loop, tmp_path / "disk")
    now = SOON_S
    assert name in [disk.name for disk in sampler.sample().disks]
    sampler.close()


def test_what_is_written_to_a_disk_is_its_rate(loop: str, tmp_path: Path) -> None:
    attach(loop, tmp_path / "disk")
    now = 0.0
    name = Path(loop).name
    sampler = Sampler(Host(), clock=lambda: now)
    sampler.sample()
    now = 1.0
    sampler.sample()
    fd = os.open(loop, os.O_RDWR | os.O_DIRECT | os.O_SYNC)
    try:
        with memoryview(_aligned(1 << 20)) as data:
            os.write(fd, data)
    finally:
        os.close(fd)
    now = 3.0
    disk = next(disk for disk in sampler.sample().disks if disk.name == name)
    assert disk.write_rate == (1 << 20) / 2.0
    sampler.close()


def _aligned(size: int):  # type: ignore[no-untyped-def]  # noqa: ANN202 - an mmap
    import mmap

    return mmap.mmap(-1, size)


_FOREIGN_ROOT = """
import sys
from aitune_backends.host import open_host
from aitune_backends.machine import open_machine
from aitune_backends.sampler import Sampler
with open_host(sys.argv[1]) as host:
    assert host.origin == "live", host.origin
    assert not host.is_this_machine
    sample = Sampler(host).sample()
    assert sample.memory is not None and sample.cpus
with open_machine(root=sys.argv[1]) as machine:
    assert machine.link is None and machine.why_not_writable
    print(machine.host.label)
"""


def test_live_trees_mounted_elsewhere_are_sampled_live_and_only_looked_at(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "sys").mkdir()
    mounts = f"mount -t proc proc {tmp_path}/proc && mount --rbind /sys {tmp_path}/sys"
    check = subprocess.run(
        ["unshare", "-m", "sh", "-c", f'{mounts} || exit 77; exec "$@"', "sh",
         sys.executable, "-c", _FOREIGN_ROOT, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    if check.returncode == 77:
        pytest.skip(f"nothing can be mounted here: {check.stderr.strip()}")
    assert check.returncode == 0, check.stderr
    assert "the live machine below" in check.stdout


@pytest.mark.skipif(not UDEVD.exists(), reason="no udevd runs on this machine")
def test_with_udevd_its_messages_are_heard(hotplug: Hotplug) -> None:
    assert hotplug.source == "udev"
