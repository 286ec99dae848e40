from __future__ import annotations

import itertools
import os
import time
from typing import TYPE_CHECKING

import pytest

from aitune_backends.catalogue import ENTRIES, GROUPS
from aitune_backends.host import Host
from aitune_backends.owners import read_owners
from aitune_backends.probes.cpufreq import OFFLINE
from aitune_backends.readings import Cpu, Disk, HugePool, Policy, Pressure, Sample
from aitune_backends.setting_reader import SettingReader
from aitune_backends.survey import default_pool, survey
from aitune_backends.targets import ABSENT, DIFFERS, INERT, INFO, OK, UNREAD
from aitune_helper import plan
from aitune_helper.knobs import KNOBS
from tests.unit.knowledge import made_trees

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aitune_backends.targets import TargetStatus


def at(targets: Sequence[TargetStatus], knob: str, instance: str = "") -> TargetStatus:
    return next(t for t in targets if (t.knob, t.instance) == (knob, instance))


def test_every_offered_knob_and_instance_of_a_server(tmp_path: Path) -> None:
    host = made_trees.two_nodes(tmp_path)
    targets = survey(host)
    names = [(t.knob, t.instance) for t in targets]
    assert len(names) == len(set(names))
    pools = [name for name in names if name[0].startswith("hugepages.") and name[0][-1] == "B"]
    assert pools == [
        (f"hugepages.{size}kB", node) for size in (2048, 1048576) for node in ("", "node0", "node1")
    ]
    assert "vm.nr_hugepages" not in {knob for knob, _ in names}
    states = {f"{t.knob}@{t.instance}": t.state for t in targets}
    assert states["cpu.governor@policy0"] == OK
    assert states["cpu.governor@policy2"] == DIFFERS
    assert states["kernel.numa_balancing@"] == DIFFERS
    assert states["vm.swappiness@"] == INERT
    assert states["vm.overcommit_ratio@"] == INERT
    assert states["block.read_ahead_kb@nvme0n1"] == INERT
    assert states["block.read_ahead_kb@nvme2n1"] == DIFFERS
    assert states["block.read_ahead_kb@md0"] == OK
    assert states["block.scheduler@nvme2n1"] == OK
    assert states["block.scheduler@md0"] == ABSENT
    assert states["block.nr_requests@md0"] == INERT
    assert at(targets, "block.nr_requests", "md0").value == "1023"
    assert states["block.read_ahead_kb@loop0"] == INFO
    assert at(targets, "block.scheduler", "md0").reason == (
        "md0 has no scheduler: it passes requests on to nvme0n1 and nvme1n1."
    )


def test_values_are_those_the_kernel_holds(tmp_path: Path) -> None:
    host = made_trees.two_nodes(tmp_path)
    for target in survey(host):
        if target.value is not None:
            assert target.path == KNOBS[target.knob].file(target.instance)
            assert target.value == plan.reading(host, KNOBS[target.knob], target.instance)


def test_groups_stay_together_in_the_catalogues_order(tmp_path: Path) -> None:
    knobs = list(dict.fromkeys(t.knob for t in survey(made_trees.two_nodes(tmp_path))))
    here = [knob for knob in ENTRIES if knob in knobs]
    assert knobs == here
    groups = [group for group, _ in itertools.groupby(ENTRIES[knob].group for knob in knobs)]
    assert groups == list(GROUPS)


def test_an_empty_machine_lacks_everything_and_says_why(tmp_path: Path) -> None:
    targets = survey(made_trees.host(tmp_path))
    assert {t.state for t in targets} == {ABSENT}
    assert all(t.reason.endswith(".") and t.path == "" and t.value is None for t in targets)
    assert at(targets, "vm.nr_hugepages").reason == "This kernel has no pools of huge pages."
    assert "Usual in a virtual machine" in at(targets, "cpu.governor").reason


def test_a_capture_only_says_what_it_does_not_hold(tmp_path: Path) -> None:
    targets = survey(made_trees.host(tmp_path, origin="capture"))
    assert {t.reason for t in targets} == {"Not in this capture."}


def test_a_file_that_cannot_be_read_is_no_absent_one(tmp_path: Path) -> None:
    host = made_trees.two_nodes(tmp_path)
    path = tmp_path / "proc/sys/vm/swappiness"
    path.unlink()
    os.mkfifo(path)  # the host opens regular files only
    target = at(survey(host), "vm.swappiness")
    assert (target.state, target.value) == (UNREAD, None)
    assert target.reason == "Reading /proc/sys/vm/swappiness failed: not a regular file."


