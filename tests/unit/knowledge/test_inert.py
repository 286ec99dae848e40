"""What can have no effect, what cannot be set, and what is absent: each with its reason."""

from __future__ import annotations

import pytest

from aitune_backends.absence import NOT_CAPTURED, why_absent
from aitune_backends.catalogue import ENTRIES
from aitune_backends.inert import why_inert
from aitune_backends.possible import ANY, impossible
from aitune_backends.readings import Policy
from aitune_backends.situation import (
    Commit,
    Situation,
    Subject,
    parse_offline,
    parse_stalls,
    parse_version,
)
from aitune_helper.knobs import KNOBS


def having(**values: str) -> Situation:
    """A machine with some global settings, by id with `__` for the dot."""
    return Situation(settings={name.replace("__", "."): v for name, v in values.items()})


# Knob, instance, a machine where it has no effect, a piece of the reason, one where it may.
INERT = [
    ("vm.overcommit_ratio", "", having(vm__overcommit_memory="0"), "memory is 2",
     having(vm__overcommit_memory="2")),
    ("vm.overcommit_kbytes", "", having(vm__overcommit_memory="1"), "memory is 2", Situation()),
    ("vm.user_reserve_kbytes", "", having(vm__overcommit_memory="0"), "memory is 2",
     having(vm__overcommit_memory="2")),
    ("vm.admin_reserve_kbytes", "", having(vm__overcommit_memory="0"), "memory is 2",
     Situation(settings={"vm.overcommit_memory": "0"}, kernel=(4, 18))),
    ("vm.oom_kill_allocating_task", "", having(vm__panic_on_oom="2"), "stops instead",
     having(vm__panic_on_oom="1")),
    ("vm.swappiness", "", Situation(swap=0), "no swap",
     Situation(swap=0, tiers=2, settings={"numa.demotion_enabled": "1"})),
    ("vm.page-cluster", "", Situation(swap=0), "no swap", Situation(swap=1)),
    ("zswap.enabled", "", Situation(swap=0), "no swap", Situation(swap=1)),
    ("zswap.compressor", "", having(zswap__enabled="0"), "Nothing is packed",
     having(zswap__enabled="1")),
    ("zswap.max_pool_percent", "", Situation(swap=0), "no swap", having(zswap__enabled="1")),
    ("kernel.numa_balancing", "", Situation(nodes=1), "one NUMA node", Situation(nodes=2)),
    ("kernel.numa_balancing_promote_rate_limit_MBps", "", having(kernel__numa_balancing="1"),
     "2 or 3", having(kernel__numa_balancing="2")),
    ("numa.weighted_interleave", "node0", Situation(nodes=1), "one NUMA node", Situation(nodes=2)),
    ("numa.demotion_enabled", "", Situation(nodes=2, tiers=1), "one kind",
     Situation(nodes=2, tiers=2)),
    ("vm.hugetlb_optimize_vmemmap", "", Situation(pooled=False), "No pool",
     Situation(pooled=True)),
    ("thp.defrag", "", having(thp__enabled="never"), "never",
     Situation(settings={"thp.enabled": "never"}, huge_sizes={"64kB": "always"})),
    ("thp.use_zero_page", "", having(thp__enabled="never"), "never", having(thp__enabled="always")),
    ("thp.khugepaged.pages_to_scan", "", having(thp__enabled="never"), "never",
     having(thp__enabled="never", thp__shmem_enabled="always")),
    ("thp.khugepaged.max_ptes_swap", "", Situation(swap=0), "no swap", Situation(swap=1)),
    ("thp.shrink_underused", "", having(thp__khugepaged__max_ptes_none="511"), "is 511",
     having(thp__khugepaged__max_ptes_none="64")),
    ("cpu.epp", "policy1", Situation(governors={"policy1": "performance"}), "governor performance",
     Situation(governors={"policy0": "performance", "policy1": "powersave"})),
    ("cpu.idle_latency", "cpu3", Situation(idle_driver="none"), "no idle states",
     Situation(idle_driver="intel_idle")),
    ("cpu.idle_latency", "cpu3", Situation(offline=frozenset({"cpu3"})), "cpu3 is offline",
     Situation(offline=frozenset({"cpu2"}))),
    ("block.read_ahead_kb", "sda", Situation(stacked={"sda": "md0"}), "md0 lies on it",
     Situation(stacked={"sdb": "md0"})),
    ("block.scheduler", "md0", Situation(passing={"md0": ("sda", "sdb")}), "on to sda and sdb",
     Situation(passing={"md1": ()})),
    ("block.nomerges", "md0", Situation(passing={"md0": ()}), "as they come", Situation()),
    ("block.wbt_lat_usec", "sda", Situation(schedulers={"sda": "bfq"}), "bfq",
     Situation(schedulers={"sda": "none"})),
]  # fmt: skip


@pytest.mark.parametrize(
    ("knob", "instance", "here", "reason", "elsewhere"), INERT, ids=lambda value: str(value)[:40]
)
def test_what_can_have_no_effect_says_why(
    knob: str, instance: str, here: Situation, reason: str, elsewhere: Situation
) -> None:
    subject = Subject(knob, instance, "0")
    inert = why_inert(subject, here)
    assert inert is not None
    assert reason in inert.reason
    assert inert.reason.endswith(".")
    assert len(inert.note) <= 52  # as wide as the plan's columns
    assert len(inert.note_short) <= 25
    assert why_inert(subject, elsewhere) is None


