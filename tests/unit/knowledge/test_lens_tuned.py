from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any  # what json gives

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aitune_backends.host import Host
from aitune_backends.lens import LensError
from aitune_backends.lens.gathering import Gathered
from aitune_backends.lens.tuned import read_tuned
from aitune_backends.lens.tuned_chain import FILE, Chain
from aitune_backends.lens.tuned_merge import merged_units, merged_variables
from aitune_backends.lens.variables import NotUnderstood
from aitune_helper.knobs import KNOBS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aitune_backends.lens import Imported

OURS = Path(__file__).with_name("tuned_profiles")
SHIPPED = Path("/usr/lib/tuned")
FOLDERS = (str(OURS), str(SHIPPED))
VARIABLES = "/etc/tuned/house-variables.conf"
MACHINE = {
    VARIABLES: "half=7\nfrom_file=${percent}\n",
    "/sys/devices/system/cpu/cpufreq/policy0/scaling_available_governors": "performance powersave",
    "/sys/devices/system/cpu/cpu0/cpuidle/state0/name": "POLL",
    "/sys/devices/system/cpu/cpu0/cpuidle/state0/latency": "0",
    "/sys/devices/system/cpu/cpu0/cpuidle/state1/name": "C6",
    "/sys/devices/system/cpu/cpu0/cpuidle/state1/latency": "133",
    "/proc/sys/kernel/ostype": "Linux",
    "/proc/sys/kernel/hostname": "gpu1",
    "/proc/sys/kernel/osrelease": "6.12.0",
    "/proc/sys/kernel/version": "#1",
    "/proc/sys/kernel/arch": "x86_64",
}
LISTED = {"/sys/block": ("loop0", "nvme0n1", "nvme9n1", "sda", "sdb")}


def read(path: str) -> str:
    """Our fixtures and whatever Debian's package has, on a machine of a few files."""
    if path in MACHINE:
        return MACHINE[path]
    if not path.startswith((*FOLDERS, "/etc/tuned")):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
    return Path(path).read_text()


def house() -> Imported:
    return read_tuned(read, "house", FOLDERS, lambda folder: LISTED.get(folder, ()))


def shipped() -> list[str]:
    found = SHIPPED.iterdir() if SHIPPED.is_dir() else ()
    return sorted(path.name for path in found if (path / FILE).is_file())


ALL = [*sorted(path.name for path in OURS.iterdir()), *shipped()]


def test_what_the_house_profile_wants() -> None:
    found = house()
    assert [f"{want} {want.bound}".strip() for want in found.profile.wanted] == [
        "vm.swappiness=106",
        "vm.zone_reclaim_mode=1",
        "vm.dirty_bytes=8589934592",
        "vm.max_map_count=262144 at least",
        "kernel.numa_balancing=0",
        "thp.enabled=madvise",
        "thp.defrag=defer",
        "vm.dirty_background_ratio=5",
        "block.nr_requests@sda=128",
        "block.nr_requests@sdb=128",
        "block.nomerges=2",
        "cpu.min_freq=2000000",
        "ksm.run=0",
        "cpu.governor=performance",
        "cpu.epp=performance",
        "cpu.min_perf_pct=50",
        "cpu.no_turbo=0",
        "cpu.boost=1",
        "cpu.idle_latency=133",
        "block.scheduler@nvme0n1=none",
        "block.read_ahead_kb@nvme0n1=8192",
    ]
    assert [word.word for word in found.boot_words] == ["quiet", "iommu=pt", "init_on_alloc=0"]
    assert (found.profile.name, found.profile.title) == ("house", "Everything at once")
    assert found.profile.text == "Two lines of it, the second one indented"
    assert found.profile.wanted[0].place == f"{OURS}/house/tuned.conf:19"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("vm.overcommit_memory=${numbers}", "functions are not run"),
        ("vm.page-cluster=${nowhere}", "nothing sets the variable nowhere"),
        ("vm.vfs_cache_pressure=fast", "takes a whole number"),
        ('net.ipv4.tcp_rmem="4096 87380 16777216"', "no knob for it"),
        ("/sys/module/nvme_core/parameters/io_timeout=255", "no knob for it"),
        ("energy_perf_bias=performance", "own bias (EPB)"),
        ("elevator=none", "called xvd*, and none is known here"),
        ("initrd_add_img=/boot/x.img", "how TuneD edits the boot loader"),
        ("vm.panic_on_oom=2", "only where cpuinfo_regex matches"),
        ("sched_migration_cost_ns=500000", "TuneD's plug-in scheduler"),
        ("recommend=1", "an option of TuneD's own"),
    ],
)
def test_what_is_not_understood_is_listed(line: str, why: str) -> None:
    reasons = [left.why for left in house().left if left.text == line]
    assert len(reasons) == 1
    assert why in reasons[0]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("vm.swappiness=99", "the section off is switched off"),
        ("vm.panic_on_oom=1", "for machines of another kind"),
        ("readahead=>4096", "drops it"),
        ("transparent_hugepages=always", "the section vm is replaced later"),
        ("vm.dirty_ratio=40", "vm.dirty_bytes=8589934592 says it"),
        ("vm.swappiness=20", "house/tuned.conf:19 says it again"),
        ("cmdline_less=-nosmt", "takes words of earlier lines out"),
    ],
)
def test_what_wants_nothing_says_so(line: str, why: str) -> None:
    assert [why in each.why for each in house().understood if each.text == line] == [True]


