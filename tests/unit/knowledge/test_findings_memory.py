"""What the kernel has counted since it booted, and what a machine gives away now."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aitune_backends.findings import since_boot, wasted
from aitune_backends.findings.pci import read_devices
from aitune_backends.findings.since_boot import Counted, judge, read_counted
from tests.unit.knowledge.findings_trees import GIB, GPU, by_id, device, memory, nodes, tree

if TYPE_CHECKING:
    from pathlib import Path

HOUR = 3600.0
QUIET = Counted(seconds=100 * HOUR, total=64 * GIB, watermark=10, read=10 * GIB)


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        (Counted(), {}),
        (QUIET, {}),
        (replace(QUIET, killed=1), {"oom-kills": "problem"}),
        (replace(QUIET, stalls=6000), {"allocation-stalls": "warning"}),
        (replace(QUIET, stalls=5999), {}),
        (replace(QUIET, stalls=999, seconds=60.0), {}),
        (replace(QUIET, stalls=1000, seconds=60.0), {"allocation-stalls": "warning"}),
        # As much as all of memory, and a quarter of what was read.
        (
            replace(QUIET, refaults=64 * GIB // 4096, read=256 * GIB),
            {"read-again": "warning"},
        ),
        (replace(QUIET, refaults=64 * GIB // 4096 - 1, read=100 * GIB), {}),
        (replace(QUIET, refaults=64 * GIB // 4096, read=257 * GIB), {}),
        (replace(QUIET, huge=500, fallen_back=500), {"thp-fallback": "info"}),
        (replace(QUIET, huge=501, fallen_back=500), {}),
        (replace(QUIET, huge=0, fallen_back=999), {}),
    ],
)
def test_counters(counted: Counted, expected: dict[str, str]) -> None:
    got = by_id(judge(counted))
    assert {name: found.severity for name, found in got.items()} == expected


@pytest.mark.parametrize(
    ("watermark", "plan"),
    [
        (10, "aitune-tui plan vm.watermark_scale_factor=50"),
        (50, ""),
        (200, ""),
        (None, ""),
    ],
)
def test_the_plan_against_stalls(watermark: int | None, plan: str) -> None:
    found = by_id(judge(replace(QUIET, stalls=9000, watermark=watermark)))["allocation-stalls"]
    assert found.plan == plan
    assert ("raised already" in found.hint) is (not plan)


def test_the_counters_are_read_from_vmstat(tmp_path: Path) -> None:
    host = tree(
        tmp_path / "m",
        memory(64 * GIB),
        {
            "/proc/vmstat": "oom_kill 2\nallocstall_normal 3\nallocstall_movable 4\n"
            "workingset_refault_file 5\nworkingset_refault_anon 9\npgpgin 6\n"
            "thp_fault_alloc 7\nthp_fault_fallback 8\nevil \x1b[2J\nx -1\nbig 99999999999999999999",
            "/proc/uptime": "7201.05 1.00",
            "/proc/sys/vm/watermark_scale_factor": "10",
        },
    )
    assert read_counted(host) == Counted(7201.0, 64 * GIB, 10, 2, 7, 5, 6144, 7, 8)
    told = by_id(since_boot.findings(host))["oom-kills"].sentence
    assert "2 processes" in told
    assert "since boot 2 hours ago" in told
    assert read_counted(tree(tmp_path / "none", {"/proc/uptime": "[b]"})) == Counted()


POOL = "/sys/kernel/mm/hugepages/hugepages-2048kB"


def pool(total: int, free: int, reserved: int) -> dict[str, str]:
    return {
        f"{POOL}/nr_hugepages": str(total),
        f"{POOL}/free_hugepages": str(free),
        f"{POOL}/resv_hugepages": str(reserved),
    }


KSM = "/sys/kernel/mm/ksm"
SWAPS = "Filename\tType\tSize\tUsed\tPriority\n"
MODE2 = {"/proc/sys/vm/overcommit_memory": "2"}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, {}),
        (pool(64, 64, 0), {"huge-pages-idle": "info"}),
        (pool(6400, 6400, 0), {"huge-pages-idle": "warning"}),
        (pool(64, 63, 0), {}),
        (pool(64, 64, 1), {}),  # promised to somebody
        (pool(0, 0, 0), {}),
        (
            {**memory(CommitLimit=10 * GIB, Committed_AS=9 * GIB), **MODE2},
            {"commit-limit": "problem"},
        ),
        ({**memory(CommitLimit=10 * GIB, Committed_AS=8 * GIB), **MODE2}, {}),
        (memory(CommitLimit=10 * GIB, Committed_AS=99 * GIB), {}),
        ({"/proc/sys/vm/min_free_kbytes": str(4 << 20)}, {"min-free": "warning"}),
        ({"/proc/sys/vm/min_free_kbytes": str(1 << 20)}, {}),
        ({"/proc/sys/vm/zone_reclaim_mode": "1", **nodes("0-1")}, {"zone-reclaim": "warning"}),
        ({"/proc/sys/vm/zone_reclaim_mode": "1", **nodes("0")}, {}),
        ({"/proc/sys/vm/zone_reclaim_mode": "0", **nodes("0-1")}, {}),
        (
            {"/proc/swaps": f"{SWAPS}/dev/sda2 partition 99999999 {1 << 20} -2"},
            {"swapped": "warning"},
        ),
        ({"/proc/swaps": f"{SWAPS}/dev/sda2 partition 99999999 {1 << 18} -2"}, {}),
        ({"/proc/swaps": f"{SWAPS}/dev/zram0 partition 99999999 {9 << 20} 100"}, {}),
        ({f"{KSM}/run": "1", f"{KSM}/full_scans": "5"}, {"ksm": "warning"}),
        ({f"{KSM}/run": "1", f"{KSM}/full_scans": "5", f"{KSM}/pages_sharing": "9"}, {}),
        (
            {
                f"{KSM}/run": "1",
                f"{KSM}/pages_sharing": "9",
                **device("00:01.0 01:00.0", GPU),
            },
            {"ksm": "info"},
        ),
        ({f"{KSM}/run": "0", f"{KSM}/full_scans": "5"}, {}),
        (memory(Dirty=3 * GIB, Writeback=2 * GIB), {"dirty": "info"}),
        (memory(Dirty=3 * GIB), {}),
        (memory(1024 * GIB, Dirty=5 * GIB), {}),
    ],
)
def test_what_is_given_away(
    tmp_path: Path, files: dict[str, str], expected: dict[str, str]
) -> None:
    host = tree(tmp_path / "m", {**memory(), **files})
    got = by_id(wasted.findings(host, read_devices(host)))
    assert {name: found.severity for name, found in got.items()} == expected


@pytest.mark.parametrize(
    ("files", "name", "plan"),
    [
        (pool(64, 64, 0), "huge-pages-idle", "hugepages.2048kB=0"),
        (
            {"/proc/sys/vm/zone_reclaim_mode": "1", **nodes("0-1")},
            "zone-reclaim",
            "vm.zone_reclaim_mode=0",
        ),
        ({f"{KSM}/run": "1", f"{KSM}/full_scans": "5"}, "ksm", "ksm.run=0"),
        (
            {**memory(CommitLimit=10 * GIB, Committed_AS=9 * GIB), **MODE2},
            "commit-limit",
            "vm.overcommit_memory=0",
        ),
        (
            {
                "/proc/swaps": f"{SWAPS}/dev/sda2 partition 99999999 {1 << 20} -2",
                "/proc/sys/vm/swappiness": "60",
            },
            "swapped",
            "vm.swappiness=10",
        ),
    ],
)
def test_the_plan_that_mends_it(
    tmp_path: Path, files: dict[str, str], name: str, plan: str
) -> None:
    host = tree(tmp_path / "m", {**memory(), **files})
    assert by_id(wasted.findings(host, ()))[name].plan == f"aitune-tui plan {plan}"


def test_a_low_swappiness_is_not_lowered_again_and_a_spinning_disk_is_named(tmp_path: Path) -> None:
    host = tree(
        tmp_path / "m",
        memory(),
        {
            "/proc/swaps": f"{SWAPS}/dev/sda2 partition 99999999 {1 << 20} -2",
            "/proc/sys/vm/swappiness": "10",
            "/sys/block/sda/queue/rotational": "1",
        },
    )
    found = by_id(wasted.findings(host, ()))["swapped"]
    assert found.plan == ""
    assert "/dev/sda2, a disk that spins" in found.sentence
