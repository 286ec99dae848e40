"""What a kernel lacks, what its command line says, which driver holds the cards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aitune_backends.findings import command_line, gpu_driver, kernel
from aitune_backends.findings.pci import read_devices
from tests.unit.knowledge.findings_trees import GPU, by_id, device, tree

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CPU = "/sys/devices/system/cpu"
NOTHING = {
    "no-cpufreq": "limit",
    "no-huge-pages": "limit",
    "no-thp": "limit",
    "no-pressure": "limit",
    "no-disks": "limit",
}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, {}),
        ({f"{CPU}/present": "0-7", f"{CPU}/online": "0-5"}, {"cpus-offline": "limit"}),
        ({f"{CPU}/present": "0-7", f"{CPU}/online": "0-7", f"{CPU}/offline": "8-255"}, {}),
        ({"/proc/sys/kernel/modules_disabled": "1"}, {"modules-locked": "limit"}),
        ({"/proc/sys/kernel/modules_disabled": "0"}, {}),
        (
            {"/sys/kernel/security/lockdown": "none [integrity] confidentiality"},
            {"lockdown": "limit"},
        ),
        ({"/sys/kernel/security/lockdown": "[none] integrity confidentiality"}, {}),
        ({"/proc/mounts": "proc /proc proc rw,hidepid=invisible 0 0"}, {"hidepid": "limit"}),
        ({"/proc/mounts": "proc /proc proc rw,hidepid=0 0 0"}, {}),
        ({"/sys/fs/selinux/enforce": "1"}, {"selinux": "info"}),
        ({"/sys/fs/selinux/enforce": "0"}, {}),
    ],
)
def test_the_kernel(tmp_path: Path, files: dict[str, str], expected: dict[str, str]) -> None:
    got = by_id(kernel.findings(tree(tmp_path / "m", files)))
    assert {name: found.severity for name, found in got.items()} == {**NOTHING, **expected}


def test_why_there_is_no_cpufreq(tmp_path: Path) -> None:
    machines = {
        "virtual": {"/proc/cpuinfo": "processor : 0\nflags\t\t: fpu vme hypervisor lahf_lm"},
        "xen": {"/sys/hypervisor/type": "xen"},
        "real": {"/proc/cpuinfo": "processor : 0\nflags\t\t: fpu vme aperfmperf"},
        "silent": {"/proc/cpuinfo": "\0\xff" * 99},
    }
    said = {
        name: by_id(kernel.findings(tree(tmp_path / name, files)))["no-cpufreq"]
        for name, files in machines.items()
    }
    assert said["virtual"].sentence == said["xen"].sentence == kernel.NO_CPUFREQ
    assert "no driver took the processor" in said["real"].sentence
    assert "amd_pstate=active" in said["real"].hint
    assert said["silent"].sentence == said["real"].sentence


def line(words: str, **files: str) -> dict[str, str]:
    return {"/proc/cmdline": words, "/proc/sys/kernel/osrelease": "6.8.0", **files}


AMD = device("00:01.0 01:00.0", GPU, vendor="0x1002")
TRANSLATED = {**AMD, "/sys/bus/pci/devices/0000:01:00.0/iommu_group/type": "DMA-FQ"}
NVIDIA = device("00:01.0 01:00.0", GPU)
GRACE = {"/proc/cpuinfo": "processor : 0\nCPU part\t: 0xd4f\n", **NVIDIA}
VIRTUAL = {"/sys/hypervisor/type": "kvm"}
BUILT = {"/boot/config-6.8.0": "CONFIG_INIT_ON_ALLOC_DEFAULT_ON=y"}
NOT_BUILT = {"/boot/config-6.8.0": "# CONFIG_INIT_ON_ALLOC_DEFAULT_ON is not set"}
THP = "/sys/kernel/mm/transparent_hugepage/enabled"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (line("quiet ro"), {}),
        (line(""), {}),
        ({**line("quiet"), **TRANSLATED}, {"iommu-pt": "warning"}),
        ({**line("quiet"), **TRANSLATED, **VIRTUAL}, {}),
        ({**line("quiet iommu=pt"), **TRANSLATED}, {"cmdline": "info"}),
        ({**line("quiet"), **AMD}, {}),  # no IOMMU, or one that passes everything on
        ({**line("quiet"), **NVIDIA, "/proc/cpuinfo": "x"}, {}),
        ({**line("quiet"), **GRACE}, {"init-on-alloc": "info"}),
        ({**line("quiet"), **GRACE, **BUILT}, {"init-on-alloc": "info"}),
        ({**line("quiet"), **GRACE, **NOT_BUILT}, {}),
        ({**line("init_on_alloc=0"), **GRACE, **BUILT}, {"cmdline": "info"}),
        (
            {**line("init_on_alloc=1"), **GRACE, **NOT_BUILT},
            {"init-on-alloc": "info", "cmdline": "info"},
        ),
        (line("elevator=noop"), {"cmdline-dead": "warning"}),
        ({**line("elevator=noop"), "/proc/sys/kernel/osrelease": "4.18.0"}, {}),
        (line("numa_balancing=0"), {"cmdline-dead": "warning", "cmdline": "info"}),
        (line("numa_balancing=disable"), {"cmdline": "info"}),
        (
            {**line("numa_balancing=disable"), "/proc/sys/kernel/numa_balancing": "1"},
            {"cmdline-overruled": "info", "cmdline": "info"},
        ),
        (
            {**line("numa_balancing=disable"), "/proc/sys/kernel/numa_balancing": "0"},
            {"cmdline": "info"},
        ),
        (
            {**line("transparent_hugepage=never"), THP: "[always] madvise never"},
            {"cmdline-overruled": "info", "cmdline": "info"},
        ),
        (line("mitigations=off"), {"mitigations": "info", "cmdline": "info"}),
        (line("mitigations=auto"), {"cmdline": "info"}),
        (line("quiet -- elevator=noop mitigations=off"), {}),  # those are for init
        (line('dyndbg="file x elevator=noop +p"'), {}),
        (line('an="open quote elevator=noop'), {"cmdline-dead": "warning"}),
    ],
)
def test_the_command_line(tmp_path: Path, files: dict[str, str], expected: dict[str, str]) -> None:
    host = tree(tmp_path / "m", files)
    got = by_id(command_line.findings(host, read_devices(host)))
    assert {name: found.severity for name, found in got.items()} == expected


def test_the_last_of_a_word_counts_and_all_are_shown(tmp_path: Path) -> None:
    words = "iommu=pt hugepagesz=1G hugepages=4 hugepagesz=2M hugepages=9 quiet x\x1b[2J=1"
    assert command_line.parse_words(words)["hugepages"] == "9"
    got = by_id(command_line.findings(tree(tmp_path / "m", line(words)), ()))
    assert got["cmdline"].sentence == words.rpartition(" quiet")[0]


VERSION = "/proc/driver/nvidia/version"
INFORMATION = "/proc/driver/nvidia/gpus/0000:01:00.0/information"
OPEN = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.15  Release Build  (x)"
CLOSED = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.161.08  Sat Feb 17 22:55:48 UTC 2024"


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (OPEN, ("550.54.15", True)),
        (CLOSED, ("535.161.08", False)),
        ("", None),
        ("NVRM version: 1.2", None),
        ("NVRM version: Kernel Module \x1b[2J", None),
    ],
)
def test_the_version_of_a_driver(version: str, expected: tuple[str, bool] | None) -> None:
    assert gpu_driver.parse_driver_version(version) == expected


def held(driver: str, vendor: str = "0x10de") -> dict[str, str]:
    place = "/sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0/driver"
    return {
        **device("00:01.0 01:00.0", GPU, vendor=vendor),
        place: f"-> ../../../bus/pci/drivers/{driver}",
    }


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({**held("nvidia"), VERSION: OPEN, INFORMATION: "Model: H100"}, {"nvidia-driver": "info"}),
        (held("nouveau"), {"gpu-no-driver": "problem"}),
        (held("vfio-pci"), {"gpu-no-driver": "info"}),
        (held("amdgpu", "0x1002"), {}),
        (device("00:01.0 01:00.0", GPU), {}),  # a capture that tells of no driver at all
        (
            {**held("nvidia"), INFORMATION: "Model: H100\nGPU Excluded:\t Yes"},
            {"nvidia-excluded": "warning"},
        ),
        ({**held("nvidia"), INFORMATION: "Model: H100\nGPU Excluded:\t No"}, {}),
    ],
)
def test_drivers(tmp_path: Path, files: Mapping[str, str], expected: dict[str, str]) -> None:
    host = tree(tmp_path / "m", files)
    got = by_id(gpu_driver.findings(host, read_devices(host)))
    assert {name: found.severity for name, found in got.items()} == expected


@pytest.mark.parametrize(("level", "expected"), [("low", True), ("auto", False), ("", False)])
def test_clocks_that_are_held_down(tmp_path: Path, level: str, expected: bool) -> None:
    files = device("00:01.0 01:00.0", GPU, vendor="0x1002", power_dpm_force_performance_level=level)
    host = tree(tmp_path / "m", files)
    got = by_id(gpu_driver.findings(host, read_devices(host)))
    assert ("amdgpu-low" in got) is expected