def assignments(path: str, text: str) -> list[str]:
    """The place of each assignment, found in another way than the lens does."""
    places, indent, inside = [], 0, False
    for number, line in enumerate(re.split("\r\n|\r|\n", text), start=1):
        said = re.sub(r"(^|\s)#.*", "", line)
        if not said.strip() or said.strip()[0] in "#;":
            continue
        depth = len(said) - len(said.lstrip())
        if inside and depth > indent:
            continue
        indent, inside = depth, "=" in said and not said.strip().startswith("[")
        if inside:
            places.append(f"{path}:{number}")
    return places


def accounts(found: Imported) -> dict[str, set[str]]:
    return {
        "wanted": {want.place for want in found.profile.wanted},
        "boot": {word.place for word in found.boot_words},
        "left": {left.place for left in found.left},
        "understood": {each.place for each in found.understood},
    }


def files_of(found: Imported) -> set[str]:
    return {place.rpartition(":")[0] for places in accounts(found).values() for place in places}


@pytest.mark.parametrize("name", ALL)
def test_every_line_of_every_profile_is_accounted_for_once(name: str) -> None:
    found = read_tuned(read, name, FOLDERS, lambda folder: LISTED.get(folder, ()))
    expected = [line for path in files_of(found) for line in assignments(path, read(path))]
    listed = [place for places in accounts(found).values() for place in places]
    assert sorted(listed) == sorted(expected)
    assert f"{next(f for f in FOLDERS if Path(f, name).is_dir())}/{name}/{FILE}" in files_of(found)
    for left in (*found.left, *found.understood):
        assert left.why
        assert left.text.isprintable()


def test_all_that_debian_ships_was_read() -> None:
    if not shipped():
        pytest.skip(f"no TuneD profile lies in {SHIPPED}: our own fixtures are read all the same")
    assert "throughput-performance" in shipped()
    unread = {
        left.text: left.why
        for name in shipped()
        for left in read_tuned(read, name, FOLDERS).left
        if left.text.split("=")[0] in KNOBS
    }
    assert set(unread) <= {"kernel.numa_balancing=0", "vm.panic_on_oom=2"}


def test_what_nvidia_publishes() -> None:
    def wanted(name: str) -> tuple[list[str], list[str]]:
        found = read_tuned(read, name, FOLDERS)
        return list(map(str, found.profile.wanted)), [word.word for word in found.boot_words]

    assert wanted("nvidia-gb200-performance") == (
        ["vm.overcommit_memory=1", "vm.min_free_kbytes=65536"],
        [
            "hugepagesz=2M", "hugepages=5128", "hugepagesz=1G", "hugepages=2",
            "numa_balancing=disable", "init_on_alloc=0", "iommu.passthrough=1",
        ],
    )  # fmt: skip
    assert wanted("nvidia-generic") == (["cpu.governor=performance", "vm.swappiness=1"], [])
    assert wanted("nvidia-h100-inference") == (
        ["cpu.governor=performance", "vm.swappiness=1"],
        ["hugepagesz=2M", "hugepages=8192"],
    )
    both = read_tuned(read, "nvidia-generic nvidia-gb200-performance", FOLDERS)
    assert both.profile.name == "nvidia-generic-nvidia-gb200-performance"
    assert len(both.profile.wanted) == 4


