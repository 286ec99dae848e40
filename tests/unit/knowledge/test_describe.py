from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aitune_backends import describe
from aitune_backends.catalogue import ENTRIES
from aitune_backends.changes import expand, parse_change
from aitune_backends.describe import ChangeText, Facts, change_text
from aitune_backends.shell import command, commands
from aitune_helper.knobs import KNOBS
from aitune_helper.messages import Item
from aitune_helper.plan import make_plan
from tests.unit.knowledge import made_trees

if TYPE_CHECKING:
    from pathlib import Path


def texts(root: Path, *changes: str, available_gib: int = 32) -> dict[str, ChangeText]:
    host = made_trees.two_nodes(root)
    made_trees.host(root, made_trees.meminfo(available=available_gib << 20))
    wanted = [parse_change(change) for change in changes]
    plan = make_plan(host, expand(host, wanted), force=True)
    facts = describe.gather(host, plan.items, read_at="12:04:29")
    return {f"{item.knob}@{item.instance}": change_text(item, facts) for item in plan.items}


def test_the_classic_exercise(tmp_path: Path) -> None:
    found = texts(
        tmp_path, "vm.overcommit_memory=1", "vm.overcommit_ratio=90", "hugepages.2048kB=64"
    )
    memory, ratio, pool = found.values()
    assert (memory.risk, memory.note_short) == ("medium", "killed instead of refused")
    assert "Loads get no faster." in memory.effect
    assert "outgrows 32 GiB" in memory.danger
    assert memory.undo == "writes 0 back, read 12:04:29."
    assert (ratio.risk, ratio.inert) == ("inert", True)
    assert ratio.note == "read only while overcommit_memory is 2"
    assert (pool.risk, pool.inert) == ("low", False)
    assert pool.note == "takes 128 MiB of 32 GiB; may be partial"
    assert pool.note_short == "128 MiB of 32 GiB"


def test_whether_a_change_has_an_effect_depends_on_the_whole_plan(tmp_path: Path) -> None:
    alone = texts(tmp_path, "vm.overcommit_ratio=90")
    assert alone["vm.overcommit_ratio@"].inert
    together = texts(tmp_path, "vm.overcommit_ratio=90", "vm.overcommit_memory=2")
    assert not together["vm.overcommit_ratio@"].inert
    mode = together["vm.overcommit_memory@"]
    assert mode.risk == "high"
    assert "promises 57.6 GiB in all" in mode.effect  # nine tenths of 64 GiB, no swap
    assert "1 GiB are promised now" in mode.effect


@pytest.mark.parametrize(
    ("pages", "risk"), [(64, "low"), (2000, "medium"), (9000, "high"), (100000, "high")]
)
def test_a_pools_risk_is_its_share_of_what_is_available(
    tmp_path: Path, pages: int, risk: str
) -> None:
    assert texts(tmp_path, f"hugepages.2048kB={pages}")["hugepages.2048kB@"].risk == risk


def test_a_pools_costs_are_told_with_live_numbers(tmp_path: Path) -> None:
    place = {"/var/lib/kubelet/config.yaml": "kind: KubeletConfiguration"}
    buddy = {"/proc/buddyinfo": "Node 0, zone Normal 8380416 0 0 0 0 0 0 0 0 0 8"}
    nodes = {f"/sys/devices/system/node/node{n}/cpulist": str(n) for n in range(2)}
    sizes = {
        f"/sys/devices/system/node/node{n}/meminfo": (
            f"Node {n} MemTotal: {32 << 20} kB\nNode {n} MemFree: {16 << 20} kB"
        )
        for n in range(2)
    }
    made_trees.host(tmp_path, place, buddy, nodes, sizes)
    found = texts(tmp_path, "hugepages.2048kB=64", "hugepages.1048576kB@node1=4")
    small, large = found["hugepages.2048kB@"], found["hugepages.1048576kB@node1"]
    assert "Only about 16 lie free as whole blocks of 2 MiB now." in small.danger
    assert "only at boot, or by chance: hugepagesz=1G hugepages=0:0,1:4." in large.danger
    assert "until it is restarted (kubernetes#111757)" in small.danger


def test_pages_given_up_may_not_come_back(tmp_path: Path) -> None:
    facts = Facts(available=32 << 30, default_pool="hugepages.2048kB")
    small = change_text(Item("vm.nr_hugepages", "", "/proc/x", "64", "0"), facts)
    large = change_text(Item("hugepages.1048576kB", "node0", "/sys/x", "8", "2"), facts)
    assert (small.risk, large.risk) == ("medium", "high")
    assert "128 MiB" in small.effect
    assert "6 GiB" in large.effect
    assert large.undo.endswith("Fewer pages may come back.")


