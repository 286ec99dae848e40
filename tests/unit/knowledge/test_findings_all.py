"""All findings together: their order and names, their plans, services that clash, what we left."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

import pytest

from aitune_backends import doctor
from aitune_backends.changes import expand
from aitune_backends.findings import conflicts, leftovers, ours
from aitune_backends.findings.finding import SEVERITIES, Finding, Severity, in_order
from aitune_backends.identity import read_identity
from aitune_backends.machine import Machine
from aitune_backends.manager_kind import Setting
from aitune_backends.managers import Manager
from aitune_helper.formats import FILES, HEADER
from aitune_helper.knobs import KNOBS, refusal
from tests.unit.hostile.corpus import CORPUS, check_shown
from tests.unit.knowledge.findings_trees import (
    GIB,
    GPU,
    NVME,
    by_id,
    device,
    link,
    memory,
    nodes,
    server,
    tree,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SICK = (
    device("00:01.0 01:00.0", GPU, link(), link("8", "16", "2.5")),
    device("00:02.0 02:00.0", NVME, link("4", "4"), link("4", "4", "8.0"), node="1"),
    nodes("0-1"),
    server(),
    memory(64 * GIB, CommitLimit=10 * GIB, Committed_AS=9 * GIB),
    {
        "/proc/cmdline": "elevator=noop mitigations=off numa_balancing=disable",
        "/proc/sys/kernel/osrelease": "6.8.0",
        "/proc/sys/kernel/numa_balancing": "1",
        "/proc/sys/vm/overcommit_memory": "2",
        "/proc/sys/vm/zone_reclaim_mode": "1",
        "/proc/sys/vm/watermark_scale_factor": "10",
        "/proc/sys/vm/swappiness": "60",
        "/proc/sys/vm/max_map_count": "12",
        "/proc/vmstat": "oom_kill 1\nallocstall_normal 100000",
        "/proc/swaps": f"Filename Type Size Used Priority\n/dev/sda2 partition 9 {1 << 20} -2",
        "/proc/mounts": "tmpfs /dev/shm tmpfs rw,size=65536k 0 0",
        "/sys/kernel/mm/ksm/run": "1",
        "/sys/kernel/mm/ksm/full_scans": "4",
        "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "64",
        "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages": "64",
        "/sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages": "0",
    },
)


def look_over(root: Path, *parts: Mapping[str, str]) -> tuple[Finding, ...]:
    host = tree(root, *parts)
    return doctor.findings(Machine(host, read_identity(host)))


def test_a_sick_machine(tmp_path: Path) -> None:
    found = look_over(tmp_path / "m", *SICK)
    named = by_id(found)
    assert named.keys() >= {
        "pcie-width", "pcie-speed", "pcie-apart", "memlock", "maps", "shm-small", "cmdline-dead",
        "mitigations", "cmdline-overruled", "commit-limit", "zone-reclaim", "oom-kills",
        "allocation-stalls", "swapped", "ksm", "huge-pages-idle",
    }  # fmt: skip
    severities = [SEVERITIES.index(finding.severity) for finding in found]
    assert severities == sorted(severities)
    assert {finding.severity for finding in found} == set(SEVERITIES)
    for finding in found:
        assert re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", finding.id)
        for text in (finding.sentence, finding.hint):
            assert not text or text[-1] in ".`:)=0123456789abcdefghijklmnopqrstuvwxyz", text
            assert "  " not in text


def test_every_plan_can_be_made(tmp_path: Path) -> None:
    found = look_over(tmp_path / "m", *SICK)
    host = tree(tmp_path / "m")
    fixes = {want.knob: want for finding in found for want in finding.fix}
    assert fixes.keys() == {
        "vm.overcommit_memory", "vm.zone_reclaim_mode", "vm.watermark_scale_factor",
        "vm.swappiness", "vm.max_map_count", "ksm.run", "hugepages.2048kB",
    }  # fmt: skip
    for want in fixes.values():
        assert KNOBS[want.knob].offered
        assert refusal(KNOBS[want.knob], want.value, ()) is None
        assert expand(host, (want,))


def test_the_order_within_a_severity_is_that_of_finding() -> None:
    mixed: tuple[Severity, ...] = ("info", "problem") * 3
    made = [Finding(str(number), "", "", severity=each) for number, each in enumerate(mixed)]
    assert [finding.id for finding in in_order(made)] == ["1", "3", "5", "0", "2", "4"]


@pytest.mark.parametrize("name", CORPUS)
def test_no_text_of_a_machine_acts(tmp_path: Path, name: str) -> None:
    text = CORPUS[name].replace("\0", "?")
    one_line = text.replace("\n", "?").replace("\r", "?")
    found = look_over(
        tmp_path / "m",
        server(comm=text, command=f"vllm\0{text}\0", cgroup=f"0::/{one_line}"),
        device("00:01.0 01:00.0", GPU, link(), link(text, text, text, text), vendor="0x1002"),
        nodes(text),
        memory(),
        {
            "/proc/cmdline": f"iommu={one_line} elevator={one_line} numa_balancing={one_line}",
            "/proc/sys/kernel/osrelease": f"6.8.0{one_line}",
            "/proc/mounts": f"{text}\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n",
            "/proc/swaps": f"F T S U P\n/dev/{one_line[:99]} partition 9 {1 << 22} 1",
            "/proc/vmstat": f"oom_kill {text}\nallocstall {text}",
            "/proc/loadavg": text,
            "/proc/uptime": text,
            "/proc/driver/nvidia/version": f"NVRM version: {text} Kernel Module {text} 1.2.3",
            "/proc/sys/vm/zone_reclaim_mode": text,
            "/proc/sys/fs/aio-nr": text,
            "/etc/sysctl.d/95-aitune.conf": text,
            "/var/lib/aitune/owned.json": text,
            "/etc/tuned/active_profile": text,
            "/sys/kernel/mm/ksm/run": "1",
            "/sys/kernel/mm/ksm/full_scans": text,
        },
    )
    for finding in found:
        for said in (finding.title, finding.sentence, finding.hint, finding.plan):
            check_shown(said)
            assert "\n" not in said
            assert len(said) < 2000


def manager(name: str, *clashes: str, running: bool = True, **sets: str) -> Manager:
    settings = tuple(
        Setting(knob.replace("__", "."), "", *value.partition("@")[::2])
        for knob, value in sets.items()
    )
    return Manager(name, running, True, settings, "", "It does.", clashes)


def test_services_that_clash_are_one_finding_that_keeps_the_best() -> None:
    both = [manager("tlp", "tuned"), manager("tuned", "tlp")]
    finding = by_id(conflicts.clashes(both))["managers-clash"]
    assert finding.severity == "problem"
    assert finding.sentence.startswith("tuned and tlp run at the same time")
    assert "disable --now tlp" in finding.hint
    later = [manager("tlp", "tuned", running=False), manager("tuned", "tlp")]
    assert by_id(conflicts.clashes(later))["managers-clash"].severity == "warning"
    assert not list(conflicts.clashes([manager("tuned"), manager("irqbalance")]))
    gone = [manager("tuned", "tlp")]  # of one that is not there nothing can be said
    assert not list(conflicts.clashes(gone))


def test_services_that_do_not_agree() -> None:
    one, same = manager("tuned", ksm__run="0@f:1"), manager("x", ksm__run="0@f:2")
    other = manager("ksmtuned", ksm__run="1@g")
    assert not list(conflicts.disagreements([one, same]))
    finding = by_id(conflicts.disagreements([one, same, other]))["managers-differ"]
    assert "ksm.run (tuned: 0, ksmtuned: 1)" in finding.sentence
    asleep = manager("ksmtuned", running=False, ksm__run="1@g")
    assert not list(conflicts.disagreements([one, asleep]))


UNIT = "/etc/systemd/system/multi-user.target.wants/{}.service"
ALSO = "/usr/lib/systemd/system/{}.service"


@pytest.mark.parametrize(
    ("name", "more", "expected"),
    [
        ("ksmtuned", device("00:01.0 01:00.0", GPU), "ksmtuned"),
        ("ksmtuned", {}, None),
        ("numad", {"/proc/sys/kernel/numa_balancing": "1"}, "numad"),
        ("numad", {"/proc/sys/kernel/numa_balancing": "0"}, None),
        ("ondemand", {}, "ondemand"),
        (
            "kubelet",
            {"/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "4"},
            "kubelet-huge-pages",
        ),
        ("kubelet", {}, None),
    ],
)
def test_single_services(
    tmp_path: Path, name: str, more: dict[str, str], expected: str | None
) -> None:
    unit = {UNIT.format(name): "[Unit]", ALSO.format(name): "[Unit]", "/proc/1/comm": "systemd"}
    found = by_id(look_over(tmp_path / "m", unit, more))
    assert found.keys() & {"ksmtuned", "numad", "ondemand", "kubelet-huge-pages"} == (
        {expected} if expected else set()
    )


FILE = f"/etc/{FILES['sysctl']}"
OURS = HEADER.format(reader="x") + "vm.swappiness = 10\n"
OWNED = {FILE: {hashlib.sha256(OURS.encode()).hexdigest(): OURS}}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, set()),
        ({FILE: OURS, "/var/lib/aitune/owned.json": json.dumps(OWNED)}, set()),
        (
            {FILE: OURS + "vm.swappiness = 0\n", "/var/lib/aitune/owned.json": json.dumps(OWNED)},
            {"drop-in-edited"},
        ),
        ({FILE: OURS, "/var/lib/aitune/owned.json": "{}"}, {"drop-in-edited"}),
        ({FILE: "vm.swappiness = 10\n"}, {"drop-in-strange"}),
        ({FILE: OURS}, {"drop-in-lost"}),
        ({FILE: OURS, "/var/lib/aitune/journal.jsonl": "x"}, set()),  # the list is root's to read
        ({FILE: OURS, "/var/lib/aitune/owned.json": "[" * 9999}, set()),
        ({f"/run/aitune-bin/{n}.pyz": "x" for n in range(3)}, {"copies"}),
        ({f"/run/aitune-bin/{n}.pyz": "x" for n in range(2)}, set()),
    ],
)
def test_what_was_left_behind(tmp_path: Path, files: dict[str, str], expected: set[str]) -> None:
    assert by_id(leftovers.findings(tree(tmp_path / "m", files))).keys() == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("/usr/bin/python3\0-I\0/usr/local/libexec/aitune/aitune-helper.pyz", True),
        (f"/usr/bin/python3\0-I\0/run/aitune-bin/{'a1' * 32}.pyz", True),
        ("vim\0aitune-helper.pyz", False),
        ("/usr/bin/python3\0x.py", False),
    ],
)
def test_what_the_helper_costs(tmp_path: Path, arguments: str, expected: bool) -> None:
    host = tree(tmp_path / "m", {"/proc/7/status": "Name:\tpython3\nVmRSS:\t   20480 kB"})
    found = by_id(ours.helpers_cost(host, {7: arguments}))
    assert ("helper-memory" in found) is expected
    if expected:
        assert "take 20 MiB" in found["helper-memory"].sentence
