"""Reaching kernel files: a closed way down, whatever is asked and whatever lies there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.helper.fake_kernel import FakeKernel

from aitune_helper import kernelfs
from aitune_helper.kernelfs import RealKernel, exists, has_total, identity, instances
from aitune_helper.knobs import (
    KNOBS,
    Knob,
    canonical,
    instance_is_well_formed,
    parse_listed,
    refusal,
)

HOSTILE = (
    "", ".", "..", "../..", "../../etc/passwd", "/etc/passwd", "node0/..", "node0/../node1",
    "node0\0", "node0/", "node00", "node01", "node-1", "node1 ", " node1", "node1\n", "NODE1",
    "node１", "node²", "node%2e%2e", "node99999", "cpu0", "policy0/../..", "policy0\x00x",
    "policy", "sda/../../kernel", "sda/queue", "sda\n", "sd a", "..sda", "-sda", "sd*",
    "{instance}", "$(id)", "`id`", ";id", "x" * 33, "x" * 4096, "\u202eads", "sd\u0430",
    "self/root", "!", "cpu0/../..", "policy0/../../..", "node0/../../../proc", "%2e%2e", "%2e",
    "sda%00", "sda\0", "no\0de0", "policy０", "policy٣", "node٠", "sdá", "sda\u200b", "policy1\n",
    "\x1b[2Jsda", "node" + "0" * 4096, "node" + "1" * 4096, "sda" * 1400, "policy" + "9" * 4096,
)  # fmt: skip
SCOPED = [knob for knob in KNOBS.values() if knob.scope != "global"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A root with proc and sys on an ordinary file system, and traps in them."""
    for path, text in {
        "proc/sys/vm/swappiness": "60\n",
        "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
        "sys/devices/pci0/block/sda/queue/scheduler": "[none] mq-deadline\n",
        "sys/devices/pci0/block/sda/diskseq": "4\n",
        "secret": "secret\n",
    }.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    block = tmp_path / "sys/block"
    block.mkdir()
    (block / "sda").symlink_to("../devices/pci0/block/sda")
    (block / "evil").symlink_to("../../etc")
    (block / "evil2").symlink_to("../devices/../../../etc")
    (block / "evil3").symlink_to("/etc")
    (tmp_path / "proc/sys/vm/link").symlink_to(tmp_path / "secret")
    (tmp_path / "proc/sys/through").symlink_to(tmp_path / "proc/sys/vm")
    os.mkfifo(tmp_path / "proc/sys/vm/fifo")
    return tmp_path


@pytest.fixture
def kernel(tree: Path) -> RealKernel:
    fd = os.open(tree, os.O_RDONLY)
    magic = kernelfs._filesystem(fd)
    os.close(fd)
    return RealKernel(str(tree), {"proc": magic, "sys": magic})


def test_plain_files_are_read_and_written_in_place(kernel: RealKernel, tree: Path) -> None:
    assert kernel.read("/proc/sys/vm/swappiness") == "60\n"
    kernel.write("/proc/sys/vm/swappiness", "10")
    assert (tree / "proc/sys/vm/swappiness").read_text() == "10\n"
    assert kernel.read("/sys/block/sda/queue/scheduler").startswith("[none]")
    assert kernel.link("/sys/block/sda") == "../devices/pci0/block/sda"
    assert kernel.entries("/sys/block/sda") == ["diskseq", "queue"]


@pytest.mark.parametrize(
    "path",
    [
        "/proc/sys/vm/link",
        "/proc/sys/through/swappiness",
        "/proc/sys/vm/fifo",
        "/proc/sys/vm",
        "/proc/sys/vm/../vm/swappiness",
        "/proc/sys//vm/swappiness",
        "/proc/sys/vm/swappiness/",
        "/proc/sys/vm/./swappiness",
        "proc/sys/vm/swappiness",
        "/secret",
        "/sys/../secret",
        "/sys/block/evil/passwd",
        "/sys/block/evil2/passwd",
        "/sys/block/evil3/passwd",
        "/sys/block/../../secret",
        "/proc/sys/vm/swappiness\0",
        "/",
        "",
    ],
)
def test_whatever_is_not_plainly_a_file_below_is_refused(kernel: RealKernel, path: str) -> None:
    with pytest.raises(OSError):  # noqa: PT011 (which errno depends on the trap)
        kernel.read(path)
    with pytest.raises(OSError):  # noqa: PT011
        kernel.write(path, "1")
    with pytest.raises(OSError):  # noqa: PT011
        kernel.probe(path)


