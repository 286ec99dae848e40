"""What a sample holds, what a tick re-reads, and what vanishes between two of them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.unit.looking.reader_process import Reader

from aitune_backends.host import Host
from aitune_backends.kept import KeptFiles
from aitune_backends.sampler import Sampler
from aitune_backends.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.looking.written_tree import Tree

    from aitune_backends.readings import Sample

CPU = "/sys/devices/system/cpu"
POOL = "/sys/kernel/mm/hugepages/hugepages-2048kB"


def stat(idle: int, busy: int) -> str:
    """Two CPUs: the first does nothing, the second everything."""
    return (
        f"cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\n"
        f"cpu0 0 0 0 {idle} 0 0 0 0 0 0\ncpu1 {busy} 0 0 0 0 0 0 0 0 0\nintr 1\n"
    )


def disk(sectors: int) -> str:
    """A disk's counters after so many sectors read."""
    return f" 1 0 {sectors} 4 5 0 0 8 2 10 11\n"


POLICY = {
    "scaling_governor": "powersave\n",
    "scaling_available_governors": "performance powersave\n",
    "scaling_cur_freq": "1000000\n",
    "scaling_min_freq": "800000\n",
    "scaling_max_freq": "3000000\n",
}
MACHINE = {
    "/proc/meminfo": "MemTotal: 1000 kB\nMemFree: 400 kB\nHugetlb: 0 kB\n",
    "/proc/stat": stat(100, 0),
    f"{CPU}/present": "0-1\n",
    f"{CPU}/online": "0-1\n",
    "/sys/devices/system/node/node0/cpulist": "0\n",
    "/sys/devices/system/node/node1/cpulist": "1\n",
    f"{POOL}/nr_hugepages": "0\n",
    f"{POOL}/free_hugepages": "0\n",
    **{
        f"{CPU}/cpufreq/policy{number}/{name}": text
        for number in (0, 1)
        for name, text in {**POLICY, "related_cpus": f"{number}\n"}.items()
    },
    "/sys/block/sda/size": "2048\n",
    "/sys/block/sda/stat": disk(0),
    "/sys/block/sda/queue/scheduler": "[none] mq-deadline\n",
    "/sys/block/sda/queue/read_ahead_kb": "128\n",
    "/sys/block/sda/queue/nr_requests": "64\n",
    "/sys/block/loop0/size": "0\n",
    "/sys/block/loop0/stat": disk(0),
}


class Ticks:
    """A sampler whose clock goes on as the test says."""

    def __init__(self, tree: Tree) -> None:
        tree(MACHINE)
        self.put = tree.put
        self.root = tree.root
        self.now = 100.0
        host = Host(tree.root, origin="capture")
        self.sampler = Sampler(host, clock=lambda: self.now, wall=lambda: 5.0)

    def tick(self, seconds: float = 1.0) -> Sample:
        self.now += seconds
        return self.sampler.sample()


@pytest.fixture
def ticks(tree: Tree) -> Iterator[Ticks]:
    ticks = Ticks(tree)
    yield ticks
    ticks.sampler.close()


def test_the_first_sample_holds_everything_but_rates(ticks: Ticks) -> None:
    sample = ticks.tick()
    assert (sample.at, sample.wall) == (101.0, 5.0)
    assert sample.memory is not None
    assert sample.memory.total == 1000 << 10
    assert [(cpu.number, cpu.node, cpu.busy) for cpu in sample.cpus] == [(0, 0, None), (1, 1, None)]
    assert [policy.governor for policy in sample.policies] == ["powersave", "powersave"]
    assert [found.name for found in sample.disks] == ["sda"]
    assert sample.disks[0].read_rate is None
    assert sample.disks[0].schedulers == ("none", "mq-deadline")
    assert sample.pools[0].total == 0
    assert sample.pressure.memory_some is None
    assert sample.errors == {}


def test_rates_are_counted_by_the_clock(ticks: Ticks) -> None:
    ticks.tick()
    ticks.put("/proc/stat", stat(200, 100))
    ticks.put("/sys/block/sda/stat", disk(4000))
    sample = ticks.tick(2.0)
    assert [cpu.busy for cpu in sample.cpus] == [0.0, 1.0]
    assert sample.disks[0].read_rate == 4000 * 512 / 2.0
    assert sample.disks[0].write_rate == 0.0