def test_undo_names_what_moves_along(tmp_path: Path) -> None:
    found = texts(tmp_path, "thp.enabled=never", "block.scheduler@nvme2n1=mq-deadline")
    assert found["thp.enabled@"].undo == (
        "writes madvise back, read 12:04:29, and min_free_kbytes if that moved."
    )
    assert found["block.scheduler@nvme2n1"].undo.endswith(
        "and nr_requests, wbt_lat_usec, read_ahead_kb and the scheduler's own options if that "
        "moved."
    )


def test_what_is_alike_is_said_once_of_all() -> None:
    facts = Facts()
    cores = Item("cpu.governor", "policy0", "/p0", "powersave", "performance")
    text = change_text(cores, facts, [f"policy{n}" for n in range(1, 64)])
    assert text.effect.startswith("The cores of policy0-63 (64 in all) stay")
    assert text.path == "/p0, and 63 more like it"
    queue = Item("block.scheduler", "sda", "/s", "none", "bfq")
    assert change_text(queue, facts, ["sdb"]).effect.startswith("Each of sda, sdb orders its")
    assert change_text(queue, facts).effect.startswith("sda orders its")


def test_memory_that_stays_free_is_said_in_numbers() -> None:
    item = Item("vm.min_free_kbytes", "", "/m", "67584", "4194304")
    text = change_text(item, Facts(available=32 << 30))
    assert (text.risk, text.note) == ("high", "4 GiB are lost to all; pinned until the next boot")
    assert "4 GiB of 32 GiB" in text.effect
    cap = Item("cpu.max_freq", "policy0", "/c", "3800000", "2500000")
    assert "at most at 2.5 GHz" in change_text(cap, Facts()).effect


def test_the_governor_of_the_plan_decides_about_the_preference(tmp_path: Path) -> None:
    preferences = {
        f"/sys/devices/system/cpu/cpufreq/policy{n}/{file}": text
        for n in range(4)
        for file, text in {
            "energy_performance_preference": "balance_power",
            "energy_performance_available_preferences": "performance balance_power",
        }.items()
    }
    made_trees.host(tmp_path, preferences)
    wanted = "cpu.epp@policy2=performance"
    alone = texts(tmp_path, wanted)
    assert not alone["cpu.epp@policy2"].inert
    along = texts(tmp_path, wanted, "cpu.governor@policy2=performance")
    assert along["cpu.epp@policy2"].inert


def test_read_ahead_below_an_array_is_inert(tmp_path: Path) -> None:
    found = texts(tmp_path, "block.read_ahead_kb=4096")
    assert found["block.read_ahead_kb@nvme0n1"].inert
    assert "md0" in found["block.read_ahead_kb@nvme0n1"].note
    assert not found["block.read_ahead_kb@nvme2n1"].inert
    assert "up to 4 MiB ahead" in found["block.read_ahead_kb@nvme2n1"].effect


# Whole numbers whose texts hold in both directions: switches and modes with a text for each value,
# numbers that only name something, and limits whose danger is said under its condition.
EITHER_WAY = {
    "vm.overcommit_memory", "vm.overcommit_ratio", "vm.overcommit_kbytes", "vm.panic_on_oom",
    "vm.oom_kill_allocating_task", "vm.hugetlb_shm_group", "vm.zone_reclaim_mode", "ksm.run",
    "kernel.numa_balancing", "cpu.boost", "cpu.policy_boost", "cpu.no_turbo",
}  # fmt: skip
NUMBERS = [knob for knob in ENTRIES if KNOBS[knob].is_integer and knob not in EITHER_WAY]


def up_and_down(knob: str) -> tuple[ChangeText, ChangeText]:
    """A switch thrown, or a number moved between two that no text of its own has."""
    instance = "" if KNOBS[knob].scope == "global" else "x1"
    low, high = ("0", "1") if KNOBS[knob].high == 1 else ("1", "2")
    item = Item(knob, instance, "/x", low, high)
    facts = Facts(available=32 << 30, default_pool="hugepages.2048kB")
    return change_text(item, facts), change_text(item._replace(old=high, requested=low), facts)


@pytest.mark.parametrize("knob", NUMBERS)
def test_lowering_a_value_is_described_in_other_words_than_raising_it(knob: str) -> None:
    up, down = up_and_down(knob)
    assert up.danger != down.danger
    assert up.note != down.note or knob == "vm.min_free_kbytes"
    assert up.note_short != down.note_short or knob == "vm.min_free_kbytes"