@pytest.mark.parametrize("knob", ENTRIES)
def test_what_the_machine_does_not_tell_makes_nothing_inert(knob: str) -> None:
    assert why_inert(Subject(knob, "x0", "0"), Situation()) is None


def a_policy(driver: str) -> Policy:
    return Policy("policy0", (0,), driver, "powersave", (), None, None, None, None, None)


BOTH = ("performance", "powersave")
PREFERENCES = ("performance", "balance_performance", "power")


@pytest.mark.parametrize(
    ("subject", "listed", "here", "values"),
    [
        (Subject("cpu.epp", "policy0", "performance"), PREFERENCES,
         Situation(governors={"policy0": "performance"}), ["balance_performance", "power"]),
        (Subject("cpu.epp", "policy0", "power"), PREFERENCES,
         Situation(governors={"policy0": "powersave"}), []),
        (Subject("cpu.governor", "policy0", "powersave", policy=a_policy("intel_pstate")), BOTH,
         Situation(), ["ondemand", "conservative", "schedutil"]),
        (Subject("cpu.governor", "policy0", "powersave", policy=a_policy("acpi-cpufreq")), BOTH,
         Situation(), []),
        (Subject("cpu.governor", "policy0", "powersave", policy=a_policy("acpi-cpufreq")), BOTH,
         Situation(locked=True), ["ondemand", "conservative", "schedutil"]),
        (Subject("block.scheduler", "sda", "none"), ("none",), Situation(), []),
        (Subject("block.scheduler", "sda", "none"), ("none",), Situation(locked=True),
         ["mq-deadline", "kyber", "bfq"]),
        (Subject("block.scheduler", "md0", "none"), (), Situation(locked=True), []),
        (Subject("vm.overcommit_memory", "", "0"), (), Situation(commit=Commit(9 << 30, 8 << 30)),
         ["2"]),
        (Subject("vm.overcommit_memory", "", "0"), (), Situation(commit=Commit(7 << 30, 8 << 30)),
         []),
        (Subject("vm.overcommit_memory", "", "2"), (), Situation(commit=Commit(9 << 30, 8 << 30)),
         []),
        (Subject("hugepages.1048576kB.surplus", "", "0"), (), Situation(), [ANY]),
        (Subject("hugepages.2048kB.surplus", "", "0"), (), Situation(), []),
        (Subject("kernel.numa_balancing", "", "0"), (), Situation(nodes=1), [ANY]),
        (Subject("kernel.numa_balancing", "", "0"), (), Situation(nodes=2), []),
    ],
)  # fmt: skip
def test_what_cannot_be_set_here_says_why(
    subject: Subject, listed: tuple[str, ...], here: Situation, values: list[str]
) -> None:
    found = impossible(KNOBS[subject.knob], subject, listed, here)
    assert [value.value for value in found] == values
    assert all(value.why.endswith(".") and "{" not in value.why for value in found)


@pytest.mark.parametrize(
    ("knob", "here", "around", "said"),
    [
        ("thp.size_enabled", (), Situation(kernel=(6, 1)), "Linux 6.1 does not have it"),
        ("thp.size_enabled", (), Situation(kernel=(6, 1), captured=True), "came with 6.8"),
        ("thp.size_enabled", (), Situation(kernel=(6, 12)), "one size"),
        ("thp.size_enabled", (), Situation(kernel=(6, 12), captured=True), NOT_CAPTURED),
        ("cpu.boost", ("cpu.no_turbo",), Situation(captured=True), "Here cpu.no_turbo says"),
        ("cpu.no_turbo", ("cpu.boost",), Situation(), "Here cpu.boost says"),
        ("cpu.governor", (), Situation(), "Usual in a virtual machine"),
        ("cpu.governor", (), Situation(virtual=True), "set it on the host"),
        ("cpu.governor", (), Situation(virtual=False), "No cpufreq driver"),
        ("cpu.epp", ("cpu.governor",), Situation(virtual=False), "intel_pstate and amd-pstate do"),
        ("ksm.run", (), Situation(container="docker"), "look on the host"),
        ("ksm.run", (), Situation(), "built without merging"),
    ],
)
def test_what_is_absent_says_why(
    knob: str, here: tuple[str, ...], around: Situation, said: str
) -> None:
    reason = why_absent(ENTRIES[knob], around, here)
    assert said in reason
    assert reason.endswith(".")


def test_counters_and_lists_of_the_kernel() -> None:
    vmstat = "allocstall_normal 100\nallocstall_movable 20\nkswapd_low_wmark_hit_quickly 60\n"
    stalls = parse_stalls(vmstat, "7200.31 100.0\n")
    assert stalls is not None
    assert (stalls.programs, stalls.kernel, stalls.hours) == (120, 60, 2.0)
    assert stalls.an_hour == 90
    for text, uptime in (("", "7200.0 1"), (vmstat, ""), (vmstat, "0.5 1"), ("x y\n", "a b")):
        assert parse_stalls(text, uptime) is None
    assert parse_version("Linux version 6.12.1-amd64 (x@y)") == (6, 12)
    assert parse_version("nonsense") is None
    assert parse_offline("1,4-6\n") == {"cpu1", "cpu4", "cpu5", "cpu6"}
    assert parse_offline("\n") == frozenset()
    assert len(parse_offline("0-99999")) <= 65537