def test_what_sets_it_at_boot(tmp_path: Path) -> None:
    host = made_trees.two_nodes(tmp_path)
    made_trees.host(
        tmp_path,
        {"/etc/sysctl.d/20-x.conf": "vm.swappiness = 60\nvm.nr_hugepages = 8\n"},
    )
    targets = survey(host, owners=read_owners(host))
    swappiness = at(targets, "vm.swappiness")
    assert (swappiness.owner, swappiness.survives) == ("/etc/sysctl.d/20-x.conf:1", True)
    pool = at(targets, "hugepages.2048kB")
    assert (pool.owner, pool.survives) == ("/etc/sysctl.d/20-x.conf:2", False)
    assert at(targets, "hugepages.1048576kB").owner is None
    assert at(targets, "hugepages.2048kB", "node0").owner is None
    assert at(targets, "thp.enabled").survives is None


@pytest.mark.parametrize(("page", "pool"), [(2048, "hugepages.2048kB"), (3, "")])
def test_the_default_pool(tmp_path: Path, page: int, pool: str) -> None:
    assert default_pool(made_trees.host(tmp_path, made_trees.meminfo(page=page))) == pool


def test_the_goal_decides_nothing_it_should_not(tmp_path: Path) -> None:
    host = made_trees.two_nodes(tmp_path)
    for goal in ("model-loading", "inference", "training"):
        assert at(survey(host, goal=goal), "cpu.governor", "policy2").advised == "performance"


def a_sample(*, policies: int = 0, disks: int = 0) -> Sample:
    return Sample(
        at=0.0, wall=0.0, memory=None, pressure=Pressure(),
        pools=(HugePool(2048, None, 64, 64, 0, 0),),
        cpus=tuple(Cpu(n, n % 2, online=True) for n in range(policies)),
        policies=tuple(
            Policy(f"policy{n}", (n,), "intel_pstate", "powersave", ("performance", "powersave"),
                   None, None, None, None, None, preference="balance_power",
                   preferences=("default", "performance", "balance_power"))
            for n in range(policies)
        ),
        disks=tuple(
            Disk(f"nvme{n}n1", 0, "X", False, 0, "none", ("none",), 128, 1023, 0, None, None,
                 max_sectors_kib=256)
            for n in range(disks)
        ),
    )  # fmt: skip


def test_a_sample_is_not_read_again(tmp_path: Path) -> None:
    host = made_trees.host(tmp_path, made_trees.meminfo(), made_trees.sysctls())
    targets = survey(host, a_sample(policies=2, disks=1))
    assert at(targets, "cpu.governor", "policy1").value == "powersave"
    assert at(targets, "cpu.governor", "policy1").note == "cpu 1, node1"
    assert at(targets, "block.scheduler", "nvme0n1").value == "none"
    assert at(targets, "block.max_sectors_kb", "nvme0n1").value == "256"
    preference = at(targets, "cpu.epp", "policy1")
    assert (preference.value, preference.state) == ("balance_power", DIFFERS)
    assert preference.choices == ("performance", "balance_power"), "default is no preference"
    pool = at(targets, "hugepages.2048kB")
    assert (pool.value, pool.state) == ("64", INERT)


def test_an_offline_policy_is_absent_and_says_so(tmp_path: Path) -> None:
    for error, expected in ((OFFLINE, ABSENT), ("scaling_driver: Input/output error", UNREAD)):
        policy = Policy("policy3", (3,), "", None, (), None, None, None, None, None, error)
        sample = Sample(0.0, 0.0, None, Pressure(), (), (), (policy,), ())
        for knob in ("cpu.governor", "cpu.max_freq", "cpu.policy_boost"):
            target = at(survey(made_trees.host(tmp_path), sample), knob, "policy3")
            assert target.state == expected
            assert "offline (cpu 3)" in target.reason or "output error" in target.reason


def test_a_disk_that_passes_requests_on_shows_what_its_kernel_shows(tmp_path: Path) -> None:
    host = made_trees.host(
        tmp_path,
        made_trees.disk("md0", "none", slaves=("sda",)),
        made_trees.disk("md1", None, slaves=("sdb",)),
    )
    old, new = (at(survey(host), "block.scheduler", name) for name in ("md0", "md1"))
    assert (old.value, old.state) == ("none", INERT)
    assert (new.value, new.state) == (None, ABSENT)
    assert old.reason.replace("md0", "md1").replace("sda", "sdb") == new.reason


