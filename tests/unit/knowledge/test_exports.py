"""Profiles in the forms of other tools, and back again: what is said, and what is left."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aitune_backends.changes import AT_LEAST, Wanted, expand, parse_target
from aitune_backends.exports import FORMS, export
from aitune_backends.exports.aims import aims
from aitune_backends.lens import LensError
from aitune_backends.lens.cmdline import read_cmdline
from aitune_backends.lens.script import read_script
from aitune_backends.lens.sysctl import read_sysctl
from aitune_backends.lens.tmpfiles import read_tmpfiles
from aitune_backends.lens.tuned import read_tuned
from aitune_backends.lens.udev import read_udev
from aitune_backends.profiles.parse import Profile, parse_profile
from aitune_helper import knobs
from aitune_helper.knobs import KNOBS, Knob
from tests.unit.knowledge import made_trees

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aitune_backends.host import Host
    from aitune_backends.lens import Imported

DEFAULT_POOL = "hugepages.2048kB"
INSTANCES = {
    knobs.GLOBAL: ("",),
    knobs.NODE: ("node0", "node1"),
    knobs.POLICY: ("policy0", "policy4"),
    knobs.DISK: ("nvme0n1", "sda"),
    knobs.CPU: ("cpu0", "cpu1"),
    knobs.SIZE: ("64kB", "2048kB"),
}
WORDS = ("performance", "powersave", "none", "mq-deadline", "zstd", "lzo")
OFFERED = [knob for knob in KNOBS.values() if knob.offered]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    """A machine that has every setting there is, two instances of each."""
    files = {
        "/sys/block/nvme0n1/wwid": "eui.0025385b21404f12",
        "/sys/block/sda/wwid": "naa.55cd2e4150a4c1f7",
        "/proc/sys/kernel/osrelease": "6.14.0",
    }
    for knob in OFFERED:
        for instance in INSTANCES[knob.scope]:
            files[knob.file(instance)] = _text(knob)
            for listed in filter(None, [knob.listed_in.replace("{instance}", instance)]):
                files[listed] = " ".join(knob.choices or WORDS)
        if knob.quantity:
            files[knob.total_path] = "0"
    root = tmp_path_factory.mktemp("everything")
    return made_trees.host(root, files, made_trees.meminfo())


def _text(knob: Knob) -> str:
    words = knob.choices or WORDS
    return str(knob.low) if knob.is_integer else f"[{words[0]}] {' '.join(words[1:])}"


def _values(knob: Knob) -> st.SearchStrategy[str]:
    if knob.is_integer:
        assert knob.low is not None
        assert knob.high is not None
        return st.integers(knob.low, knob.high).map(str)
    return st.sampled_from(knob.choices or WORDS)


def _settings_of(knob: Knob) -> st.SearchStrategy[Wanted]:
    named = () if knob.scope == knobs.GLOBAL else INSTANCES[knob.scope]
    return st.builds(
        Wanted, st.just(knob.id), st.sampled_from((None, *named)), _values(knob), st.just("Why.")
    )


PROFILES = st.lists(
    st.sampled_from(OFFERED).flatmap(_settings_of),
    min_size=1,
    max_size=12,
    unique_by=lambda want: (want.knob, want.instance),
).map(lambda wanted: Profile("mine", "All of it", "", tuple(wanted), "mine.toml"))


def read_back(form: str, text: str, host: Host) -> Imported:
    if form == "tuned":
        files = {"/etc/tuned/aitune-mine/tuned.conf": text}

        def read(path: str) -> str:
            return files[path] if path in files else host.read(path)

        return read_tuned(read, "aitune-mine", names=host.names)
    if form == "udev":
        return read_udev(text, "x.rules", host)
    if form == "tmpfiles":
        return read_tmpfiles(text, "x.conf")
    if form == "cmdline":
        return read_cmdline(text, "words", DEFAULT_POOL)
    return {"sysctl": read_sysctl, "shell": read_script}[form](text, "file")


def targets(host: Host, wanted: tuple[Wanted, ...]) -> set[tuple[str, str, str]]:
    """What is wanted, target by target; the default pool by one of its names."""
    found = set()
    for change in expand(host, wanted):
        alias = {"vm.nr_hugepages": DEFAULT_POOL, "vm.nr_overcommit_hugepages": SURPLUS}
        found.add((alias.get(change.knob, change.knob), change.instance, change.value))
    return found


SURPLUS = f"{DEFAULT_POOL}.surplus"


def left_targets(host: Host, texts: list[str]) -> set[tuple[str, str, str]]:
    """The targets that `left` names: `knob@instance=value`, or `knob=value on a, b`."""
    found: list[Wanted] = []
    for text in texts:
        said, _, names = text.partition(" on ")
        target, _, value = said.partition("=")
        knob, instance = parse_target(target)
        found += [Wanted(knob.id, name, value) for name in names.split(", ") if name] or [
            Wanted(knob.id, instance, value)
        ]
    return set().union(*(targets(host, (want,)) for want in found))


@pytest.mark.parametrize("form", FORMS)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(profile=PROFILES)
def test_what_is_exported_is_read_back_and_the_rest_is_named(
    host: Host, form: str, profile: Profile
) -> None:
    found = aims(profile, host)
    wanted = {
        target
        for aim in found.aims
        for target in targets(host, (Wanted(aim.knob.id, aim.instance or None, aim.value),))
    }
    exported = export(profile, form, host)
    back = read_back(form, exported.text, host)
    assert not back.left
    said = targets(host, back.profile.wanted)
    for word in back.boot_words:
        assert form == "tuned", word
    if back.boot_words:
        line = " ".join(word.word for word in back.boot_words)
        said |= targets(host, read_cmdline(line, "words").profile.wanted)
    left = left_targets(host, [each.text for each in exported.left if each not in found.left])
    assert said | left == wanted
    assert all(each.text in exported.text for each in exported.left)
    assert back.profile.name in {"mine", "aitune-mine"}
    assert all(want.reason in {"", "Why."} for want in back.profile.wanted)


# -- one machine, looked at ------------------------------------------------------------------------

TEXT = """\
[profile]
name = "mine"
title = "All {of} it"

