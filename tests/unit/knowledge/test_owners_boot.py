"""What sets a target before any service starts: command line, modules, sysctl.conf, the rest."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitune_backends.boot_modprobe import parse_modprobe
from aitune_backends.boot_words import means, parse_boot_words, size_kib
from aitune_backends.owners import read_owners
from tests.unit.knowledge import made_trees

if TYPE_CHECKING:
    from pathlib import Path

MODPROBE = shutil.which("modprobe", path="/usr/sbin:/sbin:/usr/bin:/bin")
POOL = "hugepages.2048kB"
GIGANTIC = "hugepages.1048576kB"


@pytest.mark.parametrize(
    ("text", "sets"),
    [
        ("hugepages=64", [(POOL, "", "64")]),
        ("hugepagesz=1G hugepages=4", [(GIGANTIC, "", "4")]),
        ("default_hugepagesz=1G hugepages=4", [(GIGANTIC, "", "4")]),
        ("hugepagesz=2M hugepages=8 hugepagesz=1G hugepages=2",
         [(POOL, "", "8"), (GIGANTIC, "", "2")]),
        ("hugepagesz=1G hugepages=0:4,1:2",
         [(GIGANTIC, "", "6"), (GIGANTIC, "node0", "4"), (GIGANTIC, "node1", "2")]),
        # The kernel ignores a second number for one size, and what is no number.
        ("hugepages=8 hugepages=16", [(POOL, "", "8")]),
        ("hugepagesz=3M hugepages=8", []),
        ("hugepages=many", []),
        ("transparent_hugepage=never", [("thp.enabled", "", "never")]),
        ("transparent_hugepage_shmem=advise", [("thp.shmem_enabled", "", "advise")]),
        ("thp_anon=64K:always;128K-256K:inherit",
         [("thp.size_enabled", "64kB", "always"), ("thp.size_enabled", "128kB", "inherit"),
          ("thp.size_enabled", "256kB", "inherit")]),
        ("numa_balancing=disable", [("kernel.numa_balancing", "", "0")]),
        ("numa_balancing=enable", [("kernel.numa_balancing", "", "1")]),
        ("numa_balancing=perhaps", []),
        ("cpufreq.default_governor=performance", [("cpu.governor", "", "performance")]),
        ("hugetlb_free_vmemmap=on", [("vm.hugetlb_optimize_vmemmap", "", "1")]),
        ("zswap.enabled=Y zswap.max_pool_percent=30",
         [("zswap.enabled", "", "1"), ("zswap.max_pool_percent", "", "30")]),
        ("sysctl.vm.swappiness=10", [("vm.swappiness", "", "10")]),
        ("sysctl/vm/swappiness=10", [("vm.swappiness", "", "10")]),
        ("sysctl.vm.page-cluster=0", [("vm.page-cluster", "", "0")]),
        ('quiet "transparent_hugepage=never" ro', [("thp.enabled", "", "never")]),
        # What follows -- is for init.
        ("quiet -- transparent_hugepage=never", []),
        ("transparent_hugepage vm.swappiness=10 transparent_hugepages=never", []),
    ],
)  # fmt: skip
def test_words_of_the_command_line(text: str, sets: list[tuple[str, str, str]]) -> None:
    assert [word[:3] for word in parse_boot_words(text, POOL)] == sets


def test_pages_of_an_unknown_default_size_go_nowhere() -> None:
    assert parse_boot_words("hugepages=64") == ()


@pytest.mark.parametrize(
    ("word", "since"),
    [
        ("transparent_hugepage_shmem=advise", (6, 13)),
        ("thp_anon=64K:always", (6, 12)),
        ("sysctl.vm.swappiness=10", (5, 8)),
    ],
)
def test_a_word_that_an_older_kernel_does_not_know_sets_nothing(
    word: str, since: tuple[int, int]
) -> None:
    assert parse_boot_words(word, POOL, since) == parse_boot_words(word, POOL) != ()
    assert parse_boot_words(word, POOL, (since[0], since[1] - 1)) == ()
    assert len(parse_boot_words(f"{word} numa_balancing=disable", POOL, (4, 19))) == 1


@given(st.text())
def test_any_command_line_is_read(text: str) -> None:
    for word in parse_boot_words(text, POOL):
        assert word.value


@pytest.mark.parametrize(
    ("text", "kib"),
    [("2M", 2048), ("1G", 1 << 20), ("64k", 64), ("65536", 64), ("1", None), ("x", None)],
)  # fmt: skip
def test_sizes_as_the_kernel_takes_them(text: str, kib: int | None) -> None:
    assert size_kib(text) == kib


def test_words_that_decide_without_setting() -> None:
    found = means("elevator=noop intel_idle.max_cstate=1 quiet")
    assert [word.word for word in found] == ["elevator=noop", "intel_idle.max_cstate=1"]
    assert found[0].sentence == "The kernel ignores it since 5.0."


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("options zswap enabled=1 compressor=lz4\n",
         [(1, "zswap", "enabled", "1"), (1, "zswap", "compressor", "lz4")]),
        ("# options zswap enabled=1\nblacklist x\noptions x\n", []),
        ("\noptions nvme-core io-timeout=30 \\\n  x=1\n",
         [(2, "nvme_core", "io_timeout", "30"), (2, "nvme_core", "x", "1")]),
        ('options x "a=b c" d=\'e f\' g\n',
         [(1, "x", "a", "b c"), (1, "x", "d", "e f"), (1, "x", "g", "1")]),
        ("options y p\\", [(1, "y", "p", "1")]),
    ],
)  # fmt: skip
def test_options_of_modules(text: str, options: list[tuple[int, str, str, str]]) -> None:
    assert list(parse_modprobe(text)) == options


@given(st.text())
def test_any_modprobe_file_is_read(text: str) -> None:
    for option in parse_modprobe(text):
        assert option.module


@pytest.mark.skipif(MODPROBE is None, reason="modprobe is not installed (package kmod)")
def test_kmod_reads_the_same_options(tmp_path: Path) -> None:
    text = (
        'options zswap enabled=1 compressor=lz4\noptions nvme-core a=1 \\\n b="c d"\n options x y\n'
    )
    (tmp_path / "a.conf").write_text(text)
    run = subprocess.run(
        [str(MODPROBE), "-C", str(tmp_path), "--showconfig"],
        capture_output=True,
        text=True,
        check=True,
    )
    shown = [option[1:] for option in parse_modprobe(run.stdout)]
    ours = [option[1:] for option in parse_modprobe(text)]
    assert shown[: len(ours)] == ours


ZSWAP = {"/sys/module/zswap/parameters/enabled": "N"}


def owner(tmp_path: Path, knob: str, *parts: dict[str, str], instance: str = "") -> str:
    found = read_owners(made_trees.host(tmp_path, made_trees.meminfo(), *parts)).of(knob, instance)
    return "" if found is None else f"{found} = {found.value}"


def test_files_win_over_the_command_line(tmp_path: Path) -> None:
    words = {"/proc/cmdline": "sysctl.vm.swappiness=1 transparent_hugepage=never"}
    files = {
        "/etc/sysctl.d/10-a.conf": "vm.swappiness = 2",
        "/etc/tmpfiles.d/a.conf": (
            "w /sys/kernel/mm/transparent_hugepage/enabled - - - - always\n"
        ),
    }
    assert owner(tmp_path, "vm.swappiness", words, {"/etc/sysctl.d/x": ""}) == (
        "/proc/cmdline (sysctl.vm.swappiness=1) = 1"
    )
    assert owner(tmp_path, "vm.swappiness", words, files) == "/etc/sysctl.d/10-a.conf:1 = 2"
    owners = read_owners(made_trees.host(tmp_path))
    assert str(owners.of("thp.enabled")) == "/etc/tmpfiles.d/a.conf:1"
    assert [str(line) for line in owners.beaten("thp.enabled")] == [
        "/proc/cmdline (transparent_hugepage=never)"
    ]


def test_a_default_pool_is_one_thing_under_two_names(tmp_path: Path) -> None:
    host = made_trees.host(
        tmp_path,
        made_trees.meminfo(),
        made_trees.pool(2048, (0, 0), (0, 0)),
        {"/proc/cmdline": "hugepages=64", "/etc/sysctl.d/a.conf": "vm.nr_hugepages = 32"},
    )
    owners = read_owners(host)
    assert str(owners.of(POOL)) == str(owners.of("vm.nr_hugepages")) == "/etc/sysctl.d/a.conf:1"
    assert [line.value for line in owners.beaten(POOL)] == ["64"]


def test_a_default_governor_goes_to_each_policy_and_needs_no_module(tmp_path: Path) -> None:
    host = made_trees.host(
        tmp_path,
        made_trees.policies("performance", "performance"),
        {
            "/proc/cmdline": "cpufreq.default_governor=performance",
            "/sys/devices/system/cpu/cpufreq/policy0/scaling_driver": "acpi-cpufreq",
            "/sys/module/acpi_cpufreq/initstate": "live",
            "/etc/sysctl.d/a.conf": "",
        },
    )
    owners = read_owners(host)
    assert owners.at_boot("cpu.governor", "performance", "policy0") == "yes"
    assert owners.at_boot("cpu.governor", "powersave", "policy1") == "no"
    assert owners.of("cpu.governor") is None


@pytest.mark.parametrize("built_in", [True, False])
def test_options_of_modules_come_before_the_command_line(tmp_path: Path, *, built_in: bool) -> None:
    files = {
        **ZSWAP,
        "/etc/modprobe.d/a.conf": "options zswap enabled=N",
        "/proc/cmdline": "zswap.enabled=1",
        "/etc/sysctl.d/a.conf": "",
        **({} if built_in else {"/sys/module/zswap/initstate": "live"}),
    }
    owners = read_owners(made_trees.host(tmp_path, files))
    assert str(owners.of("zswap.enabled")) == "/proc/cmdline (zswap.enabled=1)"
    [line] = owners.beaten("zswap.enabled")
    assert str(line) == "/etc/modprobe.d/a.conf:1"
    assert bool(line.ignored) is built_in


def test_options_of_what_is_built_in_do_nothing(tmp_path: Path) -> None:
    files = {**ZSWAP, "/etc/modprobe.d/a.conf": "options zswap enabled=1", "/etc/sysctl.d/x": ""}
    owners = read_owners(made_trees.host(tmp_path, files))
    assert owners.of("zswap.enabled") is None
    assert "built into the kernel" in owners.beaten("zswap.enabled")[0].ignored


@pytest.mark.parametrize(
    ("init", "stands"),
    [("systemd", "/etc/sysctl.d/10-a.conf:1"), ("init", "/etc/sysctl.conf:1")],
)
def test_sysctl_conf_counts_where_procps_reads_it(tmp_path: Path, init: str, stands: str) -> None:
    files = {
        "/proc/1/comm": init,
        "/etc/sysctl.conf": "vm.swappiness = 7",
        "/etc/sysctl.d/10-a.conf": "vm.swappiness = 1",
    }
    owners = read_owners(made_trees.host(tmp_path, files))
    assert str(owners.of("vm.swappiness")) == stands
    [other] = owners.beaten("vm.swappiness")
    assert bool(other.ignored) is (init == "systemd")


def test_a_ratio_is_gone_where_a_later_line_sets_its_bytes(tmp_path: Path) -> None:
    files = {
        "/etc/sysctl.d/10-a.conf": "vm.dirty_ratio = 40",
        "/etc/sysctl.d/20-b.conf": "vm.dirty_bytes = 1073741824",
    }
    owners = read_owners(made_trees.host(tmp_path, files))
    assert owners.at_boot("vm.dirty_ratio", "40") == "no"
    assert owners.at_boot("vm.dirty_ratio", "0") == "yes"
    assert str(owners.of("vm.dirty_ratio")) == "/etc/sysctl.d/20-b.conf:1"


def test_tmpfiles_on_a_disk_may_come_too_early(tmp_path: Path) -> None:
    line = "w /sys/block/*/queue/read_ahead_kb - - - - 4096\n"
    host = made_trees.host(tmp_path, made_trees.disk("nvme0n1"), {"/etc/tmpfiles.d/a.conf": line})
    assert read_owners(host).at_boot("block.read_ahead_kb", "4096", "nvme0n1") == "may be"
