from __future__ import annotations

import pytest

from aitune_backends.advice import judge
from aitune_backends.amounts import memory_text
from aitune_backends.catalogue import ENTRIES, GOALS, INFERENCE, MODEL_LOADING, TRAINING
from aitune_backends.inert import no_scheduler
from aitune_backends.readings import Disk, HugePool, Policy
from aitune_backends.situation import Situation, Stalls, Subject
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
        ("vm.zone_reclaim_mode", "0", OK),
        ("vm.zone_reclaim_mode", "1", DIFFERS),
        ("vm.max_map_count", "65530", INFO),
        ("vm.compaction_proactiveness", "20", INFO),
        ("cpu.boost", "1", OK),
        ("cpu.boost", "0", DIFFERS),
        ("cpu.no_turbo", "0", OK),
        ("cpu.no_turbo", "1", DIFFERS),
        ("cpu.max_perf_pct", "80", DIFFERS),
        ("cpu.min_perf_pct", "20", INFO),
        ("cpu.epp", "power", DIFFERS),
        ("cpu.idle_latency", "0", INFO),
        ("vm.panic_on_oom", "1", INFO),
        ("vm.dirty_bytes", "0", INFO),
    ],
)
def test_values_are_judged(knob: str, value: str, expected: str) -> None:
    assert state(knob, value) == expected


def test_maps_are_for_loading_and_training() -> None:
    for goal, expected in ((MODEL_LOADING, DIFFERS), (TRAINING, DIFFERS), (INFERENCE, INFO)):
        assert state("vm.max_map_count", "65530", Situation(goal=goal)) == expected
    assert state("vm.max_map_count", "1048576", Situation(goal=TRAINING)) == OK


@pytest.mark.parametrize(
    ("programs", "kernel", "hours", "goal", "expected"),
    [
        (0, 0, 100.0, MODEL_LOADING, INFO),
        (90, 0, 2.0, MODEL_LOADING, INFO),
        (90, 40, 2.0, MODEL_LOADING, DIFFERS),
        (5_000, 0, 10.0, TRAINING, DIFFERS),
        (5_000, 0, 10.0, INFERENCE, INFO),
    ],
)
def test_watermarks_are_raised_only_where_programs_had_to_wait(
    programs: int, kernel: int, hours: float, goal: str, expected: str
) -> None:
    situation = Situation(goal=goal, stalls=Stalls(programs, kernel, hours))
    knob = "vm.watermark_scale_factor"
    found = judge(ENTRIES[knob], Subject(knob, "", "10"), situation)
    assert (found.state, found.advised) == (expected, "50" if expected == DIFFERS else None)
    assert goal == INFERENCE or f"{programs:,} times" in found.reason
    assert state(knob, "60", situation) in (OK, INFO)
    assert state(knob, "10") == INFO, "nothing is known of a machine that does not count"


@pytest.mark.parametrize(
    ("now", "hardware", "expected"),
    [
        (3_800_000, 3_800_000, OK),
        (3_799_000, 3_800_000, OK),
        (2_000_000, 3_800_000, DIFFERS),
        (2_000_000, None, INFO),
    ],
)
def test_a_cap_below_what_the_hardware_can_is_named(
    now: int, hardware: int | None, expected: str
) -> None:
    policy = Policy("policy0", (0,), "x", "performance", (), None, 1, now, 1, hardware)
    subject = Subject("cpu.max_freq", "policy0", str(now), policy=policy)
    found = judge(ENTRIES["cpu.max_freq"], subject, BUSY)
    assert (found.state, found.advised) == (expected, str(hardware) if hardware else None)


def test_boost_is_judged_once_and_only_where_it_is_known() -> None:
    off = Situation(settings={"cpu.boost": "0"})
    assert state("cpu.policy_boost", "0", off) == INFO
    assert state("cpu.policy_boost", "0", Situation(settings={"cpu.boost": "1"})) == DIFFERS
    assert state("cpu.boost", "0", Situation(drivers=frozenset({"cppc_cpufreq"}))) == INFO


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
