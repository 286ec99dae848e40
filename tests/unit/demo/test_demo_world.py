"""The made-up machine tells the scene of the pictures, and moves as it should."""

from __future__ import annotations

import os
import re
import statistics
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitune_backends.demo import DemoMachine
from aitune_backends.demo.story import READING_S, SERVING_S, scene
from aitune_backends.demo.tree import MODEL_BYTES
from aitune_backends.probes.block import read_disk
from aitune_backends.probes.meminfo import memory, parse_meminfo
from aitune_helper import kernelfs
from aitune_helper.knobs import KNOBS

if TYPE_CHECKING:
    pass

GIB = 2**30


def meminfo(demo: DemoMachine) -> dict[str, int]:
    text = demo.host.read("/proc/meminfo")
    return {name: int(kib) for name, kib in re.findall(r"^(\w+):\s+(\d+) kB", text, re.M)}


def bytes_read(demo: DemoMachine, disk: str) -> int:
    return int(demo.host.read(f"/sys/block/{disk}/stat").split()[2]) * 512


def test_starts_as_in_the_pictures(demo: DemoMachine) -> None:
    found = memory(parse_meminfo(demo.host.read("/proc/meminfo")))
    assert found is not None
    assert found.available is not None
    assert found.commit_limit is not None
    shown = {
        "total": found.total,
        "used": found.used,
        "cache": found.cache,
        "free": found.free,
        "available": found.available,
        "promised": found.committed,
        "limit": found.commit_limit,
    }
    assert {name: round(size / GIB, 1) for name, size in shown.items()} == {
        "total": 1007.5,
        "used": 132.4,
        "cache": 472.9,
        "free": 402.2,
        "available": 861.9,
        "promised": 198.4,
        "limit": 503.8,
    }
    assert demo.host.read("/proc/pressure/memory").startswith("some avg10=0.40 ")


def test_frequencies_are_those_of_the_pictures(demo: DemoMachine) -> None:
    policy = "/sys/devices/system/cpu/cpufreq/policy{}/scaling_cur_freq"
    khz = [int(demo.host.read(policy.format(cpu))) for cpu in range(64)]
    assert round(statistics.mean(khz[:32]) / 1e6, 2) == 3.46
    assert round(statistics.mean(khz[32:]) / 1e6, 2) == 1.21


def test_huge_page_room_per_node_is_that_of_the_pictures(demo: DemoMachine) -> None:
    lines = demo.host.read("/proc/buddyinfo").splitlines()
    orders = [[int(count) for count in line.split()[4:]] for line in lines]
    blocks = [counts[9] + 2 * counts[10] for counts in orders]
    assert blocks == [98211, 102930]
    assert blocks == [demo.world.fits(2048, node) for node in (0, 1)]


def test_every_knob_but_foreign_page_sizes_is_there(demo: DemoMachine) -> None:
    offered = [knob for knob in KNOBS.values() if knob.offered]
    absent = {knob.id for knob in offered if not kernelfs.instances(demo.kernel, knob)}
    # It is an Intel, on Linux 6.8: boost is another driver's, the rest came with 6.9 and 6.12.
    too_new = {"numa.weighted_interleave", "thp.shrink_underused"}
    assert absent == {"cpu.boost", "cpu.policy_boost"} | too_new | {
        knob.id
        for knob in offered
        if knob.id.startswith("hugepages.")
        and knob.id.partition(".")[2].partition(".")[0] not in ("2048kB", "1048576kB")
    }  # fmt: skip


def test_disks_hang_where_their_links_say(demo: DemoMachine) -> None:
    assert demo.host.entries("/sys/block") == [
        "md0", "nvme0n1", "nvme1n1", "nvme2n1", "nvme3n1", "sda",
    ]  # fmt: skip
    assert demo.host.read("/sys/block/nvme3n1/device/model").startswith("SAMSUNG")
    assert demo.host.read("/sys/block/nvme3n1/device/device/numa_node").strip() == "1"
    assert demo.host.read("/sys/block/sda/device/model").startswith("INTEL")
    assert demo.host.entries("/sys/block/md0/slaves") == ["nvme0n1p2", "nvme1n1p2"]
    assert demo.host.entries("/sys/block/md0/slaves/nvme1n1p2/holders") == ["md0"]
    array, part = (
        int(demo.host.read(f"/sys/class/block/{name}/size")) for name in ("md0", "nvme1n1p2")
    )
    assert array == 2 * part
    assert not demo.host.exists("/sys/block/md0/queue/scheduler")


@pytest.mark.parametrize("seconds", [1, 10])
def test_up_to_time_zero_it_reads_at_the_rate_of_the_pictures(seconds: int) -> None:
    demo = DemoMachine(at=-seconds)
    try:
        disks = [f"nvme{number}n1" for number in range(4)]
        before = [bytes_read(demo, disk) for disk in disks]
        demo.world.advance(seconds)
        moved = [bytes_read(demo, disk) - old for disk, old in zip(disks, before, strict=True)]
    finally:
        demo.close()
    assert sum(moved) / seconds == pytest.approx(6.1e9, rel=0.001)
    assert [round(size / seconds / 1e9, 2) for size in moved] == [1.53, 1.52, 1.53, 1.52]


