"""Each parser on text that kernels really print."""

from __future__ import annotations

import errno

import pytest

from aitune_backends.identity import (
    parse_container_cgroup,
    parse_container_variable,
    parse_gpu,
    parse_version,
)
from aitune_backends.probes.block import parse_block_stat
from aitune_backends.probes.cpufreq import OFFLINE, parse_khz, read_policy
from aitune_backends.probes.cpus import CpuTimes, busy, parse_stat
from aitune_backends.probes.meminfo import memory, parse_meminfo
from aitune_backends.probes.numbers import cpu_list, natural, parse_cpu_list, parse_int
from aitune_backends.probes.pressure import parse_pressure, pressure
from aitune_backends.watch import parse_io, parse_maps, parse_position

MEMINFO = """\
MemTotal:        2030048 kB
MemFree:          900000 kB
MemAvailable:    1500000 kB
Buffers:           10000 kB
Cached:           500000 kB
SwapCached:            0 kB
Active(anon):     123456 kB
Shmem:              4000 kB
SReclaimable:      20000 kB
AnonPages:        200000 kB
CommitLimit:     1015024 kB
Committed_AS:     300000 kB
HugePages_Total:      64
HugePages_Free:       60
HugePages_Rsvd:        4
HugePages_Surp:        0
Hugepagesize:       2048 kB
Hugetlb:          131072 kB
"""


def test_memory_is_in_bytes_and_its_four_parts_make_up_the_whole() -> None:
    fields = parse_meminfo(MEMINFO)
    assert fields["HugePages_Total"] == 64
    assert fields["Active(anon)"] == 123456 * 1024
    seen = memory(fields)
    assert seen is not None
    assert seen.total == 2030048 * 1024
    assert seen.cache == (10000 + 500000 + 20000 - 4000) * 1024
    assert seen.huge_pages == 64 * 2 << 20
    assert seen.used + seen.cache + seen.huge_pages + seen.free == seen.total


def test_a_kernel_without_hugetlb_total_counts_the_default_size() -> None:
    fields = parse_meminfo(MEMINFO)
    del fields["Hugetlb"]
    seen = memory(fields)
    assert seen is not None
    assert seen.huge_pages == 64 * 2 << 20


def test_no_total_is_no_memory() -> None:
    assert memory(parse_meminfo("MemFree: 12 kB\n")) is None
    assert memory({"MemTotal": 5}) is not None


def test_pressure_as_the_kernel_prints_it() -> None:
    text = (
        "some avg10=0.40 avg60=0.20 avg300=0.10 total=123456\n"
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=99\n"
    )
    lines = parse_pressure(text)
    assert lines["some"].avg10 == 0.4
    assert lines["full"].total_us == 99
    seen = pressure(text, "", "some avg10=1.00 avg60=0.00 avg300=0.00 total=5\n")
    assert seen.io_some is None
    assert seen.cpu_some is not None


STAT_1 = b"""cpu  10 0 10 180 0 0 0 0 0 0
cpu0 5 0 5 90 0 0 0 0 0 0
cpu1 5 0 5 90 0 0 0 0 0 0
intr 5
"""
STAT_2 = b"""cpu  60 0 60 270 10 0 0 0 0 0
cpu0 5 0 5 180 10 0 0 0 0 0
cpu1 55 0 55 90 0 0 0 0 0 0
intr 6
"""


def test_busy_is_what_was_not_idle() -> None:
    assert parse_stat(STAT_1) == CpuTimes(200, (0, 1), (90, 90))
    assert busy(parse_stat(STAT_1), parse_stat(STAT_2)) == {0: 0.0, 1: 1.0}


