"""`aitune-tui owners` on the made-up machine, and on copies of machines."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.cli.conftest import CommandLine

SYSCTL = "etc/sysctl.d/10-a.conf"


def write(cli: CommandLine, path: str, text: str) -> None:
    file = cli.demo.host.root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.fixture
def owned(cli: CommandLine) -> CommandLine:
    """The demo, which has a line for vm.swappiness, with more lines and a service."""
    write(cli, SYSCTL, "vm.swappiness = 10\n")
    write(cli, "usr/lib/sysctl.d/99-b.conf", "# ours\nvm.swappiness = 60\n")
    write(
        cli,
        "etc/tmpfiles.d/a.conf",
        "w /sys/devices/system/cpu/cpufreq/policy*/scaling_governor - - - - performance\n",
    )
    write(cli, "proc/cmdline", "quiet elevator=noop\n")
    write(cli, "etc/tuned/active_profile", "mine\n")
    write(cli, "etc/tuned/mine/tuned.conf", "[vm]\ntransparent_hugepages=always\n")
    write(cli, "sys/fs/cgroup/system.slice/tuned.service/cgroup.procs", "1\n")
    return cli  # fmt: skip


def test_the_table_shows_what_is_set_and_counts_the_rest(owned: CommandLine) -> None:
    said = owned.run("owners").output
    rows = {line.split()[0]: line for line in said.splitlines() if line}
    assert "/usr/lib/sysctl.d/99-b.conf:2, over 2 other lines" in rows["vm.swappiness"]
    assert "no: performance" in rows["cpu.governor@policy32-63"]
    assert "tuned sets always" in rows["thp.enabled"]
    assert "more settings: nothing known sets them." in said
    assert "elevator=noop: The kernel ignores it since 5.0." in said
    assert "profile mine" in rows["tuned"]
    assert "vm.dirty_ratio" not in rows


def test_one_setting_in_full(owned: CommandLine) -> None:
    said = owned.run("owners", "vm.swappiness").output
    assert "Survives a reboot: /usr/lib/sysctl.d/99-b.conf:2 sets 60." in said
    assert "/etc/sysctl.d/10-a.conf:1, which sets 10." in said
    assert "Nothing known sets it again" in said
    said = owned.run("owners", "thp.enabled").output
    assert "tuned is running and sets always (/etc/tuned/mine/tuned.conf:2)." in said
    assert (
        "elevator=noop on the kernel's command line"
        in owned.run("owners", "block.scheduler@nvme0n1").output
    )


def test_programs_get_the_same(owned: CommandLine) -> None:
    document = owned.json("owners")
    swappiness = next(t for t in document["targets"] if t["knob"] == "vm.swappiness")
    assert swappiness["owner"]["place"] == "/usr/lib/sysctl.d/99-b.conf:2"
    assert [line["value"] for line in swappiness["beaten"]] == ["10", "10"]
    assert swappiness["survives"] is True
    assert document["set_by_nothing"] > 0
    [service] = document["services"]
    assert (service["name"], service["running"]) == ("tuned", True)
    one = owned.json("owners", "vm.dirty_ratio")
    assert [(t["knob"], t["owner"]) for t in one["targets"]] == [("vm.dirty_ratio", None)]
    assert one["set_by_nothing"] == 0


def test_a_capture_without_etc_says_so(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.demo.host, "origin", "capture")
    for folder in ("etc", "usr", "run"):
        shutil.rmtree(cli.demo.host.root / folder, ignore_errors=True)
    assert "What sets things at boot is not known: not in this capture." in cli.run("owners").output
    said = cli.run("owners", "vm.swappiness").output
    assert "Not known" in said
    assert "Nothing known" not in said
    document = cli.json("owners", "vm.swappiness")
    assert (document["known"], document["why_not"]) == (False, "not in this capture")
    assert document["targets"][0]["survives"] is None


def test_a_file_that_cannot_be_read_is_named(owned: CommandLine) -> None:
    (owned.demo.host.root / "etc/sysctl.d/50-c.conf").mkdir()
    assert "/etc/sysctl.d/50-c.conf cannot be read" in owned.run("owners").output
    assert owned.json("owners")["unread"][0]["file"] == "/etc/sysctl.d/50-c.conf"


@pytest.mark.parametrize("name", ["vm.nonsense", "cpu.governor@policy999", ""])
def test_what_is_not_there_is_a_usage_error(cli: CommandLine, name: str) -> None:
    assert cli.json("owners", name, expect=2)["code"].startswith("unknown")


def test_lines_from_files_cannot_act(owned: CommandLine) -> None:
    write(owned, SYSCTL, "vm.overcommit_ratio = \x1b[2J\x07evil\n")
    said = owned.run("owners").output
    assert "\x1b" not in said
    assert "?[2J?evil" in said