def test_the_rate_sways(demo: DemoMachine) -> None:
    seen = []
    for _ in range(30):
        before = bytes_read(demo, "nvme0n1")
        demo.world.advance(1)
        seen.append((bytes_read(demo, "nvme0n1") - before) / 1e9)
    assert 1.2 < min(seen) < 1.45
    assert 1.6 < max(seen) < 1.8


def test_what_is_read_turns_from_free_into_cache(demo: DemoMachine) -> None:
    before = meminfo(demo)
    demo.world.advance(20)
    after = meminfo(demo)
    grown = after["Cached"] - before["Cached"]
    assert grown * 1024 == pytest.approx(122e9, rel=0.05)
    assert before["MemFree"] - after["MemFree"] == grown
    assert before["MemAvailable"] == after["MemAvailable"]


def test_the_reader_moves_through_the_files_and_then_lets_go(demo: DemoMachine) -> None:
    model = "/models/Llama-3.1-405B-Instruct/model-{:05}-of-00191.safetensors"
    assert demo.host.link("/proc/48211/fd/57") == model.format(117)
    demo.world.advance(10)
    assert demo.host.link("/proc/48211/fd/57") == model.format(131)
    demo.world.advance(50)
    assert not demo.host.exists("/proc/48211/fdinfo/57")
    demo.world.advance(SERVING_S)
    assert demo.host.link("/proc/48211/fd/57").startswith("/models/")


def test_the_model_has_its_size_and_takes_no_room(demo: DemoMachine) -> None:
    files = list(demo.files.path("/models/Llama-3.1-405B-Instruct").glob("*.safetensors"))
    assert len(files) == 191
    assert sum(file.stat().st_size for file in files) == MODEL_BYTES
    assert sum(file.stat().st_blocks for file in files) == 0


def test_the_same_instant_looks_the_same_however_reached(demo: DemoMachine) -> None:
    other = DemoMachine(at=-100)
    try:
        for _ in range(8):
            other.world.advance(16)
        demo.world.advance(28)
        for path in ("/proc/meminfo", "/proc/stat", "/proc/vmstat", "/sys/block/nvme0n1/stat"):
            assert demo.host.read(path) == other.host.read(path), path
    finally:
        other.close()


def test_seeds_differ(demo: DemoMachine) -> None:
    other = DemoMachine(seed=1)
    try:
        path = "/sys/devices/system/cpu/cpufreq/policy{}/scaling_cur_freq"
        assert any(
            demo.host.read(path.format(cpu)) != other.host.read(path.format(cpu))
            for cpu in range(64)
        )
    finally:
        other.close()


@given(st.floats(-300, 3000), st.floats(0, 60))
def test_counters_never_go_back(t: float, step: float) -> None:
    now, later = scene(t), scene(t + step)
    assert later.read_bytes >= now.read_bytes
    assert later.reading_s >= now.reading_s
    assert later.uptime >= now.uptime


@given(st.floats(-300, 3000))
def test_a_scene_is_possible(t: float) -> None:
    now = scene(t)
    assert 0 <= now.done <= MODEL_BYTES
    assert 1 <= now.file <= 191
    assert 0 <= now.position <= MODEL_BYTES // 191 + 2
    assert now.used_kib > 0
    assert now.cache_kib > 0


def test_a_load_follows_a_load() -> None:
    end_of_first = READING_S - 495.1e9 / 6.1e9
    assert scene(end_of_first - 1).reading
    assert not scene(end_of_first + 1).reading
    assert scene(end_of_first + SERVING_S + 1).reading
    assert scene(end_of_first + SERVING_S + 1).done < scene(end_of_first - 1).done


def test_kept_descriptors_see_the_new_text_and_never_an_empty_file(demo: DemoMachine) -> None:
    descriptors = [demo.host.open(path) for path in ("/proc/meminfo", "/proc/48211/io")]
    before = [os.pread(descriptor, 8192, 0) for descriptor in descriptors]

    def move() -> None:
        for _ in range(40):
            demo.world.advance(1)

    mover = threading.Thread(target=move)
    mover.start()
    try:
        while mover.is_alive():
            for descriptor, start in zip(descriptors, (b"MemTotal:", b"rchar: "), strict=True):
                assert os.pread(descriptor, 8192, 0).startswith(start)
    finally:
        mover.join()
    after = [os.pread(descriptor, 8192, 0) for descriptor in descriptors]
    assert all(new != old for new, old in zip(after, before, strict=True))
    for descriptor in descriptors:
        os.close(descriptor)


def test_a_shorter_text_leaves_nothing_of_the_longer_one(demo: DemoMachine) -> None:
    demo.files.put("/proc/sys/vm/swappiness", "performance")
    demo.files.put("/proc/sys/vm/swappiness", "no")
    assert demo.host.read("/proc/sys/vm/swappiness") == "no\n"


def test_closing_removes_it_and_twice_is_fine() -> None:
    demo = DemoMachine()
    demo.close()
    demo.close()
    assert not demo.host.root.exists()


def test_array_is_told_by_its_slaves(demo: DemoMachine) -> None:
    array = read_disk(demo.host, demo.host.read, "md0")
    assert array.scheduler is None
    assert array.read_ahead_kib == 4096
    assert array.slaves == ("nvme0n1p2", "nvme1n1p2")