def test_a_cpu_that_came_meanwhile_has_no_share_yet() -> None:
    one = b"cpu  10 0 10 90 0 0 0 0 0 0\ncpu0 10 0 10 90 0 0 0 0 0 0\nintr 1\n"
    assert set(busy(parse_stat(one), parse_stat(STAT_2))) == {0}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"garbage \xff\x00 cpu0",
        b"cpu  1 2 3 4\ncpu0 1 2 3 4\n",  # 2.4 had four fields
        b"cpu  5 0 5 90 0 0 0 0 0 0\ncpu3 5 0 5 90 0 0 0 0 0 0\nintr 5\n",  # CPU 0 is offline
    ],
)
def test_odd_stat_files_are_read_as_far_as_they_go(text: bytes) -> None:
    times = parse_stat(text)
    assert len(times.cpus) == len(times.idle)
    if b"cpu3" in text:
        assert times.cpus == (3,)
    if text.startswith(b"cpu  1 2"):
        assert times == CpuTimes(10, (0,), (4,))


@pytest.mark.parametrize(
    ("text", "cpus"),
    [("0,2-3", (0, 2, 3)), ("0 1 5", (0, 1, 5)), ("", ()), ("x,3-1,7", (7,)), ("5-5", (5,))],
)
def test_cpu_lists(text: str, cpus: tuple[int, ...]) -> None:
    assert parse_cpu_list(text) == cpus


def test_a_damaged_list_does_not_fill_memory() -> None:
    assert len(parse_cpu_list("0-999999999")) == 65536


def test_cpu_list_is_the_shortest() -> None:
    assert cpu_list((3, 2, 0, 9)) == "0,2-3,9"


def test_names_sort_by_their_numbers() -> None:
    names = ["nvme10n1", "nvme2n1", "sda", "policy2", "policy10"]
    assert sorted(names, key=natural) == ["nvme2n1", "nvme10n1", "policy2", "policy10", "sda"]


def test_numbers() -> None:
    assert parse_int(" 42\n") == 42
    assert parse_int("0x10") is None
    assert parse_int("٣") is None
    assert parse_khz("<unknown>\n") is None
    assert parse_khz("0") is None
    assert parse_khz(b"2808000\n") == 2808000


def test_block_stat_counts_sectors_of_512() -> None:
    text = "   91   0   1000   7   11   0   200   2   3   8   9   0 0 0 0 0 0\n"
    moved = parse_block_stat(text)
    assert moved is not None
    assert (moved.read, moved.written, moved.in_flight) == (512000, 102400, 3)
    assert parse_block_stat("1 2 3") is None
    assert parse_block_stat("a b c d e f g h i") is None


def test_an_offline_policy_says_so_and_keeps_its_name() -> None:
    def read(path: str) -> str:
        raise OSError(errno.EBUSY, "Device or resource busy", path)

    policy = read_policy(read, "policy12")
    assert policy.error == OFFLINE
    assert policy.cpus == (12,)
    assert policy.governor is None
    assert policy.current_khz is None


def test_a_fault_while_reading_a_policy_is_named() -> None:
    def read(path: str) -> str:
        raise OSError(errno.EIO, "Input/output error", path)

    assert "Input/output error" in read_policy(read, "policy0").error


def test_identity_pieces() -> None:
    assert parse_version("Linux version 6.8.0-45-generic (x@y) #1 SMP") == "6.8.0-45-generic"
    assert parse_version("") == ""
    assert parse_gpu("Model: \t\t NVIDIA H100 80GB HBM3\nIRQ: 1\n") == "NVIDIA H100 80GB HBM3"
    assert parse_container_variable("A=1\0container=lxc\0") == "lxc"
    assert parse_container_cgroup("0::/kubepods.slice/kubepods-pod1.slice\n") == "kubernetes"
    assert parse_container_cgroup("0::/init.scope\n") == ""


def test_what_a_process_tells_of_its_files() -> None:
    assert parse_io("rchar: 10\nwchar: 1\nread_bytes: 7\nwrite_bytes: 0\n") == (10, 7)
    assert parse_io("rchar: 10\n") is None
    assert parse_position("pos:\t4096\nflags:\t0100000\n") == 4096
    maps = (
        "7f00-7f10 r--p 00000000 103:01 123                        /models/a b.safetensors\n"
        "7f20-7f30 rw-p 00000000 00:00 0 \n"
        "7f40-7f50 rw-p 00000000 00:00 0                          [heap]\n"
    )
    assert parse_maps(maps) == {"/models/a b.safetensors"}