def test_a_probe_writes_nothing_and_says_whether_a_write_could(
    kernel: RealKernel, tree: Path
) -> None:
    file = tree / "proc/sys/vm/swappiness"
    kernel.probe("/proc/sys/vm/swappiness")
    assert file.read_text() == "60\n"
    file.chmod(0o444)
    if os.access(file, os.W_OK):  # root passes over the mode
        kernel.probe("/proc/sys/vm/swappiness")
    else:
        with pytest.raises(PermissionError):
            kernel.probe("/proc/sys/vm/swappiness")


def test_the_file_system_has_to_be_the_kernels(tree: Path) -> None:
    with pytest.raises(OSError, match="not a file of procfs or sysfs"):
        RealKernel(str(tree)).read("/proc/sys/vm/swappiness")


def test_the_running_kernel_answers() -> None:
    kernel = RealKernel()
    assert canonical(KNOBS["vm.swappiness"], kernel.read("/proc/sys/vm/swappiness")).isdigit()
    assert "MemTotal" in kernel.read("/proc/meminfo")
    assert "vm" in kernel.entries("/proc/sys")
    with pytest.raises(OSError):  # noqa: PT011
        kernel.read("/proc/self/status")


PARTS = st.sampled_from(
    ["proc", "sys", "block", "evil", "evil2", "evil3", "sda", "vm", "link", "through", "..", ".",
     "", "secret", "etc", "passwd", "fifo", "swappiness", "devices", "kernel"]
)  # fmt: skip


@settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(PARTS, max_size=7))
def test_no_path_leads_to_the_secret(kernel: RealKernel, tree: Path, parts: list[str]) -> None:
    for path in ("/" + "/".join(parts), "/sys/block/" + "/".join(parts)):
        try:
            assert kernel.read(path) != "secret\n"
            kernel.write(path, "x")
        except OSError:
            continue
    assert (tree / "secret").read_text() == "secret\n"


@pytest.mark.parametrize("knob", SCOPED, ids=lambda knob: knob.id)
def test_hostile_instances_are_no_instances(knob: Knob) -> None:
    for instance in HOSTILE:
        if instance:
            assert not exists(FakeKernel(), knob, instance), instance
        if instance_is_well_formed(knob, instance):
            assert instance.isascii()
            assert not set(instance) & set("/.%$ \n\0")


@settings(max_examples=400)
@given(st.sampled_from(sorted(KNOBS)), st.text(max_size=40))
def test_an_instance_that_passes_adds_one_plain_component(name: str, instance: str) -> None:
    knob = KNOBS[name]
    if not instance_is_well_formed(knob, instance):
        return
    path = knob.file(instance)
    assert path.isascii()
    assert ".." not in path.split("/")
    assert path.count("/") == (
        knob.total_path if not instance and knob.quantity else knob.path
    ).count("/")


def test_every_knob_lies_in_the_two_trees() -> None:
    for knob in KNOBS.values():
        paths = (knob.path, knob.total_path, knob.listed_in, knob.least_in, knob.most_in)
        for path in filter(None, paths):
            assert path.startswith(("/proc/sys/", "/sys/")), path
        for other in (KNOBS[name] for name in knob.coupled):
            assert other.scope in (knob.scope, "global") or knob.scope == "global"


def test_instances_are_listed_in_natural_order() -> None:
    names = ["node0", "node10", "node2", "nodefoo"]
    pool = KNOBS["hugepages.2048kB"]
    kernel = FakeKernel({pool.file(name): "0" for name in names} | {"/proc/meminfo": ""})
    assert instances(kernel, pool) == ("node0", "node2", "node10")
    assert not has_total(kernel, pool)


def test_what_is_not_there_has_no_instances() -> None:
    kernel = FakeKernel({"/proc/sys/vm/swappiness": "60"})
    assert instances(kernel, KNOBS["vm.swappiness"]) == ("",)
    for name in ("cpu.governor", "block.scheduler", "hugepages.2048kB", "thp.enabled"):
        assert instances(kernel, KNOBS[name]) == ()


