"""What is said of owners: whether a value survives, who keeps setting it, and of what drifted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from aitune_backends.boot_files import Owner
from aitune_backends.boot_lines import BootLines, Target
from aitune_backends.drift import compare
from aitune_backends.manager_kind import Setting
from aitune_backends.managers import Manager
from aitune_backends.owners import UNKNOWN, Owners, read_owners
from aitune_backends.survey import survey
from tests.unit.knowledge import made_trees

if TYPE_CHECKING:
    from pathlib import Path

SWAPPINESS = Target("vm.swappiness")
GOVERNOR = Target("cpu.governor", "policy3")
FILE = "/etc/sysctl.d/10-a.conf"


def service(
    name: str, *settings: Setting, running: bool = True, enabled: bool = True, keeps: bool = True
) -> Manager:
    return Manager(name, running, enabled, settings, "", "It does.", (), keeps)


def owners(*managers: Manager, **lines: Owner) -> Owners:
    found = {SWAPPINESS: tuple(lines.values())} if lines else {}
    return Owners(BootLines(known=True, lines=found), managers)


def by_tuned(value: str | None, bound: str = "") -> Manager:
    return service("tuned", Setting("vm.swappiness", "", value, "/x/tuned.conf:12", bound))


@pytest.mark.parametrize(
    ("found", "value", "sentence"),
    [
        (UNKNOWN, "10",
         "Not known: the files that set things at boot are not in this capture."),
        (owners(), "10", "Nothing sets it at boot: it will be the kernel's default."),
        (owners(a=Owner(FILE, 3, "10")), "10", f"Survives a reboot: {FILE}:3 sets 10."),
        (owners(a=Owner(FILE, 3, "10")), "60", f"Does not survive a reboot: {FILE}:3 sets 10."),
        (owners(a=Owner(FILE, 3, "10", certain=False)), "10",
         f"May or may not survive a reboot: {FILE}:3 sets 10, as far as can be told from here."),
        (owners(by_tuned("40"), a=Owner(FILE, 3, "10")), "10",
         "Does not survive a reboot: /x/tuned.conf:12 (tuned) sets 40."),
        (owners(by_tuned(None)), "10",
         "May or may not survive a reboot: /x/tuned.conf:12 (tuned) decides about it, as far as "
         "can be told from here."),
        # What is ignored does not stand.
        (owners(a=Owner(FILE, 3, "10"), b=Owner("/y", 1, "5", ignored="So.")), "10",
         f"Survives a reboot: {FILE}:3 sets 10."),
    ],
)  # fmt: skip
def test_whether_it_survives_and_because_of_what(found: Owners, value: str, sentence: str) -> None:
    assert found.because("vm.swappiness", value) == sentence


def test_a_driver_that_comes_late_makes_it_likely() -> None:
    line = {GOVERNOR: (Owner("/etc/tmpfiles.d/a.conf", 1, "performance"),)}
    found = Owners(BootLines(known=True, lines=line, by_module=frozenset({GOVERNOR})))
    assert found.because(GOVERNOR.knob, "performance", GOVERNOR.instance) == (
        "Likely survives a reboot: /etc/tmpfiles.d/a.conf:1 sets performance, if the driver's "
        "module is loaded by then."
    )


def test_services_that_disagree_leave_it_open() -> None:
    tlp = service("tlp", Setting("vm.swappiness", "", "60", "/etc/tlp.conf:1"))
    assert owners(by_tuned("10"), tlp).at_boot("vm.swappiness", "10") == "may be"
    assert owners(by_tuned("60"), tlp).at_boot("vm.swappiness", "60") == "yes"


@pytest.mark.parametrize(
    ("manager", "sentences"),
    [
        (by_tuned("10"), ("tuned is running and sets 10 (/x/tuned.conf:12).",)),
        (by_tuned("10", "at least"),
         ("tuned is running and sets at least 10 (/x/tuned.conf:12).",)),
        (by_tuned(None), ("tuned is running and sets it as it sees fit (/x/tuned.conf:12).",)),
        (service("cpupower", Setting("vm.swappiness", "", "10", ""), keeps=False), ()),
        (service("tlp", Setting("vm.swappiness", "", "10", ""), running=False), ()),
    ],
)  # fmt: skip
def test_what_will_overwrite_it(manager: Manager, sentences: tuple[str, ...]) -> None:
    found = owners(manager)
    assert found.overwritten_by("vm.swappiness") == sentences
    [keeper] = found.keepers("vm.swappiness")
    assert sentences or keeper.sentence == f"{manager.name} sets 10 when it starts."


def test_a_setting_without_an_instance_goes_to_each() -> None:
    everywhere = service("tuned", Setting("cpu.governor", "", "performance", "x:1"))
    assert owners(everywhere).keepers(*GOVERNOR)
    of_one = service("tuned", Setting("cpu.governor", "policy1", "performance", "x:1"))
    assert not owners(of_one).keepers(*GOVERNOR)
    # The total of a pool is no node's share.
    pool = service("tuned", Setting("hugepages.2048kB", "", "64", "x:1"))
    assert owners(pool).keepers("hugepages.2048kB")
    assert not owners(pool).keepers("hugepages.2048kB", "node0")


def test_a_share_that_a_service_sets_voids_the_bytes() -> None:
    share = service("tuned", Setting("vm.dirty_ratio", "", "40", "x:1"))
    assert owners(share).at_boot("vm.dirty_bytes", "0") == "yes"
    assert owners(share).at_boot("vm.dirty_bytes", "4096") == "no"


def test_a_survey_says_what_may_overwrite(tmp_path: Path) -> None:
    host = made_trees.two_nodes(tmp_path)
    [target] = [
        status
        for status in survey(host, owners=owners(by_tuned("10")))
        if status.knob == "vm.swappiness"
    ]
    assert target.overwritten_by == ("tuned is running and sets 10 (/x/tuned.conf:12).",)
    assert target.owner == "/x/tuned.conf:12 (tuned)"


def test_a_capture_without_etc_tells_nothing_of_owners(tmp_path: Path) -> None:
    files = {"/proc/cmdline": "sysctl.vm.swappiness=10"}
    host = made_trees.host(tmp_path, made_trees.sysctls(), files, origin="capture")
    found = read_owners(host)
    assert not found.known
    assert found.of("vm.swappiness") is None
    assert found.survives("vm.swappiness", "10") is None
    assert [str(line) for line in found.lines("vm.swappiness")] == [
        "/proc/cmdline (sysctl.vm.swappiness=10)"
    ]


AT = 1_700_000_000.0


@pytest.mark.parametrize(
    ("managers", "culprits", "who"),
    [
        ((), (), "Nobody known sets it."),
        ((by_tuned("60"),), ("tuned",), "tuned is running and sets it."),
        ((by_tuned("30"),), ("tuned",), "tuned is running and sets it, to 30 by its files."),
        ((by_tuned(None),), ("tuned",), "tuned is running and sets it."),
        # Whoever sets this very value comes first.
        ((by_tuned("30"), service("tlp", Setting("vm.swappiness", "", "60", ""))),
         ("tlp", "tuned"), "tlp is running and sets it. So does 1 more."),
        ((service("tlp", Setting("vm.swappiness", "", "60", ""), running=False),), (),
         "Nobody known sets it."),
    ],
)  # fmt: skip
def test_drift_and_its_culprits(
    managers: tuple[Manager, ...], culprits: tuple[str, ...], who: str
) -> None:
    [drift] = compare({SWAPPINESS: "10"}, {SWAPPINESS: "60"}, set(), owners(*managers), AT)
    at = time.strftime("%H:%M:%S", time.localtime(AT))
    assert drift.sentence == f"vm.swappiness went from 10 to 60 at {at}. Not by us. {who}"
    assert (drift.target, drift.old, drift.new, drift.at) == (SWAPPINESS, "10", "60", AT)
    assert drift.culprits == culprits


def test_what_we_did_ourselves_is_no_drift_nor_what_appears_or_stays() -> None:
    before = {SWAPPINESS: "10", GOVERNOR: "powersave", Target("vm.dirty_ratio"): "20"}
    after = {SWAPPINESS: "60", GOVERNOR: "performance", Target("vm.page-cluster"): "3"}
    found = compare(before, after, {SWAPPINESS}, UNKNOWN, AT)
    assert [drift.target for drift in found] == [GOVERNOR]
    assert found[0].sentence.startswith("cpu.governor@policy3 went from powersave to performance")


def test_a_hostile_value_is_one_line() -> None:
    [drift] = compare({SWAPPINESS: "1"}, {SWAPPINESS: "2\n\x1b[2J"}, set(), UNKNOWN, AT)
    assert "to 2??[2J at" in drift.sentence
