"""All that is known of a setting, laid side by side: every knob, and what each part says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aitune_backends import explanation_text as words
from aitune_backends import shell
from aitune_backends.boot_files import Owner
from aitune_backends.boot_lines import BootLines
from aitune_backends.catalogue import ENTRIES, GOALS
from aitune_backends.explanation import Explanation, explain, lay_out
from aitune_backends.explanation_text import Said
from aitune_backends.machine import Machine, open_machine
from aitune_backends.owners import UNKNOWN, Owners, Target
from aitune_backends.survey import survey
from aitune_backends.targets import TargetStatus
from aitune_backends.value_words import in_words, spelled


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with open_machine(demo=True) as opened:
        yield opened


@pytest.fixture(scope="module")
def statuses(machine: Machine) -> tuple[TargetStatus, ...]:
    return survey(machine.host, None, "training", UNKNOWN)


def about(
    machine: Machine,
    statuses: tuple[TargetStatus, ...],
    knob: str,
    instance: str | None = None,
) -> Explanation:
    return explain(machine.host, knob, instance, "training", statuses, UNKNOWN)


def said(about: Explanation) -> dict[str, str]:
    everything: tuple[Said, ...] = (
        *words.what_and_why(about),
        *words.standing(about),
        *words.way_back(about),
        *words.further(about),
        *words.sources(about),
    )
    return {one.label: one.text for one in everything}


@pytest.mark.parametrize("knob", ENTRIES)
def test_every_knob_has_its_page_also_where_the_machine_lacks_it(
    knob: str, machine: Machine, statuses: tuple[TargetStatus, ...]
) -> None:
    texts = said(about(machine, statuses, knob))
    first = ["What", "Why", "Evidence", "Risk", "Now", "At boot", "Saved", "Set by"]
    assert [*texts][:10] == [*first, "Path", "Undo"]
    assert all(texts[label] for label in first)
    assert "{" not in texts["What"] + texts["Risk"]
    assert all(goal in texts["Advised"] for goal in GOALS)
    assert texts["Advised"].count("(the goal now)") == 1


def test_a_setting_with_advice_says_what_would_be_written_and_what_undoes_it(
    machine: Machine, statuses: tuple[TargetStatus, ...]
) -> None:
    texts = said(about(machine, statuses, "vm.swappiness"))
    assert texts["Command"] == "sudo sysctl -w vm.swappiness=10"
    assert texts["To undo"] == "sudo sysctl -w vm.swappiness=60"
    assert texts["To last"] == "/etc/sysctl.d/95-aitune.conf\nvm.swappiness = 10"


def test_what_lasts_of_a_pool_is_said_of_its_total_and_of_its_nodes(
    machine: Machine, statuses: tuple[TargetStatus, ...]
) -> None:
    pool = "hugepages.2048kB"
    line = Owner("/proc/cmdline (hugepages=0)", 0, "0")
    owners = Owners(BootLines(known=True, lines={Target(pool): (line,)}))
    saved = said(explain(machine.host, pool, None, "training", statuses, owners))["Saved"]
    assert saved == (
        "the total: survives a reboot: /proc/cmdline (hugepages=0) sets 0. "
        "node0, node1: nothing sets it at boot: it will be the kernel's default."
    )


def test_many_policies_share_a_line_and_a_pattern(
    machine: Machine, statuses: tuple[TargetStatus, ...]
) -> None:
    found = about(machine, statuses, "cpu.governor")
    texts = said(found)
    tee = "| sudo tee /sys/devices/system/cpu/cpufreq/"
    assert texts["Command"] == f"echo performance {tee}policy{{0..63}}/scaling_governor"
    assert texts["To undo"].split("\n") == [
        f"echo performance {tee}policy{{0..31}}/scaling_governor",
        f"echo powersave {tee}policy{{32..63}}/scaling_governor",
    ]
    assert texts["Now"] == "performance on policy0-31; powersave on policy32-63"
    assert texts["Path"].endswith("/*/scaling_governor, for policy0-63")
    assert len(found.paths) == 64, "each path is there for programs"
    assert texts["To last"].endswith("and 60 more like these")
    alone = about(machine, statuses, "cpu.governor", "policy40")
    assert said(alone)["Path"].endswith("/policy40/scaling_governor")
    assert len(alone.targets) == 1


def test_a_limit_is_bounded_by_the_files_of_the_machine(
    machine: Machine, statuses: tuple[TargetStatus, ...]
) -> None:
    found = about(machine, statuses, "cpu.max_freq")
    assert (found.takes.low, found.takes.high) == (800000, 3800000)
    assert "cpuinfo_max_freq" in said(found)["Takes"]
    assert said(found)["Now"] == "3.8 GHz (3800000)"
    unread = lay_out("cpu.max_freq", None, "training", found.targets, UNKNOWN, None, "")
    assert unread.takes.high != 3800000, "without having read the files the table bounds it"
    assert unread.lasting is None


def test_a_coupling_is_told_from_both_sides(
    machine: Machine, statuses: tuple[TargetStatus, ...]
) -> None:
    assert "cpu.epp along with it" in said(about(machine, statuses, "cpu.governor"))["Moves"]
    assert "write of cpu.governor" in said(about(machine, statuses, "cpu.epp"))["Coupled"]
    half = said(about(machine, statuses, "vm.dirty_ratio"))["Coupled"]
    assert half.startswith("vm.dirty_bytes says the same in other words")


def test_a_pool_is_meant_by_its_total(machine: Machine, statuses: tuple[TargetStatus, ...]) -> None:
    found = about(machine, statuses, "hugepages.2048kB")
    assert len(found.commands) == 1
    assert "node" not in found.commands[0]
    assert found.undo_commands != found.commands


@pytest.mark.parametrize(
    ("knob", "value", "unit", "shown"),
    [
        ("cpu.idle_latency", "n/a", "us", ("C0 only", "")),
        ("cpu.idle_latency", "0", "us", ("no limit", "")),
        ("cpu.idle_latency", "50", "us", ("50", "us")),
        ("cpu.max_freq", "3800000", "kHz", ("3.8", "GHz")),
        ("cpu.max_freq", "2450000", "kHz", ("2.45", "GHz")),
        ("cpu.min_freq", "800000", "kHz", ("800", "MHz")),
        ("cpu.min_freq", "nonsense", "kHz", ("nonsense", "kHz")),
        ("vm.swappiness", "0", "", ("0", "")),
    ],
)
def test_values_that_would_mislead_are_said_in_words(
    knob: str, value: str, unit: str, shown: tuple[str, str]
) -> None:
    assert in_words(knob, value, unit) == shown
    assert value in spelled(knob, value, unit)


def test_neighbours_become_one_word_of_the_shell() -> None:
    names = ["policy0", "policy1", "policy2", "policy7", "dm-0;x"]
    assert shell.braced(names) == ("policy{0..2}", "policy7", "'dm-0;x'")
    assert words.instances(["cpu0", "cpu1", "cpu5", ""]) == "cpu0-1,5, all"


@pytest.mark.parametrize("knob", ENTRIES)
def test_what_may_go_wrong_is_said_once(
    knob: str, machine: Machine, statuses: tuple[TargetStatus, ...]
) -> None:
    found = about(machine, statuses, knob)
    page = " ".join(f"{one.text} " for one in (*words.what_and_why(found), *words.further(found)))
    dangers = [value.danger[1:] for value in dict.fromkeys((*found.values, *found.meant))]
    assert all(page.count(danger) == dangers.count(danger) for danger in dangers)


def test_the_direction_from_what_there_is_decides_what_is_said(
    machine: Machine, statuses: tuple[TargetStatus, ...]
) -> None:
    less = said(about(machine, statuses, "vm.swappiness"))["Risk"]
    assert less.startswith("Low risk: cached files are dropped instead")
    either = said(about(machine, statuses, "vm.page-cluster"))["Risk"]
    assert either.startswith("A higher value: low risk: pages may be read that nobody wants.")
    assert "A lower value: low risk: on a turning disk" in either
