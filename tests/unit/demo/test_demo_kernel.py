"""A write to the made-up machine does what it does to Linux."""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING

import pytest

from aitune_helper.kernelfs import KernelIO

if TYPE_CHECKING:
    from aitune_backends.demo import DemoMachine

QUEUE = "/sys/block/nvme0n1/queue"
POLICY = "/sys/devices/system/cpu/cpufreq/policy40"
THP = "/sys/kernel/mm/transparent_hugepage"
POOL = "hugepages/hugepages-2048kB"


def value(demo: DemoMachine, path: str) -> str:
    return demo.kernel.read(path).strip()


def nodes(demo: DemoMachine, size_kib: int = 2048) -> list[str]:
    tail = f"hugepages/hugepages-{size_kib}kB/nr_hugepages"
    return [value(demo, f"/sys/devices/system/node/node{node}/{tail}") for node in (0, 1)]


def available_kib(demo: DemoMachine) -> int:
    found = re.search(r"MemAvailable: *(\d+)", demo.kernel.read("/proc/meminfo"))
    assert found
    return int(found[1])


def test_it_is_a_kernel(demo: DemoMachine) -> None:
    kernel: KernelIO = demo.kernel
    assert kernel.link("/sys/block/nvme0n1").startswith("../devices/pci")


def test_a_scheduler_is_put_in_brackets_and_brings_its_requests(demo: DemoMachine) -> None:
    demo.kernel.write(f"{QUEUE}/scheduler", "mq-deadline")
    assert value(demo, f"{QUEUE}/scheduler") == "none [mq-deadline]"
    assert value(demo, f"{QUEUE}/nr_requests") == "256"
    demo.kernel.write(f"{QUEUE}/nr_requests", "64")
    demo.kernel.write(f"{QUEUE}/scheduler", "mq-deadline")
    assert value(demo, f"{QUEUE}/nr_requests") == "64"
    demo.kernel.write(f"{QUEUE}/scheduler", "none")
    assert value(demo, f"{QUEUE}/nr_requests") == "1023"


@pytest.mark.parametrize(("asked", "got"), [("4096", "4096"), ("130", "128"), ("3", "0")])
def test_read_ahead_is_whole_pages(demo: DemoMachine, asked: str, got: str) -> None:
    demo.kernel.write(f"{QUEUE}/read_ahead_kb", asked)
    assert value(demo, f"{QUEUE}/read_ahead_kb") == got


def test_requests_are_at_least_four_and_at_most_the_depth(demo: DemoMachine) -> None:
    demo.kernel.write(f"{QUEUE}/nr_requests", "1")
    assert value(demo, f"{QUEUE}/nr_requests") == "4"
    with pytest.raises(OSError, match="Invalid argument"):
        demo.kernel.write(f"{QUEUE}/nr_requests", "1024")
    demo.kernel.write(f"{QUEUE}/scheduler", "mq-deadline")
    demo.kernel.write(f"{QUEUE}/nr_requests", "2048")
    assert value(demo, f"{QUEUE}/nr_requests") == "2048"


def test_thp_changes_what_is_kept_free(demo: DemoMachine) -> None:
    free = "/proc/sys/vm/min_free_kbytes"
    demo.kernel.write(f"{THP}/enabled", "never")
    assert value(demo, f"{THP}/enabled") == "always madvise [never]"
    assert value(demo, free) == "65536"
    demo.kernel.write(f"{THP}/enabled", "always")
    assert value(demo, free) == "67584"
    demo.kernel.write(f"{THP}/defrag", "defer+madvise")
    assert value(demo, f"{THP}/defrag") == "always defer [defer+madvise] madvise never"


def test_a_governor_moves_the_frequency_of_its_policy_alone(demo: DemoMachine) -> None:
    neighbour = value(demo, f"{POLICY[:-2]}41/scaling_cur_freq")
    demo.kernel.write(f"{POLICY}/scaling_governor", "performance")
    assert int(value(demo, f"{POLICY}/scaling_cur_freq")) > 3_000_000
    assert value(demo, f"{POLICY}/energy_performance_preference") == "performance"
    assert value(demo, f"{POLICY[:-2]}41/scaling_cur_freq") == neighbour
    demo.kernel.write(f"{POLICY}/scaling_governor", "powersave")
    assert int(value(demo, f"{POLICY}/scaling_cur_freq")) < 2_000_000
    assert value(demo, f"{POLICY}/energy_performance_preference") == "balance_power"