def test_frequencies_are_read_each_tick(ticks: Ticks) -> None:
    ticks.tick()
    ticks.put(f"{CPU}/cpufreq/policy1/scaling_cur_freq", "2500000\n")
    assert [policy.current_khz for policy in ticks.tick().policies] == [1000000, 2500000]


def test_settings_are_seen_within_five_seconds(ticks: Ticks) -> None:
    ticks.tick()
    ticks.put(f"{CPU}/cpufreq/policy0/scaling_governor", "performance\n")
    ticks.put(f"{CPU}/cpufreq/policy1/scaling_max_freq", "2000000\n")
    ticks.put("/sys/block/sda/queue/scheduler", "none [mq-deadline]\n")
    ticks.put("/sys/block/sda/queue/read_ahead_kb", "4096\n")
    for _ in range(6):
        sample = ticks.tick()
    assert sample.policies[0].governor == "performance"
    assert sample.policies[1].max_khz == 2000000
    assert sample.disks[0].scheduler == "mq-deadline"
    assert sample.disks[0].read_ahead_kib == 4096


def test_refresh_reads_everything_at_once(ticks: Ticks) -> None:
    ticks.tick()
    ticks.put(f"{CPU}/cpufreq/policy1/scaling_governor", "performance\n")
    ticks.put("/sys/block/sda/queue/nr_requests", "32\n")
    ticks.put(f"{POOL}/nr_hugepages", "8\n")
    ticks.sampler.refresh()
    sample = ticks.tick(0.1)
    assert sample.policies[1].governor == "performance"
    assert sample.disks[0].nr_requests == 32
    assert sample.pools[0].total == 8


def test_pools_follow_meminfo_at_once(ticks: Ticks) -> None:
    ticks.tick()
    ticks.put(f"{POOL}/nr_hugepages", "3\n")
    assert ticks.tick().pools[0].total == 0  # nothing says that anything changed
    ticks.put("/proc/meminfo", "MemTotal: 1000 kB\nHugetlb: 6144 kB\n")
    assert ticks.tick().pools[0].total == 3


def test_disks_come_and_go_within_two_seconds(ticks: Ticks) -> None:
    ticks.tick()
    ticks.put("/sys/block/sdb/size", "4096\n")
    ticks.put("/sys/block/sdb/stat", disk(0))
    ticks.put("/sys/block/loop0/size", "8\n")
    ticks.tick()
    assert [found.name for found in ticks.tick().disks] == ["loop0", "sda", "sdb"]
    shutil.rmtree(ticks.root / "sys/block/sda")
    ticks.tick()
    assert [found.name for found in ticks.tick().disks] == ["loop0", "sdb"]


def test_a_loop_device_that_is_let_go_leaves(ticks: Ticks) -> None:
    ticks.put("/sys/block/loop0/size", "8\n")
    assert len(ticks.tick().disks) == 2
    ticks.put("/sys/block/loop0/size", "0\n")
    for _ in range(6):
        sample = ticks.tick()
    assert [found.name for found in sample.disks] == ["sda"]


def test_another_disk_under_the_same_name_starts_afresh(ticks: Ticks) -> None:
    ticks.put("/sys/block/sda/stat", disk(9000))
    ticks.put("/sys/block/sda/diskseq", "4\n")
    ticks.tick()
    assert ticks.tick().disks[0].diskseq == "4"
    ticks.put("/sys/block/sda/stat", disk(10))
    ticks.put("/sys/block/sda/diskseq", "5\n")
    sample = ticks.tick()
    assert sample.disks[0].diskseq == "5"
    assert sample.disks[0].read_rate is None


def test_a_cpu_that_goes_offline_stays_in_the_list(ticks: Ticks) -> None:
    ticks.tick()
    ticks.put(f"{CPU}/online", "0\n")
    ticks.put("/proc/stat", "cpu  9 0 0 200 0 0 0 0 0 0\ncpu0 9 0 0 200 0 0 0 0 0 0\nintr 1\n")
    sample = ticks.tick(5.0)
    assert [(cpu.online, cpu.busy is None) for cpu in sample.cpus] == [(True, False), (False, True)]