[settings]
"vm.swappiness" = 10
"vm.dirty_ratio" = 30
"vm.dirty_bytes" = 1073741824
"hugepages.1048576kB@node0" = 4
"cpu.governor" = "performance"
"cpu.governor@policy3" = "powersave"
"block.read_ahead_kb" = 4096
"""
WITHOUT = {path: text for path, text in made_trees.sysctls().items() if "numa" not in path}


def profile(extra: str = "") -> Profile:
    return parse_profile(TEXT + extra, name="mine", source="mine.toml")


def test_of_two_ways_to_say_one_thing_the_later_holds(tmp_path: Path) -> None:
    host = made_trees.two_nodes(tmp_path)
    exported = export(profile(), "sysctl", host)
    assert "vm.dirty_bytes = 1073741824" in exported.text
    assert "vm.dirty_ratio =" not in exported.text
    assert "#   vm.dirty_ratio=30: vm.dirty_bytes says the same" in exported.text
    assert exported.text.startswith("# mine: All {of} it. Written by aitune-tui.\n")


def test_what_a_machine_lacks_is_left_in_every_form(tmp_path: Path) -> None:
    host = made_trees.host(tmp_path, WITHOUT, made_trees.meminfo())
    for form in FORMS:
        exported = export(profile('"kernel.numa_balancing" = 0\n'), form, host)
        left = {each.text: each.why for each in exported.left}
        assert "kernel.numa_balancing" in left["kernel.numa_balancing=0"], form
        assert "cpu.governor=performance" in left
        assert all(f"{text}: " in exported.text for text in left)


def test_instances_that_fare_alike_are_named_together(tmp_path: Path) -> None:
    left = export(profile(), "cmdline", made_trees.two_nodes(tmp_path)).left
    assert "cpu.governor=performance on policy0, policy1, policy2" in [each.text for each in left]


def test_words_that_an_older_kernel_does_not_know_are_left(tmp_path: Path) -> None:
    host = made_trees.host(
        tmp_path, made_trees.sysctls(), {"/proc/sys/kernel/osrelease": "5.4.0-200-generic"}
    )
    exported = export(profile(), "cmdline", host)
    assert "sysctl.vm" not in exported.text
    assert [each.why for each in exported.left if each.text == "vm.swappiness=10"] == [
        "Linux 5.4 knows no sysctl. words; 5.8 and later do."
    ]


def test_tuned_includes_what_is_active_and_replaces_only_what_that_sets(tmp_path: Path) -> None:
    tuned = {
        "/etc/tuned/active_profile": "site aitune-mine",
        "/usr/lib/tuned/site/tuned.conf": "[cpu]\ngovernor=powersave\n[sysctl]\nvm.dirty_ratio=5\n",
        "/etc/sysctl.d/10-site.conf": "vm.swappiness = 60\n",
    }
    host = made_trees.two_nodes(tmp_path)
    made_trees.host(tmp_path, tuned)
    text = export(profile(), "tuned", host).text
    assert "include=site\n" in text
    assert "[cpu]\ndrop=governor\n" in text
    assert "[sysctl]\ndrop=vm.dirty_ratio\n" in text
    assert "/sys/devices/system/cpu/cpufreq/policy3/scaling_governor=powersave" in text
    assert "# Beware: /etc/sysctl.d/10-site.conf:1 sets vm.swappiness to 60" in text
    assert "cmdline_aitune_mine=+hugepagesz=1G hugepages=0:4" in text


@pytest.mark.parametrize("active", ["", "../../etc/shadow", "a;b", "x" * 5000 + "\x1b[2J"])
def test_a_name_that_is_none_is_not_included(tmp_path: Path, active: str) -> None:
    host = made_trees.two_nodes(tmp_path)
    made_trees.host(tmp_path, {"/etc/tuned/active_profile": active})
    exported = export(profile(), "tuned", host)
    assert "include=" not in exported.text
    assert "\x1b" not in exported.text
    left = [each.text for each in exported.left if each.place == "/etc/tuned/active_profile"]
    assert bool(active) == bool(left)


@pytest.mark.parametrize("form", FORMS)
def test_a_title_cannot_act(tmp_path: Path, form: str) -> None:
    evil = "x\\n${f:exec:touch:/tmp/no}\\u001b[2J`id`$(id)"
    text = TEXT.replace("All {of} it", evil)
    host = made_trees.two_nodes(tmp_path)
    exported = export(parse_profile(text, name="mine", source="mine.toml"), form, host)
    said = [line for line in exported.text.splitlines() if "id`" in line or "exec" in line]
    assert said
    for line in said:
        assert line.startswith("#") or (line.startswith("summary=") and "$" not in line)


def test_the_script_refuses_wrong_use_and_is_sound(tmp_path: Path) -> None:
    file = tmp_path / "script.sh"
    file.write_text(export(profile(), "shell", made_trees.two_nodes(tmp_path)).text)
    ran = subprocess.run(["sh", str(file), "bogus"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "Usage" in ran.stderr
    subprocess.run(["sh", "-n", str(file)], check=True)


# -- what is no export of ours ---------------------------------------------------------------------


def test_lines_that_are_no_settings_are_listed() -> None:
    text = "vm.swappiness=10\nnet.core.somaxconn = 9\n-vm.swap*\nnonsense\nvm.swappiness=900\n"
    found = read_sysctl(text, "x.conf")
    assert [str(want) for want in found.profile.wanted] == ["vm.swappiness=10"]
    assert [left.place for left in found.left] == ["x.conf:2", "x.conf:3", "x.conf:4", "x.conf:5"]
    text = "d /run/x 0755\nw+ /sys/kernel/mm/ksm/run - - - - 0\nw /sys/x - - - - %b\n"
    assert [left.place for left in read_tmpfiles(text, "y").left] == ["y:1", "y:2", "y:3"]
    words = read_cmdline("quiet hugepagesz=1G hugepages=4 numa_balancing=disable", "z")
    assert [str(want) for want in words.profile.wanted] == [
        "hugepages.1048576kB=4",
        "kernel.numa_balancing=0",
    ]
    assert [word.word for word in words.boot_words] == ["quiet"]


def test_a_rule_for_some_disks_means_those_that_are_there(tmp_path: Path) -> None:
    host = made_trees.two_nodes(tmp_path)
    rules = (
        'ACTION=="add|change", KERNEL=="nvme*", ATTR{queue/scheduler}="none"\n'
        'ATTR{queue/read_ahead_kb}="1", ENV{ID_MODEL}=="x"\n'
        'KERNEL=="vd*", ATTR{queue/read_ahead_kb}="1"\nnonsense\n'
        'KERNEL=="sda", ATTR{queue/scheduler}="bfq", RUN+="/bin/true"\n'
    )
    found = read_udev(rules, "r", host)
    assert [str(want) for want in found.profile.wanted] == [
        *(f"block.scheduler@nvme{number}n1=none" for number in range(3)),
        "block.scheduler@sda=bfq",
    ]
    assert [left.place for left in found.left] == ["r:2", "r:3", "r:5", "r:4"]


@pytest.mark.parametrize("read", [read_sysctl, read_tmpfiles, read_cmdline, read_script])
def test_what_is_too_large_or_no_script_of_ours_is_refused(
    read: Callable[[str, str], Imported],
) -> None:
    with pytest.raises(LensError):
        read("vm.swappiness=10\n" * 100_000, "huge")
    with pytest.raises(LensError, match="no script that aitune-tui has written"):
        read_script("#!/bin/sh\nput /proc/sys/vm/swappiness 1\n", "theirs.sh")


def test_a_bound_that_is_met_is_no_reason_to_go_back(tmp_path: Path) -> None:
    host = made_trees.two_nodes(tmp_path)
    want = Wanted("block.read_ahead_kb", None, "1024", bound=AT_LEAST)
    exported = export(Profile("mine", "Bound", "", (want,), "x"), "shell", host)
    assert "put /sys/block/sda/queue/read_ahead_kb 4096 rounds" in exported.text
    assert "put /sys/block/nvme0n1/queue/read_ahead_kb 1024 rounds" in exported.text
    assert "at least this much is wanted" in exported.left[0].why
