"""The text of the files for the next boot, what may stand in it, and what tells a disk."""

from __future__ import annotations

import fnmatch
import re

import pytest

from aitune_helper import boot, formats
from aitune_helper.formats import FORMATS, Line, udev_key, udev_match

WHY = "trial 1, ops, 2023-11-14"
SDA = 'ATTR{device/wwid}=="naa.5000c500a1b2c3d4"'
NVME = 'ATTR{wwid}=="eui.0025385b21404f12"'
NODE = "/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages"
TOTAL = "/sys/kernel/mm/hugepages/hugepages-524288kB/nr_hugepages"
CPUFREQ = "/sys/devices/system/cpu/cpufreq/policy0/"
SAMPLES = {
    "sysctl": {"vm.swappiness": Line("10", WHY), "vm.nr_hugepages": Line("64", "trial 2, x")},
    "tmpfiles": {
        "/sys/kernel/mm/transparent_hugepage/defrag": Line("defer+madvise", WHY),
        NODE: Line("8", WHY),
        TOTAL: Line("2", WHY),
        CPUFREQ + "scaling_governor": Line("performance", "trial 3, y"),
        CPUFREQ + "energy_performance_preference": Line("performance", WHY),
    },
    "modules": {"acpi_cpufreq": Line("", WHY), "cpufreq_ondemand": Line("", "trial 2, x")},
    "udev": {
        udev_key(SDA, "queue/read_ahead_kb"): Line("4096", WHY),
        udev_key(SDA, "queue/scheduler"): Line("none", "trial 2, x"),
        udev_key(SDA, "queue/max_sectors_kb"): Line("512", WHY),
        udev_key(SDA, "queue/nr_requests"): Line("64", WHY),
        udev_key(NVME, "queue/read_ahead_kb"): Line("128", WHY),
    },
}


@pytest.mark.parametrize("mechanism", sorted(SAMPLES))
def test_what_is_rendered_is_read_back_and_the_order_of_lines_does_not_matter(
    mechanism: str,
) -> None:
    form, lines = FORMATS[mechanism], SAMPLES[mechanism]
    text = form.render(lines)
    assert form.parse(text) == lines
    assert form.render(dict(reversed(lines.items()))) == text
    assert text.isascii()


@pytest.mark.parametrize("mechanism", sorted(SAMPLES))
@pytest.mark.parametrize("why", ["x\ny = 1", "\x1b[2J", "\u00e4", "a\rb\u2028c\x85d"])
def test_no_comment_ends_early_or_acts_on_a_terminal(mechanism: str, why: str) -> None:
    key, line = next(iter(SAMPLES[mechanism].items()))
    text = FORMATS[mechanism].render({key: line._replace(why=why)})
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    assert text.count("\n") == FORMATS[mechanism].render({key: line}).count("\n")
    assert FORMATS[mechanism].parse(text).keys() == {key}


def test_a_disk_has_one_rule_in_the_order_that_the_kernel_needs() -> None:
    rules = [line for line in formats.render_udev(SAMPLES["udev"]).splitlines() if line[:1] == "A"]
    assert rules == [
        f'ACTION=="add|change", SUBSYSTEM=="block", ENV{{DEVTYPE}}=="disk", {SDA}, '
        'ATTR{queue/scheduler}="none", ATTR{queue/nr_requests}="64", '
        'ATTR{queue/max_sectors_kb}="512", ATTR{queue/read_ahead_kb}="4096"',
        f'ACTION=="add|change", SUBSYSTEM=="block", ENV{{DEVTYPE}}=="disk", {NVME}, '
        'ATTR{queue/read_ahead_kb}="128"',
    ]


def test_totals_come_before_nodes_and_preferences_before_governors() -> None:
    text = formats.render_tmpfiles(SAMPLES["tmpfiles"])
    paths = re.findall(r"(?m)^w (\S+) - - - - ", text)
    assert paths.index(TOTAL) < paths.index(NODE)
    assert paths.index(CPUFREQ + "energy_performance_preference") < paths.index(
        CPUFREQ + "scaling_governor"
    )


