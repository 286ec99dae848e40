"""Every test here leaves this kernel as it found it, and proves it.

One session at a time may run these tests on a machine. Before and after each test all settings that
we can write, and their neighbours, are read; a test after which one differs fails, whatever else it
said.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCK = Path(tempfile.gettempdir(), "aitune-kernel-tests.lock")
_QUEUE = ("scheduler", "nr_requests", "wbt_lat_usec", "nomerges", "rq_affinity", "iostats")
_ELSEWHERE = (
    "/sys/kernel/mm/transparent_hugepage/*/*enabled",
    "/sys/kernel/mm/transparent_hugepage/khugepaged/*",
    "/sys/kernel/mm/ksm/run",
    "/sys/kernel/mm/numa/demotion_enabled",
    "/sys/kernel/mm/mempolicy/weighted_interleave/node*",
    "/sys/kernel/mm/lru_gen/*",
    "/sys/module/zswap/parameters/*",
    "/sys/devices/system/cpu/cpu*/power/pm_qos_resume_latency_us",
    "/sys/devices/system/cpu/cpufreq/policy*/scaling_m*_freq",
    "/sys/kernel/mm/hugepages/*/nr_overcommit_hugepages",
)
# What the kernel counts or adjusts by itself.
_NOT_OURS = {"stat_refresh", "nr_hugepages_mempolicy", "pages_collapsed", "full_scans"}
_SETTLE_S = 3.0


@pytest.fixture(scope="session", autouse=True)
def _one_session_at_a_time() -> Iterator[None]:
    fd = os.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    yield
    os.close(fd)


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    before = settings()
    yield
    give_up = time.monotonic() + _SETTLE_S
    while True:
        now = settings()
        changed = {
            path: (text, now[path])
            for path, text in before.items()
            if path in now and now[path] != text
        }
        if not changed:
            return
        if time.monotonic() > give_up:
            pytest.fail(f"settings of this kernel were left changed (before, now): {changed}")
        time.sleep(0.05)


def settings() -> dict[str, str]:
    """Every setting by its path; read-ahead by the disk's sequence number: attaching sets it."""
    found = {}
    for folder in ("/proc/sys/vm", "/sys/kernel/mm/transparent_hugepage"):
        for path in Path(folder).iterdir():
            if path.is_file() and path.name not in _NOT_OURS:
                found[str(path)] = _text(path)
    for pattern in _ELSEWHERE:
        for path in Path("/").glob(pattern[1:]):
            if path.name not in _NOT_OURS:
                found[str(path)] = _text(path)
    for path in Path("/sys/kernel/mm/hugepages").glob("*/nr_hugepages"):
        found[str(path)] = _text(path)
    for path in Path("/sys/devices/system/node").glob("node*/hugepages/*/nr_hugepages"):
        found[str(path)] = _text(path)
    for disk in Path("/sys/block").iterdir():
        number = _text(disk / "diskseq")
        for name in _QUEUE:
            found[str(disk / "queue" / name)] = _text(disk / "queue" / name)
        found[f"{disk.name} {number} read_ahead_kb"] = _text(disk / "queue/read_ahead_kb")
    numa = Path("/proc/sys/kernel/numa_balancing")
    return {**found, str(numa): _text(numa)}


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