def test_only_disks_with_the_file_are_instances() -> None:
    kernel = FakeKernel()
    del kernel.files["/sys/block/sdb/queue/scheduler"]
    assert instances(kernel, KNOBS["block.scheduler"]) == ("sda",)
    assert instances(kernel, KNOBS["block.read_ahead_kb"]) == ("sda", "sdb")


def test_a_disk_is_told_by_its_sequence_number_or_its_place(kernel: RealKernel, tree: Path) -> None:
    knob = KNOBS["block.scheduler"]
    assert identity(kernel, knob, "sda") == "diskseq:4"
    (tree / "sys/devices/pci0/block/sda/diskseq").unlink()
    (tree / "sys/devices/pci0/block/sda/dev").write_text("8:0\n")
    assert identity(kernel, knob, "sda") == "device:../devices/pci0/block/sda:8:0"
    assert identity(kernel, knob, "sdz") == ""
    assert identity(kernel, KNOBS["vm.swappiness"], "") == ""


@pytest.mark.parametrize(
    ("knob", "values"),
    [
        ("vm.swappiness", ["010", "0x10", "-1", "+1", "1 2", " 1", "1\n", "", "201", "1.0", "１"]),
        ("vm.overcommit_ratio", ["0", "101", "-5", "50%"]),
        ("hugepages.2048kB", ["-1", "1e3", str(2**63)]),
        ("thp.enabled", ["Always", "always ", "[always]", "", "nonesuch"]),
        ("block.scheduler", ["nonesuch", "none\n", "NONE", "[none]", "mq-deadline kyber"]),
        ("cpu.governor", ["PERFORMANCE", "performance;", ""]),
        ("cpu.epp", ["default", "255", "0", "Power", "power "]),
        ("vm.dirty_ratio", ["101", "150", "150%", "-5"]),
        ("vm.dirty_bytes", ["0", "4096", "1073741824.0", "1G", str(2**44)]),
        ("block.max_sectors_kb", ["0", "3", str(2**31)]),
        ("block.nr_requests", ["0", "3", "65537"]),
    ],
)
def test_values_the_kernel_would_misread_are_refused(knob: str, values: list[str]) -> None:
    listed = {"block.scheduler": ("none", "mq-deadline"), "cpu.governor": ("performance",)}
    for value in values:
        assert refusal(KNOBS[knob], value, listed.get(knob, ())) is not None, value


NEVER = [
    "", " ", "\n", "\0", "010", "0x10", "0b1", "0o7", "2 3", " 5", "5 ", "5\n", "+5", "-5", "-0",
    "1e3", "1.0", "1_000", "150 %", "50%", "1G", "4 KiB", "٣", "１", "²", "Ⅳ", "nonesuch", "none\0",
    "always\n", "[none]", "performance,power", "../../etc/passwd", "$(id)", "\x1b[2J", "é",
    "9" * 20, "5" * 4096, "a" * 4096, "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("knob", KNOBS.values(), ids=lambda knob: knob.id)
@pytest.mark.parametrize("value", NEVER, ids=ascii)
def test_no_knob_takes_what_the_kernel_would_misread(knob: Knob, value: str) -> None:
    reason = refusal(knob, value, ("none", "performance"))
    assert reason is not None
    assert reason.isascii(), "the value itself is never echoed"
    assert len(reason) < 200


@given(st.sampled_from(sorted(KNOBS)), st.text(max_size=24))
def test_a_value_that_passes_is_one_plain_word(name: str, value: str) -> None:
    if refusal(KNOBS[name], value, ("none", "performance")) is None:
        assert value.isascii()
        assert value == value.strip()
        assert " " not in value


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("always [madvise] never\n", ("madvise", ("always", "madvise", "never"))),
        ("none\n", ("none", ())),
        ("[none] \n", ("none", ("none",))),
        ("", ("", ())),
        ("[a] [b]", ("", ())),
    ],
)
def test_choices_are_read(text: str, found: tuple[str, tuple[str, ...]]) -> None:
    assert parse_listed(text) == found