@pytest.mark.parametrize(
    ("said", "pattern"),
    [
        ("eui.0025385b21404f12\n", "eui.0025385b21404f12"),
        ("naa.5000c500a1b2c3d4", "naa.5000c500a1b2c3d4"),
        ("t10.ATA     Samsung SSD 860  S3Z8NB0K", "t10.ATA?????Samsung?SSD?860??S3Z8NB0K"),
        ('a"b', "a?b"),
        ("a\\b'c", "a?b?c"),
        ("a%nb$attr{x}", "a?nb?attr?x?"),
        ("a\nRUN+=x", "a?RUN??x"),
        ("a*[b]|c?!d", "a??b??c??d"),
        ("LVM-aB3", "LVM-aB3"),
    ],
)
def test_only_harmless_characters_of_an_identity_are_literal(said: str, pattern: str) -> None:
    match = udev_match("wwid", said)
    assert match == f'ATTR{{wwid}}=="{pattern}"'
    assert formats.is_udev_match(match)
    assert fnmatch.fnmatchcase(said.strip(), pattern)
    rule = formats.render_udev({udev_key(match, "queue/scheduler"): Line("none", WHY)})
    assert rule.count("\nACTION") == 1
    assert "$" not in rule
    assert "%" not in rule


@pytest.mark.parametrize(
    "said", ["", "  ", "\u00e4\u00f6", "\ufffd123", "000000", "????", '"$%', "x" * 201]
)
def test_what_names_no_disk_is_no_identity(said: str) -> None:
    assert udev_match("serial", said) is None


@pytest.mark.parametrize(
    ("size_kib", "total", "nodes", "words"),
    [
        (1048576, "4", (), "hugepagesz=1G hugepages=4"),
        (16777216, "1", (), "hugepagesz=16G hugepages=1"),
        (1048576, "9", (("node0", "4"), ("node1", "1")), "hugepagesz=1G hugepages=0:4,1:1"),
        (2048, "64", (), "hugepagesz=2M hugepages=64"),
    ],
)
def test_the_words_of_the_command_line(
    size_kib: int, total: str, nodes: tuple[tuple[str, str], ...], words: str
) -> None:
    assert formats.command_line(size_kib, total, nodes) == words


@pytest.mark.parametrize("mechanism", sorted(SAMPLES))
def test_what_apply_could_write_may_stand_there(mechanism: str) -> None:
    for key, line in SAMPLES[mechanism].items():
        assert boot.why_not(boot.Setting(mechanism, key, line.value)) is None


@pytest.mark.parametrize(
    ("mechanism", "key", "value"),
    [
        ("sysctl", "vm.swappiness", "010"),
        ("sysctl", "vm.swappiness", "201"),
        ("sysctl", "kernel.core_pattern", "|/tmp/x"),
        ("sysctl", "thp.enabled", "always"),
        ("tmpfiles", "/proc/sys/kernel/core_pattern", "x"),
        ("tmpfiles", "/sys/kernel/mm/transparent_hugepage/enabled", "sometimes"),
        ("tmpfiles", "/sys/devices/system/node/../../x/hugepages-2048kB/nr_hugepages", "1"),
        (
            "tmpfiles",
            "/sys/devices/system/node/node%b/hugepages/hugepages-2048kB/nr_hugepages",
            "1",
        ),
        ("tmpfiles", CPUFREQ + "scaling_governor", "a b"),
        ("udev", udev_key(SDA, "queue/scheduler"), 'none", RUN+="/bin/sh'),
        ("udev", udev_key(SDA, "queue/read_ahead_kb"), "-1"),
        ("udev", udev_key(SDA, "queue/rotational"), "0"),
        ("udev", udev_key(SDA, "queue/iosched/read_expire"), "500"),
        ("sysctl", "vm.min_free_kbytes", "1023"),
        ("udev", udev_key('KERNEL=="sda"', "queue/scheduler"), "none"),
        ("udev", udev_key('ATTR{wwid}=="a", RUN+="x"', "queue/scheduler"), "none"),
        ("modules", "evil", ""),
        ("modules", "acpi_cpufreq", "x"),
    ],
)
def test_nothing_else_may(mechanism: str, key: str, value: str) -> None:
    assert boot.why_not(boot.Setting(mechanism, key, value)) is not None