def profile(text: str, **files: str) -> Callable[[str], str]:
    """A reader of a profile called `x`, and of others by name."""
    texts = {f"/p/{name}/{FILE}": body for name, body in {"x": text, **files}.items()}

    def read(path: str) -> str:
        if path not in texts:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        return texts[path]

    return read


def found_in(text: str, **files: str) -> Imported:
    return read_tuned(profile(text, **files), "x", ("/p",))


@pytest.mark.parametrize("name", ["", " ", "..", "nothing", "a/../../etc", "x\0", "é", "x" * 300])
def test_a_profile_that_is_not_there(name: str) -> None:
    with pytest.raises(LensError, match=r"^No profile is called .*\.$"):
        read_tuned(profile(""), name, ("/p",))


def test_what_includes_what_is_not_there_says_that_there_may_be_more() -> None:
    found = found_in("[main]\ninclude=gone, y\n", y="[sysctl]\nvm.swappiness=1\n")
    assert [str(want) for want in found.profile.wanted] == ["vm.swappiness=1"]
    assert found.left[0].why == 'no profile is called "gone"; it may set more'
    found = found_in("[main]\ninclude=${f:virt_check:a:b}\n")
    assert "what it includes is not seen" in found.left[0].why
    found = found_in("[main]\ninclude=${w}\n[variables]\nw=y", y="[sysctl]\nvm.swappiness=1\n")
    assert [str(want) for want in found.profile.wanted] == ["vm.swappiness=1"]


def test_a_later_section_is_for_all_devices_again() -> None:
    base = "[disk]\ndevices=sda\nreadahead=1\n"
    assert [str(want) for want in found_in(base).profile.wanted] == ["block.read_ahead_kb@sda=1"]
    found = found_in("[main]\ninclude=y\n[disk]\nelevator=none\n", y=base)
    assert [str(want) for want in found.profile.wanted] == [
        "block.read_ahead_kb=1",
        "block.scheduler=none",
    ]


def test_a_folder_that_wins_hides_the_other(tmp_path: Path) -> None:
    for folder, value in (("first", 1), ("second", 2)):
        (tmp_path / folder / "x").mkdir(parents=True)
        (tmp_path / folder / "x" / FILE).write_text(f"[sysctl]\nvm.swappiness={value}\n")
    folders = [str(tmp_path / name) for name in ("none", "first", "second")]
    assert str(read_tuned(Host().read, "x", folders).profile.wanted[0]) == "vm.swappiness=1"
    by_path = read_tuned(Host().read, f"{folders[2]}/x", folders)
    assert (str(by_path.profile.wanted[0]), by_path.profile.name) == ("vm.swappiness=2", "x")


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("99", "99"),
        ("0", "n/a"),
        ("cstate.id:1|5", "133"),
        ("cstate.id_no_zero:0|5", "5"),
        ("cstate.name:POLL|5", "n/a"),
        ("cstate.name:C9|5", "5"),
        ("cstate.id:../../x|7", "7"),
    ],
)
def test_the_latency_of_waking_up(value: str, wanted: str) -> None:
    def of_both(path: str) -> str:
        return MACHINE[path] if path in MACHINE else profile(f"[cpu]\nforce_latency={value}")(path)

    assert str(read_tuned(of_both, "x", ("/p",)).profile.wanted[0]) == f"cpu.idle_latency={wanted}"


def test_a_latency_that_cannot_be_told_is_left() -> None:
    assert "idle states" in found_in("[cpu]\nforce_latency=cstate.id:1").left[0].why
    assert found_in("[cpu]\nforce_latency=none").understood[0].why == "no limit is asked for"