def test_a_pool_spreads_over_the_nodes_and_has_three_names(demo: DemoMachine) -> None:
    demo.kernel.write("/proc/sys/vm/nr_hugepages", "65")
    assert nodes(demo) == ["33", "32"]
    assert value(demo, f"/sys/kernel/mm/{POOL}/nr_hugepages") == "65"
    demo.kernel.write(f"/sys/devices/system/node/node1/{POOL}/nr_hugepages", "7")
    assert value(demo, "/proc/sys/vm/nr_hugepages") == "40"
    demo.kernel.write(f"/sys/kernel/mm/{POOL}/nr_hugepages", "0")
    assert nodes(demo) == ["0", "0"]
    assert "HugePages_Total:          0" in demo.kernel.read("/proc/meminfo")


def test_a_pool_takes_what_is_available(demo: DemoMachine) -> None:
    before = available_kib(demo)
    demo.kernel.write("/proc/sys/vm/nr_hugepages", "1024")
    assert before - available_kib(demo) == 1024 * 2048
    demo.kernel.write("/proc/sys/vm/nr_hugepages", "0")
    assert available_kib(demo) == before


def test_more_than_fits_is_partial_per_node(demo: DemoMachine) -> None:
    demo.kernel.write("/proc/sys/vm/nr_hugepages", "300000")
    assert nodes(demo) == ["98211", "102930"]
    assert demo.world.fits(2048, 0) == 0
    demo.kernel.write("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0")
    demo.kernel.write("/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "8")
    assert nodes(demo, 1048576) == ["3", "2"]


def test_a_full_pool_survives_the_end_of_the_load(demo: DemoMachine) -> None:
    """The cache gives way to it, and no part of memory becomes negative."""
    demo.kernel.write("/proc/sys/vm/nr_hugepages", "300000")
    demo.world.advance(50)
    fields = dict(re.findall(r"^(\w+): +(-?\d+)", demo.kernel.read("/proc/meminfo"), re.M))
    assert min(map(int, fields.values())) >= 0
    assert nodes(demo) == ["98211", "102930"]


def test_overcommit_ratio_and_kbytes_are_one_limit(demo: DemoMachine) -> None:
    demo.kernel.write("/proc/sys/vm/overcommit_ratio", "90")
    assert re.search(r"CommitLimit: +950796288 kB", demo.kernel.read("/proc/meminfo"))
    demo.kernel.write("/proc/sys/vm/overcommit_kbytes", "1000000")
    assert value(demo, "/proc/sys/vm/overcommit_ratio") == "0"
    assert re.search(r"CommitLimit: +1000000 kB", demo.kernel.read("/proc/meminfo"))
    demo.kernel.write("/proc/sys/vm/overcommit_ratio", "50")
    assert value(demo, "/proc/sys/vm/overcommit_kbytes") == "0"


@pytest.mark.parametrize("limit", ["dirty", "dirty_background"])
def test_written_data_has_one_limit_in_two_units(demo: DemoMachine, limit: str) -> None:
    ratio, size = f"/proc/sys/vm/{limit}_ratio", f"/proc/sys/vm/{limit}_bytes"
    demo.kernel.write(size, "1073741824")
    assert (value(demo, ratio), value(demo, size)) == ("0", "1073741824")
    demo.kernel.write(ratio, "15")
    assert (value(demo, ratio), value(demo, size)) == ("15", "0")


def test_a_preference_is_the_policys_own_but_under_performance(demo: DemoMachine) -> None:
    preference = f"{POLICY}/energy_performance_preference"
    demo.kernel.write(preference, "power")
    demo.kernel.write(f"{POLICY}/scaling_governor", "performance")
    assert value(demo, preference) == "performance"
    with pytest.raises(OSError, match="busy"):
        demo.kernel.write(preference, "power")
    demo.kernel.write(preference, "performance")
    demo.kernel.write(f"{POLICY}/scaling_governor", "powersave")
    assert value(demo, preference) == "power"


def test_a_scheduler_brings_its_own_options_and_takes_them_along(demo: DemoMachine) -> None:
    options = f"{QUEUE}/iosched"
    demo.kernel.write(f"{QUEUE}/scheduler", "mq-deadline")
    assert value(demo, f"{options}/async_depth") == "256"
    demo.kernel.write(f"{options}/read_expire", "76")
    demo.kernel.write(f"{QUEUE}/nr_requests", "64")
    assert value(demo, f"{options}/async_depth") == "64"
    assert value(demo, f"{options}/read_expire") == "76"
    demo.kernel.write(f"{QUEUE}/scheduler", "none")
    assert demo.kernel.entries(options) == []
    demo.kernel.write(f"{QUEUE}/scheduler", "mq-deadline")
    assert value(demo, f"{options}/read_expire") == "500"


def test_larger_requests_raise_little_read_ahead_and_smaller_ones_never_lower_it(
    demo: DemoMachine,
) -> None:
    demo.kernel.write(f"{QUEUE}/read_ahead_kb", "64")
    demo.kernel.write(f"{QUEUE}/max_sectors_kb", "64")
    assert value(demo, f"{QUEUE}/read_ahead_kb") == "128"
    demo.kernel.write(f"{QUEUE}/read_ahead_kb", "4096")
    demo.kernel.write(f"{QUEUE}/max_sectors_kb", "128")
    assert value(demo, f"{QUEUE}/read_ahead_kb") == "4096"


@pytest.mark.parametrize(
    ("path", "wrong", "code"),
    [
        ("/proc/sys/vm/overcommit_memory", "3", errno.EINVAL),
        ("/proc/sys/vm/swappiness", "201", errno.EINVAL),
        ("/proc/sys/vm/swappiness", "many", errno.EINVAL),
        ("/proc/sys/kernel/numa_balancing", "5", errno.EINVAL),
        (f"{THP}/enabled", "sometimes", errno.EINVAL),
        (f"{QUEUE}/scheduler", "wrong", errno.EINVAL),
        (f"{POLICY}/scaling_governor", "ondemand", errno.EINVAL),
        (f"{POLICY}/energy_performance_preference", "fast", errno.EINVAL),
        (f"{QUEUE}/max_sectors_kb", "129", errno.EINVAL),
        (f"{QUEUE}/max_sectors_kb", "3", errno.EINVAL),
        (f"{QUEUE}/iosched/read_expire", "1", errno.ENOENT),
        ("/proc/sys/vm/dirty_bytes", "0", errno.EINVAL),
        ("/proc/sys/vm/dirty_bytes", "8191", errno.EINVAL),
        ("/proc/sys/vm/dirty_background_bytes", "0", errno.EINVAL),
        ("/proc/sys/vm/dirty_ratio", "101", errno.EINVAL),
        ("/sys/block/md0/queue/scheduler", "none", errno.ENOENT),
        ("/sys/devices/system/node/node2/" + POOL + "/nr_hugepages", "1", errno.ENOENT),
        ("/sys/block/nvme0n1/size", "1", errno.EACCES),
        ("/proc/meminfo", "1", errno.EACCES),
    ],
)
def test_a_wrong_write_is_refused_and_changes_nothing(
    demo: DemoMachine, path: str, wrong: str, code: int
) -> None:
    before = demo.kernel.read(path) if code != errno.ENOENT else None
    with pytest.raises(OSError) as refused:  # noqa: PT011 - the errno is compared below
        demo.kernel.write(path, wrong)
    assert refused.value.errno == code
    if before is not None:
        assert demo.kernel.read(path) == before


def test_compaction_makes_room_for_gigantic_pages(demo: DemoMachine) -> None:
    pool = "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages"
    demo.kernel.write(pool, "64")
    assert value(demo, pool) == "5"
    demo.kernel.write("/proc/sys/vm/compact_memory", "1")
    demo.kernel.write(pool, "64")
    assert value(demo, pool) == "64"


def test_a_dropped_cache_is_free_memory(demo: DemoMachine) -> None:
    def cached() -> int:
        found = re.search(r"\nCached: *(\d+)", demo.kernel.read("/proc/meminfo"))
        assert found
        return int(found[1])

    before = cached()
    demo.kernel.write("/proc/sys/vm/drop_caches", "1")
    assert 0 < cached() < before / 10


def freqs(demo: DemoMachine) -> tuple[str, ...]:
    return tuple(value(demo, f"{POLICY}/scaling_{which}_freq") for which in ("min", "max"))


def test_a_limit_is_remembered_as_asked_and_shown_as_far_as_it_can_be(demo: DemoMachine) -> None:
    demo.kernel.write(f"{POLICY}/scaling_max_freq", "1800000")
    demo.kernel.write(f"{POLICY}/scaling_min_freq", "2400000")
    assert freqs(demo) == ("1800000", "1800000")
    demo.kernel.write(f"{POLICY}/scaling_max_freq", "99999999")
    assert freqs(demo) == ("2400000", "3800000")


def test_without_turbo_all_is_lower_and_with_it_as_before(demo: DemoMachine) -> None:
    pstate = "/sys/devices/system/cpu/intel_pstate"
    demo.kernel.write(f"{pstate}/min_perf_pct", "80")
    demo.kernel.write(f"{pstate}/no_turbo", "1")
    assert freqs(demo) == ("800000", "2100000")
    assert value(demo, f"{POLICY}/cpuinfo_max_freq") == "2100000"
    assert value(demo, f"{pstate}/min_perf_pct") == "55"
    demo.kernel.write(f"{pstate}/no_turbo", "0")
    assert freqs(demo) == ("800000", "3800000")
    assert value(demo, f"{pstate}/min_perf_pct") == "55", "this one is forgotten"


@pytest.mark.parametrize(
    ("least", "most", "asked", "got"),
    [("min", "60", "80", "60"), ("min", "60", "0", "21"), ("max", "60", "10", "21")],
)
def test_a_share_is_cut_when_it_is_written(
    demo: DemoMachine, least: str, most: str, asked: str, got: str
) -> None:
    pstate = "/sys/devices/system/cpu/intel_pstate"
    demo.kernel.write(f"{pstate}/max_perf_pct", most)
    demo.kernel.write(f"{pstate}/{least}_perf_pct", asked)
    assert value(demo, f"{pstate}/{least}_perf_pct") == got


def test_bfq_switches_throttling_off_until_it_is_set_by_hand(demo: DemoMachine) -> None:
    latency = f"{QUEUE}/wbt_lat_usec"
    before = value(demo, latency)
    demo.kernel.write(f"{QUEUE}/scheduler", "bfq")
    assert (value(demo, latency), value(demo, f"{QUEUE}/iosched/low_latency")) == ("0", "1")
    demo.kernel.write(f"{QUEUE}/scheduler", "none")
    assert value(demo, latency) == before != "0"
    demo.kernel.write(latency, "5000")
    demo.kernel.write(f"{QUEUE}/scheduler", "bfq")
    assert value(demo, latency) == "5000"


@pytest.mark.parametrize(
    ("path", "asked", "got"),
    [
        (f"{QUEUE}/nomerges", "3", "1"),
        (f"{QUEUE}/rq_affinity", "3", "1"),
        (f"{QUEUE}/iostats", "2", "1"),
        (f"{QUEUE}/wbt_lat_usec", "-1", "2000"),
        ("/sys/kernel/mm/numa/demotion_enabled", "1", "true"),
        ("/sys/module/zswap/parameters/enabled", "1", "Y"),
        ("/sys/module/zswap/parameters/compressor", "zstd", "zstd"),
        ("/proc/sys/vm/hugetlb_optimize_vmemmap", "8", "1"),
        ("/sys/devices/system/cpu/cpu5/power/pm_qos_resume_latency_us", "n/a", "n/a"),
        ("/sys/devices/system/cpu/cpu5/power/pm_qos_resume_latency_us", "70", "70"),
    ],
)
def test_what_is_read_after_a_write(demo: DemoMachine, path: str, asked: str, got: str) -> None:
    demo.kernel.write(path, asked)
    assert value(demo, path) == got


def test_the_surplus_of_the_default_size_has_two_names(demo: DemoMachine) -> None:
    demo.kernel.write("/proc/sys/vm/nr_overcommit_hugepages", "9")
    path = "/sys/kernel/mm/hugepages/hugepages-{}kB/nr_overcommit_hugepages"
    assert value(demo, path.format(2048)) == "9"
    demo.kernel.write(path.format(2048), "0")
    assert value(demo, "/proc/sys/vm/nr_overcommit_hugepages") == "0"
    with pytest.raises(OSError, match="Invalid"):
        demo.kernel.write(path.format(1048576), "1")


def test_memory_is_kept_free_while_any_size_is_wanted(demo: DemoMachine) -> None:
    free = "/proc/sys/vm/min_free_kbytes"
    before = value(demo, free)
    demo.kernel.write(f"{THP}/enabled", "never")
    assert int(value(demo, free)) < int(before)
    demo.kernel.write(f"{THP}/hugepages-64kB/enabled", "always")
    assert int(value(demo, free)) < int(before), "these are put together at once, or not at all"
    demo.kernel.write(f"{THP}/hugepages-2048kB/enabled", "always")
    assert value(demo, free) == before
