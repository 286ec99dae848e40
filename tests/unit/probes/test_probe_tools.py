"""What we read of this machine beside what other tools read of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import psutil
import pytest

from aitune_backends.host import Host
from aitune_backends.identity import read_identity
from aitune_backends.probes.block import disk_names, read_disk
from aitune_backends.probes.meminfo import memory, parse_meminfo
from aitune_backends.readings import Memory

# Between two tools' readings memory moves; a fiftieth of the machine is more than it does here.
SHARE = 0.02


def _memory() -> Memory:
    seen = memory(parse_meminfo(Host().read("/proc/meminfo")))
    assert seen is not None
    return seen


def test_memory_is_what_psutil_reads() -> None:
    theirs, ours = psutil.virtual_memory(), _memory()
    assert ours.total == theirs.total
    near = SHARE * ours.total
    assert ours.available == pytest.approx(theirs.available, abs=near)
    assert ours.free == pytest.approx(theirs.free, abs=near)
    assert ours.shared == pytest.approx(theirs.shared, abs=near)
    assert ours.swap_total == psutil.swap_memory().total


@pytest.mark.skipif(shutil.which("free") is None, reason="no `free` on this machine")
def test_memory_is_what_free_reads() -> None:
    out = subprocess.run(
        ["free", "-b", "-w"], capture_output=True, text=True, check=True, env={"LC_ALL": "C"}
    ).stdout
    total, _used, free, shared, buffers, cache, available = (
        int(number) for number in out.splitlines()[1].split()[1:]
    )
    ours = _memory()
    near = SHARE * total
    assert ours.total == total
    assert ours.free == pytest.approx(free, abs=near)
    # free's cache counts shared memory in; ours does not, since it cannot be given up.
    assert ours.cache == pytest.approx(buffers + cache - shared, abs=near)
    assert ours.available == pytest.approx(available, abs=near)


def test_cpus_are_those_psutil_counts() -> None:
    assert read_identity(Host()).cpus >= (psutil.cpu_count() or 1)


@pytest.mark.skipif(shutil.which("lsblk") is None, reason="no `lsblk` on this machine")
def test_disks_are_those_lsblk_lists() -> None:
    out = subprocess.run(
        ["lsblk", "-J", "-b", "-d", "-o", "NAME,SIZE,ROTA,SCHED,RQ-SIZE,RA,TYPE"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    theirs = {
        disk["name"]: disk
        for disk in json.loads(out or '{"blockdevices": []}')["blockdevices"]
        if disk["type"] in ("disk", "loop") and int(disk["size"]) > 0
    }
    host = Host()
    ours = {name: read_disk(host, host.read, name) for name in disk_names(host)}
    assert {name for name in ours if not name.startswith(("dm-", "md"))} == set(theirs)
    for name, disk in theirs.items():
        assert ours[name].size == int(disk["size"])
        assert ours[name].rotational == bool(disk["rota"])
        assert ours[name].read_ahead_kib == int(disk["ra"])
        if disk["sched"]:
            assert (ours[name].scheduler or "none") == disk["sched"]
            assert ours[name].nr_requests == int(disk["rq-size"])


def test_the_kernel_is_the_one_that_runs() -> None:
    assert read_identity(Host()).kernel == os.uname().release
