"""Services: whether they run and start at boot, and what their own files have them set."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitune_backends.managers import Manager, read_managers
from aitune_backends.managers_cpu import khz
from aitune_backends.managers_tlp import parse_tlp
from aitune_backends.owners import read_owners
from aitune_backends.services import Services
from aitune_backends.settings_text import parse_settings
from tests.unit.knowledge import made_trees

GROUPS = "/sys/fs/cgroup/system.slice"
WANTS = "/etc/systemd/system/multi-user.target.wants"
TUNED = Path("/usr/lib/tuned")
TLP = shutil.which("tlp-stat") and Path("/usr/share/tlp/tlp-readconfs")


def runs(*units: str) -> dict[str, str]:
    """Services that run, as systemd shows it."""
    return {f"{GROUPS}/{unit}.service/cgroup.procs": "1" for unit in (*units, "ssh")}


def starts(*units: str) -> dict[str, str]:
    """Services that are started at boot."""
    return {f"{WANTS}/{unit}.service": "" for unit in (*units, "ssh")}


def one(tmp_path: Path, name: str, *parts: dict[str, str]) -> Manager:
    found = {m.name: m for m in read_managers(made_trees.host(tmp_path, *parts))}
    return found[name]


def sets(manager: Manager) -> dict[str, str | None]:
    return {
        setting.knob + (f"@{setting.instance}" if setting.instance else ""): setting.value
        for setting in manager.sets
    }


def test_a_machine_without_services_has_none(tmp_path: Path) -> None:
    assert read_managers(made_trees.host(tmp_path, made_trees.sysctls())) == ()


@pytest.mark.parametrize(
    ("files", "running"),
    [
        (runs("irqbalance"), True),
        (runs(), False),
        ({"/sys/fs/cgroup/systemd/system.slice/irqbalance.service/tasks": "1"}, True),
        ({"/run/systemd/units/invocation:irqbalance.service": ""}, True),
        ({"/proc/1/comm": "init", "/proc/77/comm": "irqbalance"}, True),
        ({"/proc/1/comm": "init", "/proc/77/comm": "irqbalance-not"}, False),
        ({"/proc/1/comm": "init", "/proc/self/comm": "irqbalance"}, False),
    ],
)
def test_what_runs(tmp_path: Path, files: dict[str, str], *, running: bool) -> None:
    assert Services(made_trees.host(tmp_path, files)).running("irqbalance") is running


@pytest.mark.parametrize(
    ("files", "enabled"),
    [
        (starts("tuned"), True),
        (starts(), False),
        ({"/usr/lib/systemd/system/graphical.target.wants/tuned.service": ""}, True),
        ({"/etc/rc2.d/S01tuned": "", "/proc/1/comm": "init"}, True),
        ({"/etc/rc2.d/K01tuned": "", "/proc/1/comm": "init"}, False),
        ({**starts("tuned"), "/proc/1/comm": "init"}, False),
        ({"/proc/1/comm": "systemd"}, None),
    ],
)
def test_what_is_started_at_boot(
    tmp_path: Path, files: dict[str, str], *, enabled: bool | None
) -> None:
    assert Services(made_trees.host(tmp_path, files)).enabled("tuned") is enabled


def test_a_masked_service_is_not_started(tmp_path: Path) -> None:
    host = made_trees.host(tmp_path, starts("tuned"))
    (tmp_path / "etc/systemd/system/tuned.service").symlink_to("/dev/null")
    assert Services(host).enabled("tuned") is False


CPUPOWER = {"/lib/systemd/system/cpupower.service": ""}


@pytest.mark.parametrize(
    ("name", "files", "expected"),
    [
        (
            "cpupower",
            {"/etc/sysconfig/cpupower": 'CPUPOWER_START_OPTS="frequency-set -g performance"\n'},
            {"cpu.governor": "performance"},
        ),
        (
            "cpupower",
            {"/etc/cpupower-service.conf": "#GOVERNOR='x'\nGOVERNOR='powersave'\n"
                                           'MAX_FREQ="3GHz"\n'},
            {"cpu.governor": "powersave", "cpu.max_freq": "3000000"},
        ),
        (
            "cpupower",
            {"/etc/default/cpupower": "governor='ondemand' # as it was\nmin_freq=$LOW\n"},
            {"cpu.governor": "ondemand"},
        ),
        (
            "power-profiles-daemon",
            {"/var/lib/power-profiles-daemon/state.ini": "[State]\nProfile=performance\n"},
            {"cpu.epp": "performance", "cpu.governor": None},
        ),
        ("power-profiles-daemon", {}, {"cpu.epp": "balance_performance", "cpu.governor": None}),
        (
            "auto-cpufreq",
            {"/etc/auto-cpufreq.conf": "[charger]\ngovernor = performance\nturbo = never\n"
                                       "[battery]\ngovernor = powersave\n"},
            {"cpu.governor": "performance", "cpu.boost": "0", "cpu.no_turbo": "1"},
        ),
        ("auto-cpufreq", {}, {"cpu.governor": None, "cpu.boost": None, "cpu.no_turbo": None}),
        (
            "ondemand",
            made_trees.policies("performance", listed="performance ondemand powersave"),
            {"cpu.governor": "ondemand"},
        ),
        ("ksmtuned", {"/etc/ksmtuned.conf": "KSM_THRES_COEF=20\n"}, {"ksm.run": None}),
        ("numad", {}, {"thp.khugepaged.scan_sleep_millisecs": "1000"}),
        ("kubelet", {}, {"vm.overcommit_memory": "1", "vm.panic_on_oom": "0"}),
        (
            "kubelet",
            {"/var/lib/kubelet/config.yaml": "kind: KubeletConfiguration\n"
                                           "protectKernelDefaults: true\n"},
            {},
        ),
        (
            "kubelet",
            {"/etc/default/kubelet": 'KUBELET_EXTRA_ARGS="--protect-kernel-defaults=true"\n'},
            {},
        ),
        (
            "kubelet",
            {"/var/lib/kubelet/config.yaml": "# protectKernelDefaults: true\n"},
            {"vm.overcommit_memory": "1", "vm.panic_on_oom": "0"},
        ),
        ("systemd-oomd", {}, {}),
        ("earlyoom", {}, {}),
        ("irqbalance", {}, {}),
        ("cloud-init", {}, {}),
        ("thermald", {}, {"cpu.max_perf_pct": None, "cpu.no_turbo": None, "cpu.max_freq": None}),
        ("tuned", {}, {}),
        ("tuned-ppd", {}, {}),
        (
            "tlp",
            {
                "/usr/share/tlp/defaults.conf": "CPU_ENERGY_PERF_POLICY_ON_AC=balance_performance\n"
                                                'DISK_DEVICES="nvme0n1 sda"\n',
                "/etc/tlp.d/10-a.conf": "CPU_SCALING_GOVERNOR_ON_AC=powersave\n"
                                        'DISK_IOSCHED="keep bfq"\nCPU_BOOST_ON_AC=0\n',
                "/etc/tlp.conf": "CPU_SCALING_GOVERNOR_ON_AC=performance # mine\n"
                                 "MAX_LOST_WORK_SECS_ON_AC=15\nCPU_SCALING_MAX_FREQ_ON_AC=0\n",
            },
            {
                "cpu.governor": "performance", "cpu.epp": "balance_performance",
                "cpu.boost": "0", "cpu.no_turbo": "1", "block.scheduler@sda": "bfq",
                "vm.dirty_writeback_centisecs": "1500", "vm.dirty_expire_centisecs": "1500",
            },
        ),
        ("tlp", {"/etc/tlp.conf": "TLP_ENABLE=0\nCPU_BOOST_ON_AC=0\n"}, {}),
    ],
)  # fmt: skip
def test_what_a_service_sets(
    tmp_path: Path, name: str, files: dict[str, str], expected: dict[str, str | None]
) -> None:
    manager = one(tmp_path, name, files, runs(name), CPUPOWER)
    assert manager.running
    assert sets(manager) == expected
    for setting in manager.sets:
        file, _, line = setting.place.rpartition(":")
        if setting.value is not None and line.isdecimal():
            assert 1 <= int(line) <= len(files[file].splitlines())


def test_clashes_are_named_on_both_sides(tmp_path: Path) -> None:
    host = made_trees.host(tmp_path, runs("tuned"), starts("tlp"))
    found = {manager.name: manager.clashes for manager in read_managers(host)}
    assert found == {"tuned": ("tlp",), "tlp": ("tuned",)}


PROFILE = "[main]\ninclude=below\n[sysctl]\nvm.swappiness=10\nvm.dirty_ratio=40\n"
BELOW = "[cpu]\ngovernor=performance\n[vm]\ntransparent_hugepages=always\n[disk]\nreadahead=>4096\n"


def tuned(**files: str) -> dict[str, str]:
    return {
        "/etc/tuned/active_profile": "mine",
        "/etc/tuned/mine/tuned.conf": PROFILE,
        "/usr/lib/tuned/below/tuned.conf": BELOW,
        **runs("tuned"),
        **starts("tuned"),
        **files,
    }


def test_the_active_profile_is_what_tuned_sets(tmp_path: Path) -> None:
    manager = one(tmp_path, "tuned", tuned())
    assert manager.where == "profile mine"
    assert sets(manager) == {
        "vm.swappiness": "10", "vm.dirty_ratio": "40", "cpu.governor": "performance",
        "thp.enabled": "always", "block.read_ahead_kb": "4096",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("reapply", "value", "place"),
    [
        ("", "60", "/etc/sysctl.d/95-aitune.conf:1"),
        ("reapply_sysctl = 1\n", "60", "/etc/sysctl.d/95-aitune.conf:1"),
        ("reapply_sysctl = 0\n", "10", "/etc/tuned/mine/tuned.conf:4"),
    ],
)
def test_sysctl_d_beats_tuned_unless_it_is_told_otherwise(
    tmp_path: Path, reapply: str, value: str, place: str
) -> None:
    files = tuned(**{
        "/etc/tuned/tuned-main.conf": f"daemon = 1\n{reapply}",
        "/etc/sysctl.d/95-aitune.conf": "vm.swappiness = 60\n",
        "/etc/tmpfiles.d/95-aitune.conf": (
            "w /sys/kernel/mm/transparent_hugepage/enabled - - - - madvise\n"
        ),
    })  # fmt: skip
    owners = read_owners(made_trees.host(tmp_path, made_trees.sysctls(), files))
    owner = owners.of("vm.swappiness")
    assert owner is not None
    assert (owner.value, str(owner)) == (value, f"{place} (tuned)")
    # For what is no sysctl the profile comes last, and wins.
    assert owners.at_boot("thp.enabled", "always") == "yes"
    assert owners.at_boot("thp.enabled", "madvise") == "no"
    assert [str(line) for line in owners.beaten("thp.enabled")] == [
        "/etc/tmpfiles.d/95-aitune.conf:1"
    ]
    assert owners.overwritten_by("thp.enabled") == (
        "tuned is running and sets always (/usr/lib/tuned/below/tuned.conf:4).",
    )


@pytest.mark.parametrize(
    "text", ["[main]\ninclude=mine\n", "\0" * 100, "[" * 1000, "x" * (2 << 20)]
)
def test_a_hostile_profile_is_no_obstacle(tmp_path: Path, text: str) -> None:
    manager = one(tmp_path, "tuned", tuned(**{"/etc/tuned/mine/tuned.conf": text}))
    assert set(sets(manager)) <= {"cpu.governor"}


def test_no_profile_and_one_that_is_not_there(tmp_path: Path) -> None:
    manager = one(tmp_path, "tuned", tuned(**{"/etc/tuned/active_profile": ""}))
    assert manager.where == "no profile is active"
    manager = one(tmp_path, "tuned", tuned(**{"/etc/tuned/active_profile": "none\x1b[2J"}))
    assert manager.where == "profile none?[2J, which cannot be read"


@pytest.mark.skipif(not TUNED.is_dir(), reason="TuneD's profiles are not installed")
def test_a_profile_of_the_package_with_its_lines(tmp_path: Path) -> None:
    text = (TUNED / "throughput-performance/tuned.conf").read_text()
    files = {
        "/etc/tuned/active_profile": "throughput-performance",
        "/usr/lib/tuned/throughput-performance/tuned.conf": text,
    }
    manager = one(tmp_path, "tuned", tuned(**files))
    [swappiness] = [setting for setting in manager.sets if setting.knob == "vm.swappiness"]
    file, _, line = swappiness.place.rpartition(":")
    assert file in files
    assert text.splitlines()[int(line) - 1].replace(" ", "") == "vm.swappiness=10"


@pytest.mark.skipif(not TLP, reason="TLP is not installed")
def test_tlp_itself_reads_the_same(tmp_path: Path) -> None:
    assert TLP
    run = subprocess.run(
        [str(TLP)], capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"}
    )
    shown = dict(
        line.partition(": ")[2].split("=", 1) for line in run.stdout.splitlines() if "=" in line
    )
    own = {}
    files = (Path("/usr/share/tlp/defaults.conf"), *sorted(Path("/etc/tlp.d").glob("*.conf")))
    for file in (*files, Path("/etc/tlp.conf")):
        for name, _, said in parse_tlp(file.read_text(), str(file)):
            own[name] = f'"{said.value}"'
    assert shown
    assert own == shown


@pytest.mark.parametrize(
    ("text", "frequency"),
    [("2.25GHz", "2250000"), ("800MHz", "800000"), ("1800000", "1800000"), ("fast", None)],
)
def test_frequencies_of_cpupower(text: str, frequency: str | None) -> None:
    assert khz(text) == frequency


@given(st.text())
def test_any_file_of_settings_is_read(text: str) -> None:
    for said in parse_settings(text, "/etc/x").values():
        assert said.value
    for _ in parse_tlp(text, "/etc/tlp.conf"):
        pass


HOSTILE = {
    "large": "GOVERNOR=performance\n" + "#" * (2 << 20),
    "nul": "GOVERNOR=perf\0ormance\n\0\0\n",
    "long line": "GOVERNOR='" + "x" * (1 << 19),
    "no line": "=" * 4096,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_files_are_no_obstacle(tmp_path: Path, text: str) -> None:
    paths = (
        "/etc/default/cpupower", "/etc/tlp.conf", "/etc/auto-cpufreq.conf", "/etc/ksmtuned.conf",
        "/var/lib/kubelet/config.yaml", "/var/lib/power-profiles-daemon/state.ini",
        "/etc/tuned/active_profile", "/etc/sysctl.conf", "/etc/sysctl.d/a.conf",
        "/etc/modprobe.d/a.conf", "/etc/tmpfiles.d/a.conf", "/etc/udev/rules.d/a.rules",
        "/proc/cmdline",
    )  # fmt: skip
    services = ("cpupower", "tlp", "auto-cpufreq", "ksmtuned", "kubelet", "tuned", "ondemand")
    host = made_trees.host(tmp_path, dict.fromkeys(paths, text), runs(*services))
    owners = read_owners(host)
    assert len(owners.managers) == len(services)


def test_links_that_loop_or_leave_the_root_are_no_obstacle(tmp_path: Path) -> None:
    host = made_trees.host(tmp_path, runs("tlp", "cpupower"))
    for path, target in (
        ("etc/tlp.conf", "tlp.conf"),
        ("etc/default/cpupower", "/../../../../etc/shadow"),
        ("etc/systemd/system", "system"),
        ("etc/sysctl.d", "/proc/self/fd"),
    ):
        link = tmp_path / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)
    os.mkfifo(tmp_path / "etc/cpupower-service.conf")
    owners = read_owners(host)
    assert [manager.name for manager in owners.managers] == ["tlp", "cpupower"]
    assert all(not manager.sets for manager in owners.managers)