PIECES = st.sampled_from(
    ["[main]", "[sysctl]", "[vm]", "[cpu]", "[disk]", "[bootloader]", "[variables]", "[sysfs]",
     "[DEFAULT]", "[x", "include=x", "include=y,,-z", "vm.swappiness=${a}", "vm.swappiness=>1",
     "vm.dirty_bytes=0", "vm.dirty_ratio=0", "a=1", "a=${b}", "b=${a}", "include=/p/y/tuned.conf",
     "type=sysctl", "replace=1", "drop=vm.swappiness,a", "enabled=0", "devices=sd*, !x",
     "uname_regex=x", "elevator=none", "readahead=>1 s", "readahead=", "governor=|", "=x", "x",
     "  vm.swappiness=2", "\t# c", "cmdline=+a b", "cmdline_x=-a", "cmdline=\\\\${a}", "cmdline=",
     "/sys/block/[/queue/scheduler=none", "/sys/kernel/mm/ksm/run=0", "\x1b[2J=\x07", "\u0300=1"]
)  # fmt: skip


@settings(max_examples=150)
@given(st.lists(PIECES | st.text(max_size=8), max_size=14), st.lists(PIECES, max_size=6))
def test_any_profile_is_read_and_every_line_of_it_listed(one: list[str], two: list[str]) -> None:
    text, other = "\n".join(one), "\n".join(two)
    found = found_in(text, y=other)
    sets = list(accounts(found).values())
    listed = [place for places in sets for place in places]
    assert len(listed) == len(set(listed))
    for path in files_of(found):
        body = {f"/p/x/{FILE}": text, f"/p/y/{FILE}": other}[path]
        assert set(assignments(path, body)) <= set(listed)
    assert all(each.text.isprintable() for each in (*found.left, *found.understood))


# What TuneD itself makes of the same files.
ORACLE = """
import json, sys
from tuned.profiles.locator import Locator
from tuned.profiles.loader import Loader
from tuned.profiles.merger import Merger
from tuned.profiles.factory import Factory
from tuned.profiles.variables import Variables
import tuned.logs
for name in sys.argv[2:]:
    variables = Variables()
    variables._functions.expand = lambda text: text
    loader = Loader(Locator(json.loads(sys.argv[1])), Factory(), Merger(), None, variables)
    made = loader.load(name)
    units = {unit.name: [unit.type, unit.enabled, unit.devices, dict(unit.options)]
             for unit in made.units.values()}
    print(json.dumps([name, units, variables._lookup_env]))
"""


def tuned_says(names: Sequence[str]) -> dict[str, tuple[dict[str, Any], dict[str, str]]]:
    python = shutil.which("python3", path="/usr/bin:/bin")
    if python is None or not Path("/usr/lib/python3/dist-packages/tuned").is_dir():
        pytest.skip("TuneD's own code is not installed: nothing to compare with")
    ran = subprocess.run(
        [python, "-c", ORACLE, json.dumps([*reversed(FOLDERS)]), *names],
        env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        pytest.skip(f"TuneD's own code cannot be run here: {ran.stderr.strip()[-300:]}")
    lines = map(json.loads, ran.stdout.splitlines())
    return {name: (units, variables) for name, units, variables in lines}


def test_profiles_are_merged_as_tuned_does() -> None:
    # The one family that asks a function which profile to include.
    names = [name for name in ALL if not name.startswith("openshift")]

    def files(path: str) -> str:  # the house's file of variables is made up, and TuneD has none
        return Path(path).read_text() if path == VARIABLES else read(path)

    for name, (theirs, values) in tuned_says(names).items():
        gathered = Gathered()
        chain = Chain(files, FOLDERS)
        chain.load(name, gathered)
        variables = merged_variables(chain, gathered)
        units = merged_units(chain, gathered)
        ours = {
            unit.name: [
                unit.type,
                unit.enabled,
                variables.expand(unit.devices),
                {key: line.value for key, line in unit.options.items()},
            ]
            for unit in units
        }
        for unit in theirs.values():
            unit[3] = {key: text for key, text in unit[3].items() if key != "priority"}
            script = unit[3].get("script")
            if isinstance(script, list):  # they make a list of paths of it
                unit[3]["script"] = script[-1]
        # A section without any line wants nothing, and we do not keep it.
        assert {key: unit for key, unit in ours.items() if unit[3]} == {
            key: unit for key, unit in theirs.items() if unit[3]
        }, name
        for variable, value in values.items():
            plain = "${" + variable.removeprefix("TUNED_") + "}"
            try:
                assert variables.expand(plain) == value, (name, plain)
            except NotUnderstood:
                assert "${" in value, (name, plain, value)
