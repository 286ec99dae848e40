from __future__ import annotations

import pytest

from aitune_backends.advice import judge
from aitune_backends.amounts import memory_text
from aitune_backends.catalogue import ENTRIES, GOALS
from aitune_backends.inert import no_scheduler
from aitune_backends.readings import Disk, HugePool
from aitune_backends.situation import Situation, Subject
from aitune_backends.targets import DIFFERS, INERT, INFO, OK

BUSY = Situation(settings={"vm.overcommit_memory": "0"}, swap=8 << 30, nodes=2)


def state(knob: str, value: str, situation: Situation = BUSY) -> str:
    return judge(ENTRIES[knob], Subject(knob, "", value), situation).state


def a_disk(name: str, *schedulers: str, rotational: bool = False) -> Disk:
    return Disk(
        name=name, size=10**12, model="", rotational=rotational, node=None,
        scheduler=schedulers[0], schedulers=schedulers, read_ahead_kib=128, nr_requests=256,
        in_flight=0, read_rate=None, write_rate=None,
    )  # fmt: skip


def judge_disk(knob: str, value: str, disk: Disk, situation: Situation = BUSY) -> tuple[str, str]:
    found = judge(ENTRIES[knob], Subject(knob, disk.name, value, disk=disk), situation)
    return found.state, found.advised or ""


@pytest.mark.parametrize(
    ("knob", "value", "expected"),
    [
        ("vm.overcommit_memory", "0", OK),
        ("vm.overcommit_memory", "1", OK),
        ("vm.overcommit_memory", "2", DIFFERS),
        ("vm.swappiness", "10", OK),
        ("vm.swappiness", "1", OK),
        ("vm.swappiness", "0", DIFFERS),
        ("vm.swappiness", "60", DIFFERS),
        ("kernel.numa_balancing", "0", OK),
        ("kernel.numa_balancing", "1", DIFFERS),
        ("thp.enabled", "madvise", OK),
        ("thp.enabled", "always", OK),
        ("thp.enabled", "never", DIFFERS),
        ("thp.defrag", "always", DIFFERS),
        ("cpu.governor", "performance", OK),
        ("cpu.governor", "powersave", DIFFERS),
        ("block.read_ahead_kb", "128", DIFFERS),
        ("block.read_ahead_kb", "1023", DIFFERS),
        ("block.read_ahead_kb", "1024", OK),
        ("block.read_ahead_kb", "8192", OK),
    ],
)
def test_values_are_judged(knob: str, value: str, expected: str) -> None:
    assert state(knob, value) == expected


def test_the_ratio_counts_in_mode_2_alone() -> None:
    for mode, expected in (("0", INERT), ("1", INERT), ("2", INFO)):
        assert (
            state("vm.overcommit_ratio", "90", Situation(settings={"vm.overcommit_memory": mode}))
            == expected
        )


def test_swappiness_without_swap_is_inert_and_keeps_its_advice() -> None:
    entry, subject = ENTRIES["vm.swappiness"], Subject("vm.swappiness", "", "60")
    found = judge(entry, subject, Situation(swap=0))
    assert (found.state, found.advised) == (INERT, "10")
    assert found.reason == "This machine has no swap."


def test_what_the_machine_does_not_tell_makes_nothing_inert() -> None:
    unknown = Situation()
    assert state("vm.swappiness", "60", unknown) == DIFFERS
    assert state("kernel.numa_balancing", "1", unknown) == DIFFERS
    assert state("vm.overcommit_ratio", "50", unknown) == INFO


def test_balancing_on_one_node_is_inert() -> None:
    assert state("kernel.numa_balancing", "1", Situation(nodes=1)) == INERT


@pytest.mark.parametrize(
    ("total", "free", "reserved", "expected"),
    [(0, 0, 0, INFO), (64, 64, 0, INERT), (64, 60, 0, INFO), (64, 64, 4, INFO)],
)
def test_a_pool_that_nothing_maps_is_inert(
    total: int, free: int, reserved: int, expected: str
) -> None:
    pool = HugePool(2048, None, total, free, reserved, 0)
    subject = Subject("hugepages.2048kB", "", str(total), pool=pool)
    found = judge(ENTRIES["hugepages.2048kB"], subject, BUSY)
    assert found.state == expected
    assert found.advised is None
    if expected == INERT:
        assert "128 MiB" in found.reason


def test_the_kernels_own_scheduler_is_advised_by_kind_of_disk() -> None:
    nvme = a_disk("nvme0n1", "none", "mq-deadline")
    assert judge_disk("block.scheduler", "none", nvme) == (OK, "none")
    assert judge_disk("block.scheduler", "mq-deadline", nvme) == (DIFFERS, "none")
    slow = a_disk("sda", "mq-deadline", "none", rotational=True)
    assert judge_disk("block.scheduler", "mq-deadline", slow) == (OK, "mq-deadline")
    assert judge_disk("block.scheduler", "bfq", slow) == (OK, "mq-deadline")
    old_kernel = a_disk("sda", "cfq", "noop", rotational=True)
    assert judge_disk("block.scheduler", "cfq", old_kernel) == (INFO, "")
    assert judge_disk("block.scheduler", "none", a_disk("vda", "none")) == (INFO, "")


def test_nothing_is_advised_for_what_is_no_disk() -> None:
    for name in ("loop0", "zram0", "ram1", "sr0", "nvme0c0n1"):
        assert judge_disk("block.read_ahead_kb", "128", a_disk(name, "none")) == (INFO, "")


def test_read_ahead_below_an_array_is_inert() -> None:
    situation = Situation(stacked={"nvme0n1": "md0"})
    below, free = a_disk("nvme0n1", "none"), a_disk("nvme1n1", "none")
    assert judge_disk("block.read_ahead_kb", "128", below, situation) == (INERT, "4096")
    assert judge_disk("block.read_ahead_kb", "128", free, situation) == (DIFFERS, "4096")
    assert judge_disk("block.scheduler", "mq-deadline", below, situation) == (DIFFERS, "none")


@pytest.mark.parametrize("goal", GOALS)
def test_every_goal_is_judged(goal: str) -> None:
    for entry in ENTRIES.values():
        judge(entry, Subject(entry.knob, "", "0"), Situation(goal=goal))


def test_sentences_of_disks_and_sizes() -> None:
    assert no_scheduler("md0", ("nvme0n1", "nvme1n1")) == (
        "md0 has no scheduler: it passes requests on to nvme0n1 and nvme1n1."
    )
    assert no_scheduler("dm-0", ("sda",)).endswith("on to sda.")
    assert no_scheduler("zram0", ()).endswith("as they come.")
    assert memory_text(128 << 20) == "128 MiB"
    assert memory_text(int(861.94 * (1 << 30))) == "861.9 GiB"
    assert memory_text(4096) == "4 KiB"
