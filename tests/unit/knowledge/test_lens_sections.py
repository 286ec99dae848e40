from __future__ import annotations

import configparser
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aitune_backends.lens import LensError
from aitune_backends.lens.knob_paths import NoKnob, places_of, sysctl_path
from aitune_backends.lens.sections import parse_sections
from aitune_backends.lens.variables import NotUnderstood, Variables
from aitune_helper.knobs import KNOBS

if TYPE_CHECKING:
    from collections.abc import Mapping

PIECES = ["[a]", "[b] x", "[]", "[a]]", "x=1", "x = 2 # no", "x=#", "y#=1", "z=a#b", " w=3", "  4",
          "# c", "  ; c", "", "  ", "v=", "\tu==1", "t = \u00a0x", "[",
          "name with blank=1"]  # fmt: skip


def by_configparser(text: str) -> Mapping[str, Mapping[str, str]] | None:
    parser = configparser.RawConfigParser(
        delimiters=("=",), inline_comment_prefixes=("#",), strict=False
    )
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # as its manual says
    try:
        parser.read_string(text)
    except configparser.Error:
        return None
    return {name: dict(parser.items(name)) for name in parser.sections() if parser.options(name)}


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("\n".join))
def test_sections_are_read_as_the_standard_library_does(text: str) -> None:
    theirs = by_configparser(text)
    found = parse_sections(text)
    if theirs is None:
        assert found.unread
        return
    ours: dict[str, dict[str, str]] = {}
    for each in found.assignments:
        ours.setdefault(each.section, {})[each.name] = each.value
        assert text.split("\n")[each.line - 1].strip().startswith(each.name)
    assert not found.unread
    assert ours == theirs


def test_a_comment_right_above_a_line_is_its_reason() -> None:
    text = "# the file\n\n[a]\n# why\n#  so\nx=1\ny=2\n; other\n\nz=3\n"
    assert [each.comment for each in parse_sections(text).assignments] == ["why so", "", ""]


def test_lines_before_a_section_belong_to_the_one_named() -> None:
    assert parse_sections("x=1").unread == [(1, "x=1")]
    assert parse_sections("x=1", "all").assignments[0].section == "all"


def test_variables_hold_what_was_known_where_they_stand() -> None:
    variables = Variables()
    for name, text in (("a", "1"), ("b", "${a}${c}"), ("c", "2"), ("a", "${a}0")):
        variables.define(name, text)
    assert variables.expand("${a} ${c} $a \\$") == "10 2 $a \\$"
    with pytest.raises(NotUnderstood):
        variables.expand("\\${a}")  # it stands for itself: no setting holds that
    with pytest.raises(NotUnderstood, match="nothing sets the variable c"):
        variables.expand("${b}")  # TuneD writes the text itself: nothing a setting could be
    with pytest.raises(NotUnderstood, match="functions are not run"):
        variables.expand("${f:exec:rm:x}")
    with pytest.raises(NotUnderstood, match="no variable can have this name"):
        variables.define("a b", "1")


def test_variables_end_before_they_fill_memory() -> None:
    variables = Variables()
    variables.define("a0", "x" * 10)

    def laugh() -> None:
        for number in range(40):
            variables.define(f"a{number + 1}", f"${{a{number}}}" * 10)

    with pytest.raises(LensError, match="grows beyond any use"):
        laugh()


@pytest.mark.parametrize("knob", [knob for knob in KNOBS.values() if knob.offered])
def test_the_file_of_a_knob_leads_back_to_it(knob: object) -> None:
    assert isinstance(knob, type(KNOBS["vm.swappiness"]))
    instance = {"node": "node0", "policy": "policy3", "disk": "sda", "cpu": "cpu7", "size": "64kB"}
    one = instance.get(knob.scope, "")
    assert places_of(knob.file(one)) == ((knob, one or None),)
    if knob.total_path:
        assert places_of(knob.total_path) == ((knob, None),)


@pytest.mark.parametrize(
    ("path", "targets"),
    [
        ("/sys/block/*/queue/scheduler", "block.scheduler"),
        ("/sys/class/block/sda/queue//scheduler", "block.scheduler@sda"),
        ("/sys/block/sd?/queue/scheduler", "block.scheduler@sda block.scheduler@sdb"),
        ("/sys/block/sd[b-z]/../sdb/queue/scheduler", "block.scheduler@sdb"),
        ("/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor", "cpu.governor"),
        ("/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor", "cpu.governor"),
        ("/sys/devices/system/cpu/cpufreq/policy*/scaling_governor", "cpu.governor"),
        ("/sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", None),
        ("/sys/devices/system/cpu/cpu*/power/pm_qos_resume_latency_us", "cpu.idle_latency"),
        ("/sys/kernel/mm/transparent_hugepage/hugepages-*/enabled", "thp.size_enabled"),
        ("/sys/kernel/mm/transparent_hugepage/hugepages-6*/enabled", "thp.size_enabled@64kB"),
        ("/sys/devices/system/node/node*/hugepages/hugepages-2048kB/nr_hugepages",
         "hugepages.2048kB@node0 hugepages.2048kB@node1"),
        ("/sys/block/xvd*/queue/scheduler", None),
        ("/sys/block/*a*" * 90, None),
        ("/proc/sys/net/core/rmem_max", None),
        ("", None),
        ("/sys/block/\0/queue/scheduler", None),
    ],
)  # fmt: skip
def test_a_path_means_targets(path: str, targets: str | None) -> None:
    there = {
        "/sys/block": ("sda", "sdb", "nvme0n1", "../x"),
        "/sys/devices/system/node": ("node0", "node1", "online"),
        "/sys/kernel/mm/transparent_hugepage": ("enabled", "hugepages-64kB", "hugepages-32kB"),
    }

    def listed(folder: str) -> tuple[str, ...]:
        return there.get(folder, ())

    if targets is None:
        with pytest.raises(NoKnob, match=r"\w"):
            places_of(path, listed)
        return
    found = places_of(path, listed)
    names = [f"{knob.id}@{instance}" if instance else knob.id for knob, instance in found]
    assert " ".join(names) == targets


def test_a_sysctl_may_be_written_with_slashes() -> None:
    assert sysctl_path("vm.swappiness") == sysctl_path("vm/swappiness")
    assert sysctl_path("net.ipv4.conf.eth0/1.x") == "/proc/sys/net/ipv4/conf/eth0.1/x"
    assert sysctl_path("net/ipv4/conf/eth0.1/x") == "/proc/sys/net/ipv4/conf/eth0.1/x"