def test_a_policy_that_vanishes_is_gone(ticks: Ticks) -> None:
    ticks.tick()
    shutil.rmtree(ticks.root / f"{CPU}/cpufreq/policy1".lstrip("/"))
    ticks.tick()
    assert [policy.name for policy in ticks.tick(5.0).policies] == ["policy0"]


def test_a_machine_that_vanishes_altogether_is_an_empty_sample(ticks: Ticks) -> None:
    ticks.tick()
    shutil.rmtree(ticks.root)
    ticks.tick(2.0)
    ticks.sampler.refresh()
    sample = ticks.tick(5.0)
    assert (sample.disks, sample.policies, sample.pools) == ((), (), ())
    again = Sampler(Host(ticks.root, origin="capture"))
    assert again.sample().memory is None
    again.close()


def test_only_what_is_on_screen_is_measured(ticks: Ticks) -> None:
    ticks.put("/sys/block/sdb/size", "4096\n")
    ticks.put("/sys/block/sdb/stat", disk(0))
    ticks.sampler.show(cpus=range(1), disks={"sdb"})
    ticks.tick()
    ticks.put("/sys/block/sda/stat", disk(100))
    ticks.put("/sys/block/sdb/stat", disk(100))
    rates = {found.name: found.read_rate for found in ticks.tick().disks}
    assert rates == {"sda": None, "sdb": 51200.0}


def test_pressure_that_is_switched_off_is_absent(ticks: Ticks) -> None:
    line = "some avg10=1.50 avg60=0.00 avg300=0.00 total=5\n"
    ticks.put("/proc/pressure/memory", line)
    sample = ticks.tick()
    assert sample.pressure.memory_some is not None
    assert sample.pressure.memory_some.avg10 == 1.5
    assert sample.pressure.io_some is None


def test_a_fault_is_noted_with_its_file(ticks: Ticks) -> None:
    (ticks.root / "proc/meminfo").unlink()
    (ticks.root / "proc/meminfo").mkdir()
    sample = ticks.tick()
    assert sample.memory is None
    assert set(sample.errors) == {"/proc/meminfo"}


def test_descriptors_are_kept_up_to_a_limit_and_closed(tree: Tree) -> None:
    root = tree({f"/proc/{number}": str(number) for number in range(20)})
    before = len(list(Path("/proc/self/fd").iterdir()))
    files = KeptFiles(Host(root, origin="capture"), most=5)
    for _ in range(2):
        assert [files.text(f"/proc/{number}") for number in range(20)] == list(map(str, range(20)))
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 5
    files.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_kept_files_are_read_anew_and_whole(tree: Tree) -> None:
    root = tree({"/proc/stat": "a"})
    files = KeptFiles(Host(root, origin="capture"))
    assert files.text("/proc/stat") == "a"
    tree.put("/proc/stat", "b" * 100_000)
    assert files.text("/proc/stat") == "b" * 100_000
    tree.put("/proc/stat", "c" * (2 << 20))
    with pytest.raises(OSError, match="too large"):
        files.text("/proc/stat")
    files.close()


def test_a_descriptor_that_went_stale_is_opened_anew() -> None:
    files = KeptFiles(Host())
    with Reader() as process:
        path = f"/proc/{process.pid}/stat"
        assert files.text(path).startswith(str(process.pid))
    with pytest.raises(ProcessLookupError):  # this descriptor's process is gone
        files.read(path)
    with pytest.raises(FileNotFoundError):  # and this is a new look at the path
        files.read(path)
    files.close()


def test_this_machine_can_be_sampled_by_anybody() -> None:
    sampler = Sampler(Host())
    sampler.sample()
    sample = sampler.sample()
    sampler.close()
    assert sample.memory is not None
    assert sample.cpus
    assert sample.cost_s < 0.5


def test_turns_serve_everybody_equally() -> None:
    ring = Turns[int]()
    ring.set(range(10))
    served = [number for _ in range(5) for number in ring.next(4)]
    assert sorted(served) == sorted(list(range(10)) * 2)
    # At ten things every five seconds, two are due each second, never more than asked.
    ring.set(range(10))
    assert [len(ring.due(1.0, 5.0, 3)) for _ in range(5)] == [2, 2, 2, 2, 2]
    assert len(ring.due(60.0, 5.0, 3)) == 3
    ring.set([])
    assert ring.next(3) == []
    assert ring.due(5.0, 5.0, 3) == []