@pytest.mark.parametrize(
    ("knob", "old", "new", "effect", "danger"),
    [
        ("vm.swappiness", "60", "10", "less readily", "Cached files are dropped"),
        ("vm.swappiness", "60", "100", "more readily", "slow when it is needed"),
        ("block.read_ahead_kb", "128", "4096", "fetched up to 4 MiB", "Random reads fetch more"),
        ("block.read_ahead_kb", "4096", "128", "only up to 128 KiB", "wait for the disk"),
        ("vm.watermark_scale_factor", "10", "50", "lie 50", "page cache is that much smaller"),
        ("vm.watermark_scale_factor", "50", "10", "only 10", "load may have to stop"),
        ("vm.dirty_writeback_centisecs", "500", "0", "no longer looks", "Data may wait"),
        ("vm.dirty_writeback_centisecs", "0", "500", "more often", "written more than once"),
        ("block.wbt_lat_usec", "2000", "0", "never held back", "Reads may wait longer"),
        ("block.wbt_lat_usec", "0", "2000", "sooner", "Checkpoints may be written more slowly"),
        ("cpu.idle_latency", "0", "99", "sleeps only", "takes more power"),
        ("cpu.idle_latency", "n/a", "99", "may sleep", "wake later"),
        ("cpu.max_freq", "2500000", "3800000", "at most at 3.8 GHz", "may take more power"),
        ("cpu.max_freq", "3800000", "2500000", "at most at 2.5 GHz", "slows down"),
    ],
)
def test_what_is_said_of_a_direction_is_true_of_it(
    knob: str, old: str, new: str, effect: str, danger: str
) -> None:
    instance = "" if KNOBS[knob].scope == "global" else "x1"
    text = change_text(Item(knob, instance, "/x", old, new), Facts())
    assert effect in text.effect
    assert danger in text.danger


def test_fewer_maps_than_there_may_be_now_are_a_risk_of_their_own() -> None:
    item = Item("vm.max_map_count", "", "/x", "1048576", "65530")
    fewer = change_text(item, Facts())
    assert fewer.risk == "medium"
    assert "its next map fails" in fewer.danger
    assert change_text(item._replace(old="65530", requested="262144"), Facts()).risk == "low"


def test_what_may_end_any_program_is_no_low_risk() -> None:
    item = Item("vm.oom_kill_allocating_task", "", "/x", "0", "1")
    assert change_text(item, Facts()).risk == "medium"
    for value in ("1", "2"):
        assert (
            change_text(item._replace(knob="vm.panic_on_oom", requested=value), Facts()).risk
            == "high"
        )


@pytest.mark.parametrize("knob", ENTRIES)
def test_every_knob_is_described_of_an_unknown_machine(knob: str) -> None:
    entry = ENTRIES[knob]
    for value in ("1", "4096", *KNOBS[knob].choices, *KNOBS[knob].modules, *entry.values):
        instance = "" if KNOBS[knob].scope == "global" else "x1"
        for old in ("0", "madvise", ""):
            text = change_text(Item(knob, instance, "/x", old, value), Facts())
            for sentence in (text.effect, text.danger, text.undo):
                assert sentence.endswith(".")
                assert "{" not in sentence
            assert text.note
            assert text.note_short


def test_a_machine_without_meminfo_is_described_too(tmp_path: Path) -> None:
    host = made_trees.host(tmp_path, made_trees.sysctls())
    facts = describe.gather(host, ())
    assert facts.available is None
    item = Item("vm.overcommit_memory", "", "/x", "0", "1")
    assert "outgrows the available memory" in change_text(item, facts).danger


def test_the_shell_line_that_does_the_same(tmp_path: Path) -> None:
    host = made_trees.two_nodes(tmp_path)
    wanted = ["vm.swappiness=10", "thp.defrag=defer+madvise", "hugepages.2048kB@node1=4"]
    plan = make_plan(host, expand(host, [parse_change(text) for text in wanted]))
    assert commands(plan.items) == (
        "sudo sysctl -w vm.swappiness=10",
        "echo defer+madvise | sudo tee /sys/kernel/mm/transparent_hugepage/defrag",
        "echo 4 | sudo tee /sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages",
    )
    assert command("block.scheduler", "cciss!c0d0", "none").endswith(
        "sudo tee '/sys/block/cciss!c0d0/queue/scheduler'"
    )