def test_values_that_cannot_be_set_come_with_the_reason(tmp_path: Path) -> None:
    host = made_trees.host(
        tmp_path,
        made_trees.meminfo(),
        made_trees.sysctls(overcommit_ratio="1"),  # of 64 GiB, where 1 GiB is promised
        made_trees.policies("performance"),
        {
            "/sys/devices/system/cpu/cpufreq/policy0/energy_performance_preference": "performance",
            "/sys/devices/system/cpu/cpufreq/policy0/energy_performance_available_preferences": (
                "default performance power"
            ),
        },
    )
    targets = survey(host)
    assert [i.value for i in at(targets, "cpu.epp", "policy0").impossible] == ["power"]
    assert [i.value for i in at(targets, "vm.overcommit_memory").impossible] == ["2"]
    assert at(targets, "thp.enabled").impossible == ()


def test_what_is_absent_depends_on_the_kernel_and_on_what_is_there(tmp_path: Path) -> None:
    host = made_trees.host(
        tmp_path,
        {
            "/proc/version": "Linux version 6.1.0-x (a@b)",
            "/proc/cpuinfo": "processor\t: 0\nflags\t\t: fpu hypervisor sse\n",
            "/sys/devices/system/cpu/intel_pstate/no_turbo": "1",
        },
    )
    targets = survey(host)
    assert at(targets, "thp.size_enabled").reason.startswith("Linux 6.1 does not have it")
    assert at(targets, "cpu.boost").reason == "Here cpu.no_turbo says the same."
    assert "virtual machine" in at(targets, "cpu.governor").reason
    assert at(targets, "cpu.no_turbo").state == DIFFERS


def test_sizes_cores_and_nodes_are_instances_too(tmp_path: Path) -> None:
    thp = "/sys/kernel/mm/transparent_hugepage"
    host = made_trees.host(
        tmp_path,
        {
            f"{thp}/hugepages-64kB/enabled": "always inherit madvise [never]",
            f"{thp}/hugepages-2048kB/enabled": "always [inherit] madvise never",
            "/sys/devices/system/cpu/cpu10/power/pm_qos_resume_latency_us": "n/a",
            "/sys/devices/system/cpu/cpu9/power/pm_qos_resume_latency_us": "0",
            "/sys/devices/system/cpu/cpufreq/policy0/scaling_governor": "performance",
            "/sys/kernel/mm/mempolicy/weighted_interleave/node1": "3",
        },
    )
    found = [(t.knob, t.instance, t.value) for t in survey(host) if t.instance and t.value]
    assert found == [
        ("thp.size_enabled", "64kB", "never"),
        ("thp.size_enabled", "2048kB", "inherit"),
        ("numa.weighted_interleave", "node1", "3"),
        ("cpu.governor", "policy0", "performance"),
        ("cpu.idle_latency", "cpu9", "0"),
        ("cpu.idle_latency", "cpu10", "n/a"),
    ]


class CountingHost(Host):
    def __init__(self, root: Path) -> None:
        super().__init__(root, origin="demo")
        self.opened: list[str] = []

    def open(self, path: str) -> int:
        self.opened.append(path)
        return super().open(path)


def test_of_a_large_machine_each_look_reads_a_part(tmp_path: Path) -> None:
    latency = {
        f"/sys/devices/system/cpu/cpu{n}/power/pm_qos_resume_latency_us": "0" for n in range(512)
    }
    made_trees.host(tmp_path, made_trees.meminfo(), made_trees.sysctls(), latency)
    host = CountingHost(tmp_path)
    sample, reader = a_sample(policies=512, disks=64), SettingReader(host)
    start = time.process_time()
    first = survey(host, sample, reader=reader)
    cost = time.process_time() - start
    assert sum(t.knob == "cpu.idle_latency" for t in first) == 512
    assert sum(t.knob == "cpu.governor" for t in first) == 512
    assert cost < 1.5  # a tenth of it; the bound only catches a change of order

    last = tmp_path / "sys/devices/system/cpu/cpu300/power/pm_qos_resume_latency_us"
    last.write_text("20")
    values = []
    for _ in range(512 // 32):
        host.opened.clear()
        values.append(at(survey(host, sample, reader=reader), "cpu.idle_latency", "cpu300").value)
        assert len(host.opened) < 350
    assert set(values) == {"0", "20"}, "every core has its turn"
    last.write_text("n/a")
    reader.forget()
    targets = survey(host, sample, reader=reader)
    assert at(targets, "cpu.idle_latency", "cpu300").value == "n/a", "at once where it is asked for"


def test_this_machine() -> None:
    targets = survey(Host())
    assert at(targets, "vm.overcommit_memory").value in {"0", "1", "2"}
    assert all(t.reason for t in targets if t.state in (ABSENT, INERT, UNREAD, DIFFERS))
